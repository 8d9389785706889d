/** Being invited: who asks, by the public list and not by the letter, and the answer with a fresh pseudonym. */

import type { App } from "../app.ts";
import { facts, field, h, name } from "../dom.ts";
import type { Screen } from "../page.ts";
import { lookForCases } from "./restore.ts";

/** `#invitation=TOKEN` */
export async function invitation(app: App, token: string): Promise<Screen> {
  const { page } = app;
  const { wallet, client, patient } = app.open;
  if (wallet.contents.toRestore) return lookForCases(app);
  const found = await patient.invitation(token);
  const party = (await client.parties()).find(({ address }) => address === found.controller);
  const who = party?.name ?? null;
  const mine = wallet.contents.cases.find(({ controller, title }) => controller === found.controller && title === found.title);
  const refusal =
    who === null || !party?.roles.includes("controller") ? page.t("invitation.unlisted")
    : party.suspended ? page.t("invitation.suspended")
    : found.claimed ? page.t(mine ? "invitation.mine" : "invitation.claimed")
    : null;
  const answer = async (): Promise<void> => {
    await patient.join(token);
    await page.show(() => answered(app, who ?? ""));
  };
  return {
    title: page.t("invitation.title"),
    body: [
      h("p", { class: "lead" }, page.t("invitation.lead")),
      h("div", { class: "card" }, facts([
        [page.t("invitation.from"), who === null ? h("span", { class: "technical" }, found.controller) : name(who)],
        [page.t("invitation.case"), h("bdi", {}, found.title)],
      ]), who !== null && h("p", { class: "hint" }, page.t("invitation.checked"))),
      ...(refusal === null
        ? [
            h("p", {}, page.t("invitation.meaning")),
            h("p", {}, page.t("invitation.pseudonym")),
            h("p", { class: "hint" }, page.t("invitation.until", { date: page.day(found.expiresAt) })),
            h("div", { class: "actions" },
              page.button("invitation.go", answer, "main"),
              page.button("invitation.no", () => app.go("#/consents"), "quiet")),
          ]
        : [h("div", { class: "warning", role: "alert" }, h("p", {}, refusal)), app.link("#/consents", page.t("nav.consents"))]),
    ],
  };
}

function answered(app: App, who: string): Screen {
  const { page } = app;
  return {
    title: page.t("invitation.done"),
    body: [
      h("p", { class: "lead" }, page.t("invitation.done.text", { name: who })),
      h("div", { class: "actions" }, app.link("#/consents", page.t("nav.consents"), "main")),
    ],
  };
}

/** A place to paste a link or a code. Only what this service gave out leads anywhere. */
export function linkForm(app: App): HTMLElement {
  const { page } = app;
  const typed = field(page.t("link.label"), h("input", { type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: "false", dir: "ltr" }));
  return h("section", {},
    h("h2", {}, page.t("link.title")),
    h("p", {}, page.t("link.lead")),
    page.form("link.go", () => {
      const address = linkIn(typed.input.value);
      typed.problem(address === null ? page.t("link.wrong") : undefined);
      return address === null ? undefined : app.go(address);
    }, typed.row));
}

/** The address within this page that a pasted link means; null when it is no link of this service. */
export function linkIn(text: string, origin = location.origin): string | null {
  const [, start = "", fragment] = /^(.*?)(#(?:invitation|offer)=[A-Za-z0-9_-]{8,200})$/s.exec(text.trim()) ?? [];
  return fragment !== undefined && (start === "" || start === `${origin}/wallet/`) ? fragment : null;
}
