/** Reading and signing: this screen has no input but the grants that will be signed, and shows nothing else. */

import { InvalidInput } from "../../core/errors.ts";
import type { Message } from "../../core/model.ts";
import { matches } from "../../core/summary.ts";
import { grantHash } from "../../core/book.ts";
import type { App } from "../app.ts";
import { facts, h } from "../dom.ts";
import type { Draw, Screen } from "../page.ts";
import { SUMMARIES } from "../words.ts";

/** Seconds before the button can be pressed: a hand that was about to press “Next” must not sign. */
const GUARD = 3;

/** What the screen needs beside the grants. */
export interface Signing {
  /** The Directory's names by address. */
  readonly names: ReadonlyMap<string, string>;
  /** Whom she said no to. */
  readonly refused: readonly string[];
  /** Where she is, of how many steps; null when it is the only one. */
  readonly step: { readonly step: number; readonly of: number } | null;
  /** Whether the sentences are written anew, in the language of the page, when she goes back and comes again. */
  readonly rewritten: boolean;
  /** Whether the same consent under an older form ends with it. */
  readonly ends: boolean;
  /** Signs and sends; gives the screen that says what came of it. */
  readonly sign: () => Promise<Draw>;
  readonly back: () => unknown;
}

export function review(app: App, { names, refused, step, rewritten, ends, sign: act, back }: Signing, grants: readonly Message<"Grant">[]): Screen {
  const { page } = app;
  // Held once more against the fields, here, where they are shown.
  const sentences = grants.map((grant) => {
    const language = matches(grant, names);
    if (language === null) throw new InvalidInput("The sentence of this offer does not say what would be signed. Do not sign it.");
    return { text: grant.summary, language };
  });
  const foreign = rewritten && SUMMARIES.has(page.language) && sentences.some(({ language }) => language !== page.language);
  const sign = page.button("review.sign", async () => {
    page.announce(page.t("review.signing"));
    await page.show(await act());
  }, "main");
  sign.disabled = true;
  const wait = h("p", { class: "hint", "aria-live": "polite" }, page.t("review.wait", { seconds: GUARD }));
  setTimeout(() => {
    sign.disabled = false;
    wait.textContent = page.t("review.ready");
  }, GUARD * 1000);
  return {
    title: page.t("review.title"),
    body: [
      step !== null && h("p", { class: "hint" }, page.t("offer.step", { step: step.step, of: step.of })),
      h("p", { class: "lead" }, page.t("review.lead")),
      h("h2", {}, page.t("review.sentences")),
      foreign && h("div", { class: "warning" }, h("p", {}, page.t("review.language"))),
      ...sentences.map(({ text, language }) => h("div", { class: "sentence", dir: "auto", lang: language }, h("p", {}, text))),
      refused.length > 0 && h("p", {}, page.t("review.not", { names: refused.map((one) => `\u2068${one}\u2069`).join(", ") })),
      ends && h("p", {}, page.t("review.ends")),
      wait,
      h("div", { class: "actions" }, sign, page.button("review.back", back, "quiet")),
      page.details(...grants.map((grant) => technical(grant))),
    ],
  };
}

/** Every field that is signed, as it is. */
export function technical(grant: Message<"Grant">): HTMLElement {
  const rows = Object.entries(grant).map(([field, value]) =>
    [field, Array.isArray(value) ? value.join(", ") : String(value)] as const);
  return h("div", { class: "technical", dir: "ltr", lang: "en" }, facts([["grantHash", grantHash(grant)], ...rows]));
}

/** It was signed, and sent or kept. */
export function signed(app: App, sent: boolean): Screen {
  const { page } = app;
  return {
    title: page.t("review.done"),
    body: [
      h("p", { class: "lead" }, page.t(sent ? "review.done.text" : "review.queued")),
      h("div", { class: "actions" }, app.link("#/consents", page.t("nav.consents"), "main")),
    ],
  };
}
