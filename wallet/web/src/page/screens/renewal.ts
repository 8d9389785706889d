/** Agreeing again, once it was signed: what came of it and what is still true; what was interrupted is finished from here. */

import type { Case } from "../../core/book.ts";
import type { MessageKey } from "../../languages/index.ts";
import type { Renewal } from "../../shell/patient.ts";
import type { App, Open } from "../app.ts";
import { h } from "../dom.ts";
import type { Page, Screen } from "../page.ts";
import { oldMayEnd } from "../../core/renewal.ts";
import { UNSENT, rows, stopOf, type Rows, type Row } from "../standing.ts";
import { review } from "./review.ts";

/** Milliseconds until it is asked for the first time whether a new consent counts, and at most between two times. */
const SOON = 2000;
const LATER = 60_000;
/** The cases of an open wallet that are followed already, by number. */
const followed = new WeakMap<Open, Set<number>>();

/** What came of signing: whether the service has the new consent, and what became of the old one. */
export function outcome(app: App, old: Row, { consent, ended: before, refusal }: Renewal, again: () => unknown): Screen {
  const { page } = app;
  const ended = before ?? stopOf(app.open.wallet.contents, old.name);
  if (consent === "sent" && ended === null) void follow(app, old.case);
  const done = consent === "sent" && ended === "sent";
  const said: MessageKey = consent !== "sent" ? `renewal.${consent}` : done ? "renewal.done" : ended === null ? "renewal.kept" : "renewal.stop_waits";
  return {
    live: true,
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
    names, refused: [], step: null, rewritten: false, ends: true, back: () => app.route(),
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

/** End old consents whose place others have taken that she signed here: she said so when she signed. Gives those. */
export async function endOld(app: App, found: Rows): Promise<readonly Row[]> {
  const due = replacing(found).filter(([old, made]) => oldMayEnd(old.state, made.state)).map(([old]) => old);
  // What cannot be sent now is kept, and tried again whenever she looks.
  if (due.length > 0) await app.open.patient.revoke(due.map(({ name }) => name)).catch(() => undefined);
  return due;
}

/** Cases in which an old consent goes on until a new one counts that she signed here. */
export function undecided(found: Rows): readonly Case[] {
  const waiting = replacing(found).filter(([old, made]) => !oldMayEnd(old.state, made.state));
  return [...new Set(waiting.map(([old]) => old.case))];
}

/** Old consents and the new ones in their place, where she signed the new one here and the service has it. */
function replacing({ renewals }: Rows): readonly (readonly [Row, Row])[] {
  return [...renewals].filter(([, made]) => !made.elsewhere && !UNSENT.has(made.state));
}

/**
 * Ask, less and less often, whether a new consent of a case counts, and end the old one then. Until the page is locked or closed:
 * afterwards it is done when she looks at her consents.
 */
export async function follow(app: App, one: Case): Promise<void> {
  const { open, page } = app;
  const cases = followed.get(open) ?? new Set();
  followed.set(open, cases);
  if (cases.has(one.index)) return;
  cases.add(one.index);
  try {
    for (let pause = SOON; ; pause = Math.min(pause * 1.5, LATER)) {
      await new Promise((resolve) => { setTimeout(resolve, pause); });
      if (!app.holds(open)) return;
      const found = await rows(app, [one]);
      const ended = await endOld(app, found);
      if (ended.length > 0) {
        if (ended.every(({ name }) => stopOf(open.wallet.contents, name) === "sent")) page.tell(page.t("renewal.ended"));
        await page.refresh();
      }
      if (undecided(found).length === 0) return;
    }
  } catch {
    // it was locked meanwhile, or the service answers strangely: it is done when she looks at her consents
  } finally {
    cases.delete(one.index);
  }
}

function ofOld(page: Page, { state }: Row): string {
  return page.t(state === "granted" ? "renewal.old.counts" : state === "form_superseded" ? "renewal.old.over" : "renewal.old.same");
}
