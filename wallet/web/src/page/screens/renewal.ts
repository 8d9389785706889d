/** Agreeing again, once it was signed: what came of it and what is still true; what was interrupted is finished from here. */

import type { MessageKey } from "../../languages/index.ts";
import type { Renewal } from "../../shell/patient.ts";
import type { App } from "../app.ts";
import { h } from "../dom.ts";
import type { Page, Screen } from "../page.ts";
import { oldMayEnd } from "../../core/renewal.ts";
import { UNSENT, type Rows, type Row } from "../standing.ts";
import { review } from "./review.ts";

/** What came of signing: whether the service has the new consent, and what became of the old one. */
export function outcome(app: App, old: Row, { consent, ended, refusal }: Renewal, again: () => unknown): Screen {
  const { page } = app;
  const done = consent === "sent" && ended === "sent";
  const said: MessageKey = consent !== "sent" ? `renewal.${consent}` : done ? "renewal.done" : ended === null ? "renewal.kept" : "renewal.stop_waits";
  return {
    title: page.t(consent === "refused" ? "renewal.refused.title" : consent === "waits" ? "state.not_sent" : "review.done"),
    body: [
      done ? h("p", { class: "lead" }, page.t(said)) : h("div", { class: "warning", role: "alert" }, h("p", {}, page.t(said)),
        h("p", {}, ofOld(page, old))),
      refusal !== null && page.details(h("p", { dir: "auto" }, page.t("error.detail", { message: refusal.message.slice(0, 500) }))),
      h("div", { class: "actions" }, app.link("#/consents", page.t("nav.consents"), "main"),
        consent === "refused" && page.button("action.again", again)),
    ],
  };
}

/** On the card of an old consent: she has agreed again, and how far that is. */
export function underWay(app: App, old: Row, made: Row, names: ReadonlyMap<string, string>): HTMLElement {
  const { page } = app;
  const counts = made.state === "granted";
  const said: MessageKey = UNSENT.has(made.state) ? "renewal.card.unsent"
    : counts ? "renewal.card.counts" : made.state === "further_consent_needed" ? "renewal.card.further" : "renewal.card.waiting";
  const finish = (): unknown => page.show(() => review(app, {
    names, refused: [], step: null, ends: true, back: () => app.route(),
    sign: async () => {
      const came = await app.open.patient.renew(old.case, old.grant, made.grant, names, old.state);
      return () => outcome(app, old, came, finish);
    },
  }, [made.grant]));
  const end = async (): Promise<void> => {
    await app.open.patient.revoke([old.name]);
    await app.route();
  };
  const act = counts ? page.button("renewal.end", end) : UNSENT.has(made.state) && names.size > 0 && page.button("renewal.finish", finish);
  return h("div", { class: "warning" }, h("p", {}, page.t(said)), h("p", {}, ofOld(page, old)), act && h("div", { class: "actions" }, act));
}

/** End old consents whose place others have taken that she signed here: she said so when she signed. Gives whether any was. */
export async function endOld(app: App, { renewals }: Rows): Promise<boolean> {
  const due = [...renewals].filter(([old, made]) => !made.elsewhere && !UNSENT.has(made.state) && oldMayEnd(old.state, made.state));
  if (due.length === 0) return false;
  // What cannot be sent now is kept, and tried again whenever she looks.
  await app.open.patient.revoke(due.map(([old]) => old.name)).catch(() => undefined);
  return true;
}

function ofOld(page: Page, { state }: Row): string {
  return page.t(state === "granted" ? "renewal.old.counts" : state === "form_superseded" ? "renewal.old.over" : "renewal.old.same");
}
