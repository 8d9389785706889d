/** Taking back: one consent, several, a case, everything everywhere; pausing; ending a case for ever. */

import type { Case } from "../../core/book.ts";
import type { MessageKey } from "../../languages/index.ts";
import type { Sent } from "../../shell/patient.ts";
import type { App } from "../app.ts";
import { h, type Child } from "../dom.ts";
import type { Row } from "../standing.ts";
import { whatOf, whoOf } from "../words.ts";

interface Question {
  readonly title: MessageKey;
  readonly confirm: MessageKey;
  readonly done: MessageKey;
  /** Made for each drawing: the language may have changed. */
  readonly body: () => readonly Child[];
  /** What is signed and sent when she says yes. */
  readonly act: () => Promise<readonly Sent[]>;
}

/** Ask before something that cannot be undone; then say what came of it. */
function ask(app: App, { title, confirm, done, body, act }: Question): Promise<void> {
  const { page } = app;
  return page.show(() => ({
    title: page.t(title),
    body: [
      ...body(),
      h("div", { class: "actions" },
        page.button(confirm, async () => {
          const sent = await act();
          const all = sent.every(({ relayed }) => relayed !== null);
          page.announce(page.t(all ? done : "revoke.failed"));
          await page.show(() => ({
            title: page.t(title),
            body: [
              all ? h("p", { class: "lead" }, page.t(done)) : h("div", { class: "warning", role: "alert" }, h("p", {}, page.t("revoke.failed"))),
              h("div", { class: "actions" },
                all ? app.link("#/consents", page.t("nav.consents"), "main") : app.link("#/help", page.t("outage.file"), "main")),
            ],
          }));
        }, "stop"),
        page.button("revoke.keep", () => app.route(), "quiet")),
    ],
  }));
}

function after(app: App): HTMLElement {
  return h("div", { class: "warning" }, h("p", {}, app.page.t("revoke.after")));
}

/** Stop one or several consents. */
export function stopChosen(app: App, rows: readonly Row[], names: ReadonlyMap<string, string>): Promise<void> {
  const { page } = app;
  const list = (): Child[] => rows.map(({ grant }) => h("li", {}, h("bdi", {}, whoOf(page, grant, names)), ": ", h("bdi", {}, whatOf(page, grant))));
  return ask(app, {
    title: "revoke.title", confirm: "revoke.confirm", done: "revoke.done",
    body: () => [h("p", { class: "lead" }, page.t("revoke.lead")), h("p", {}, page.t("revoke.list")), h("ul", {}, ...list()), after(app)],
    act: () => app.open.patient.revoke(rows.map(({ name }) => name)),
  });
}

/** Stop everything in one case, also what was signed and is not recorded yet. */
export function stopCase(app: App, one: Case): Promise<void> {
  const { page } = app;
  return ask(app, {
    title: "revoke.title", confirm: "revoke.confirm", done: "revoke.done",
    body: () => [h("p", { class: "lead" }, page.t("revoke.lead")), h("p", {}, page.t("revoke.list")), h("ul", {}, h("li", {}, page.t("outage.everything", { title: `\u2068${one.title}\u2069` }))), after(app)],
    act: () => app.open.patient.revokeAll([one]),
  });
}

/** Stop everything everywhere. */
export function stopEverything(app: App): Promise<void> {
  const { page } = app;
  const { cases } = app.open.wallet.contents;
  return ask(app, {
    title: "revoke.everything.title", confirm: "revoke.confirm", done: "revoke.done",
    body: () => [
      h("p", { class: "lead" }, page.t("revoke.everything.lead")),
      h("ul", {}, ...cases.map(({ title }) => h("li", {}, h("bdi", {}, title)))),
      cases.length > 1 && h("div", { class: "warning" }, h("p", {}, page.t("revoke.everything.link"))),
      after(app),
    ],
    act: () => app.open.patient.revokeAll(cases),
  });
}

/** Pause a case, or go on. */
export async function pause(app: App, one: Case, paused: boolean): Promise<void> {
  const { page } = app;
  if (!paused) {
    await app.open.patient.suspend(one, false);
    await app.route();
    return page.tell(page.t("pause.resumed"));
  }
  return ask(app, {
    title: "pause.title", confirm: "pause.confirm", done: "pause.done",
    body: () => [h("p", { class: "lead" }, page.t("pause.lead"))],
    act: async () => [await app.open.patient.suspend(one, true)],
  });
}

/** End a case for ever. */
export function end(app: App, one: Case): Promise<void> {
  const { page } = app;
  return ask(app, {
    title: "close.title", confirm: "close.confirm", done: "close.done",
    body: () => [h("p", { class: "lead" }, page.t("close.lead")), after(app)],
    act: async () => [await app.open.patient.close(one)],
  });
}
