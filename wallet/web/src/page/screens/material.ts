/** Showing the very files that would be shared: text, pictures, a layer of a scan. Nothing in them is ever run. */

import type { Message } from "../../core/model.ts";
import { h, on, save } from "../dom.ts";
import type { Page } from "../page.ts";

const PICTURES: ReadonlySet<string> = new Set(["image/jpeg", "image/png", "image/webp", "image/gif"]);
const LONGEST_TEXT = 200_000;
/** Characters of a text that is shown in a window of its own; a shorter one is there whole, so that nothing is missed. */
const LONG_TEXT = 6000;

/** What kind of thing an item is, in a word. */
export function kindOf(page: Page, { mediaType }: Message<"Item">): string {
  const kind = mediaType.startsWith("text/") ? "text" : mediaType === "application/dicom" ? "scan" : PICTURES.has(mediaType) ? "image" : "other";
  return page.t(`offer.item.kind.${kind}`);
}

/** An opened item as something to look at. */
export async function material(page: Page, item: Message<"Item">, content: Uint8Array): Promise<HTMLElement> {
  const { mediaType, name } = item;
  const shown = h("div", { class: "material" });
  if (mediaType.startsWith("text/")) {
    const text = new TextDecoder().decode(content.slice(0, LONGEST_TEXT));
    const kind = text.length > LONG_TEXT ? "text long" : "text";
    shown.append(h("div", { class: kind, dir: "auto", tabindex: 0, role: "region", "aria-label": name }, text));
  } else if (PICTURES.has(mediaType)) {
    shown.append(picture(content, mediaType, page.t("offer.item.image", { name })));
  } else if (mediaType === "application/dicom") {
    shown.append(await scan(page, name, content));
  } else {
    shown.append(h("p", {}, page.t("offer.item.save")),
      page.button("action.save", () => save(name, content, "application/octet-stream"), "quiet"));
  }
  return shown;
}

/** Bytes that the browser itself decodes, by their declared type: a picture runs nothing. */
function picture(content: Uint8Array, type: string, alt: string): HTMLImageElement {
  const address = URL.createObjectURL(new Blob([new Uint8Array(content)], { type }));
  return on(h("img", { src: address, alt }), { load: () => URL.revokeObjectURL(address) });
}

/** One layer of a scan, with what one needs to see something in it. */
async function scan(page: Page, name: string, content: Uint8Array): Promise<HTMLElement> {
  const { drawSlice } = await import("../../core/dicom.ts");
  const alt = page.t("offer.item.scan", { name });
  const first = drawSlice(content);
  const place = h("div");
  const slider = (label: string, min: number, max: number, value: number, step: number | "any"): { row: HTMLElement; input: HTMLInputElement } => {
    const input = h("input", { type: "range", min, max, step, value });
    return { row: h("label", {}, label, input), input };
  };
  const layer = slider(page.t("offer.item.frame"), 1, first.frames, 1, 1);
  const rows: HTMLElement[] = first.frames > 1 ? [layer.row] : [];
  let shades = (): { center?: number; width?: number } => ({});
  if (first.kind === "drawn" && first.center !== null && first.windowWidth !== null) {
    // A lower middle of the window makes it brighter, a narrower window sharpens its contrasts.
    const reach = Math.max(first.windowWidth, 1);
    const brightness = slider(page.t("offer.item.brightness"), -first.center - reach, -first.center + reach, -first.center, "any");
    const contrast = slider(page.t("offer.item.contrast"), -reach * 2, -reach / 20, -reach, "any");
    shades = () => ({ center: -Number(brightness.input.value), width: -Number(contrast.input.value) });
    rows.push(brightness.row, contrast.row);
    for (const { input } of [brightness, contrast]) on(input, { input: () => draw() });
  }
  const draw = (): void => {
    const drawn = drawSlice(content, { frame: Number(layer.input.value) - 1, ...shades() });
    if (drawn.kind === "jpeg") return place.replaceChildren(picture(drawn.jpeg, "image/jpeg", alt));
    const canvas = h("canvas", { role: "img", "aria-label": alt, width: drawn.width, height: drawn.height });
    canvas.getContext("2d")?.putImageData(new ImageData(drawn.rgba, drawn.width, drawn.height), 0, 0);
    return place.replaceChildren(canvas);
  };
  on(layer.input, { input: draw });
  draw();
  return h("div", {}, place, ...rows);
}
