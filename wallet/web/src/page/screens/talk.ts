/** Talking with the institution before signing: a question and its answer, or declining with or without a reason. */

import type { OfferMessage } from "../../shell/client.ts";
import type { App } from "../app.ts";
import { field, h } from "../dom.ts";
import type { Draft } from "./offer.ts";

/** Characters; the service takes 2,000 bytes, and a letter of any script needs at most four. */
const LONGEST = 500;

/** Questions that were asked about an offer, their answers, and a place for another. */
export function questions(app: App, draft: Draft): HTMLElement {
  const { page } = app;
  const { client, wallet } = app.open;
  const key = wallet.keys.subject(draft.offer.case.index);
  const said = h("div", { "aria-live": "polite" });
  const show = (all: readonly OfferMessage[]): void => {
    const asked = all.filter(({ kind }) => kind !== "decline");
    said.replaceChildren(...asked.map(({ kind, text, at }) => h("div", { class: kind === "answer" ? "sentence" : "card" },
      h("p", { class: "hint" }, `${kind === "answer" ? page.t("offer.question.answer", { name: `\u2068${draft.from}\u2069` }) : page.t("offer.question.yours")} · ${page.time(at)}`),
      h("p", { dir: "auto" }, text))));
    if (asked.at(-1)?.kind === "question") said.append(h("p", {}, page.t("offer.question.waiting")));
    if (asked.length > 0) box.open = true;
  };
  const typed = field(page.t("offer.question.label", { name: draft.from }), h("textarea", { rows: 3, maxlength: LONGEST, dir: "auto" }),
    page.t("offer.question.hint", { count: LONGEST }));
  const box = h("details", { class: "card" }, h("summary", {}, page.t("offer.question")), said,
    page.form("offer.question.send", async () => {
      const text = oneLine(typed.input.value);
      if (text === "") return typed.input.focus();
      show(await client.say(key, draft.token, "question", text));
      typed.input.value = "";
      page.tell(page.t("offer.question.sent"));
    }, typed.row));
  void client.messages(key, draft.token).then(show, () => undefined); // without it the offer can still be read
  return box;
}

/** What is said travels as one line. */
function oneLine(text: string): string {
  return text.normalize("NFC").replace(/\s+/gu, " ").trim();
}

/** Say no to all of it. */
export async function decline(app: App, draft: Draft): Promise<void> {
  const { page } = app;
  await page.show(() => {
    const reason = field(page.t("offer.decline.reason"), h("textarea", { rows: 3, maxlength: LONGEST, dir: "auto" }),
      page.t("offer.question.hint", { count: LONGEST }));
    return {
      title: page.t("offer.decline"),
      body: [
        h("p", { class: "lead" }, page.t("offer.decline.lead")),
        page.form("offer.decline.go", async () => {
          const { client, wallet } = app.open;
          await client.say(wallet.keys.subject(draft.offer.case.index), draft.token, "decline", oneLine(reason.input.value));
          await page.show(() => ({
            title: page.t("offer.decline"),
            body: [
              h("p", { class: "lead" }, page.t("offer.declined")),
              h("div", { class: "actions" }, app.link("#/consents", page.t("nav.consents"), "main")),
            ],
          }));
        }, reason.row),
        page.button("action.cancel", () => app.route(), "quiet"),
      ],
    };
  });
}
