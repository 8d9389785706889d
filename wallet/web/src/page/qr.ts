/** A square code, drawn. */

import { encode } from "uqr";

import { h } from "./dom.ts";

/** Bytes that a phone's camera still reads well from a screen. */
export const LONGEST_CODE = 2000;
const DOT = 4;
const MARGIN = 4;

/** Text as a square code; `name` is what a screen reader says. */
export function code(text: string, name: string): HTMLElement {
  const { data, size } = encode(text, { ecc: "L", border: 0 });
  const side = (size + 2 * MARGIN) * DOT;
  const canvas = h("canvas", { width: side, height: side, role: "img", "aria-label": name });
  const paint = canvas.getContext("2d");
  if (paint) {
    paint.fillStyle = "#fff";
    paint.fillRect(0, 0, side, side);
    paint.fillStyle = "#000";
    data.forEach((row, y) => row.forEach((dark, x) => dark && paint.fillRect((x + MARGIN) * DOT, (y + MARGIN) * DOT, DOT, DOT)));
  }
  return h("div", { class: "code" }, canvas);
}
