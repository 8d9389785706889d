/** Everything she has allowed: who, what, for what, where, until when, and a way to stop each. */

import type { Case } from "../../core/book.ts";
import type { App } from "../app.ts";
import { choice, facts, field, h, name, on } from "../dom.ts";
import type { Screen } from "../page.ts";
import { rows, stateWords, type Row, type Rows } from "../standing.ts";
import { channelWords, listed, purposeWords, whatOf, whoOf } from "../words.ts";
import { changed } from "./changed.ts";
import { linkForm } from "./invitation.ts";
import { endOld, follow, undecided, underWay } from "./renewal.ts";
import { lookForCases } from "./restore.ts";
import { stopCase, stopChosen, stopEverything, pause, end } from "./stop.ts";

type Filter = "all" | "active" | "ended";

/** The Directory's names; none while the service does not answer. */
export async function namesOf(app: App): Promise<ReadonlyMap<string, string>> {
  try {
    return await app.open.client.names();
  } catch {
    return new Map();
  }
}

export async function consents(app: App): Promise<Screen> {
  const { page } = app;
  const { wallet } = app.open;
  if (wallet.contents.toRestore) return lookForCases(app);
  await app.open.patient.sendWaiting().catch(() => undefined); // what waits is tried again whenever she looks
  const { cases } = wallet.contents;
  let [names, found] = await Promise.all([namesOf(app), rows(app, cases)]);
  if ((await endOld(app, found)).length > 0) found = await rows(app, cases);
  for (const one of undecided(found)) void follow(app, one);
  if (cases.length === 0) {
    return {
      title: page.t("consents.title"),
      body: [h("p", { class: "lead" }, page.t("consents.none")), h("p", {}, page.t("consents.none.hint")), linkForm(app)],
    };
  }
  const selected = new Set<Row>();
  const list = h("div", {});
  const several = h("div", { class: "actions" });
  const many = found.rows.filter((row) => row.active).length > 1;
  let filter: Filter = "all";
  let only = "";
  const draw = (): void => {
    const shown = found.rows.filter((row) =>
      (filter === "all" || row.active === (filter === "active")) && (only === "" || String(row.case.index) === only));
    list.replaceChildren(...cases.filter(({ index }) => only === "" || String(index) === only).map((one) =>
      caseSection(app, one, shown.filter((row) => row.case === one), found, names, selected, choose, many)));
    choose();
  };
  const choose = (): void => {
    const count = selected.size;
    several.replaceChildren(...(count === 0 ? [] : [page.button({ text: page.t("revoke.chosen", { count }) },
      () => stopChosen(app, withBoth(found.rows.filter((row) => selected.has(row)), found), names), "stop")]));
  };
  const filters = h("select", {}, ...(["all", "active", "ended"] as const).map((one) => h("option", { value: one }, page.t(`consents.filter.${one}`))));
  on(filters, { change: () => { filter = filters.value as Filter; draw(); } });
  const byCase = h("select", {}, h("option", { value: "" }, page.t("consents.filter.all")),
    ...cases.map(({ index, title }) => h("option", { value: index }, title)));
  on(byCase, { change: () => { only = byCase.value; draw(); } });
  draw();
  const active = found.rows.some((row) => row.active);
  return {
    live: true,
    title: page.t("consents.title"),
    body: [
      !found.reached && h("div", { class: "warning", role: "status" }, h("p", {}, page.t("error.unavailable")), h("p", {}, h("a", { href: "#/help" }, page.t("nav.help")))),
      found.rows.length > 1 && h("div", { class: "filters" },
        field(page.t("consents.filter"), filters).row,
        cases.length > 1 && field(page.t("consents.filter.case"), byCase).row),
      list,
      several,
      h("p", { class: "hint" }, page.t("state.as_of", { time: page.time(app.open.client.now()) })),
      active && h("div", { class: "actions" }, page.button("revoke.everything", () => stopEverything(app), "stop")),
      linkForm(app),
    ],
  };
}

/** Consents, and those that took their place or whose place they took: who says stop means both. */
function withBoth(chosen: readonly Row[], { renewals }: Rows): readonly Row[] {
  const both = [...renewals].filter((pair) => pair.some((row) => chosen.includes(row))).flat();
  return [...new Set([...chosen, ...both])];
}

function caseSection(
  app: App, one: Case, shown: readonly Row[], found: Rows, names: ReadonlyMap<string, string>, selected: Set<Row>,
  picked: () => void, several: boolean,
): HTMLElement {
  const { page } = app;
  const all = found.rows.filter((row) => row.case === one);
  const active = all.some((row) => row.active);
  const paused = all.some(({ state }) => state === "suspended");
  const closed = all.some(({ state }) => state === "closed");
  return h("section", {},
    h("h2", {}, h("bdi", {}, one.title)),
    h("p", { class: "hint" }, page.t("case.by", { name: `\u2068${names.get(one.controller) ?? one.controller}\u2069` })),
    one.record === null && h("p", {}, page.t("case.waiting")),
    one.record !== null && all.length === 0 && h("p", {}, page.t("consents.none")),
    ...shown.map((row) => consent(app, row, found, names, selected, picked, several)),
    active && !closed && h("details", {}, h("summary", {}, page.t("case.more")), h("div", { class: "actions" },
      paused ? page.button("pause.resume", () => pause(app, one, false)) : page.button("pause.case", () => pause(app, one, true), "quiet"),
      page.button("revoke.case", () => stopCase(app, one), "quiet"),
      page.button("close.case", () => end(app, one), "quiet"))));
}

function consent(app: App, row: Row, found: Rows, names: ReadonlyMap<string, string>, selected: Set<Row>, picked: () => void, several: boolean): HTMLElement {
  const { page } = app;
  const { grant } = row;
  const who = whoOf(page, grant, names);
  const made = found.renewals.get(row);
  const renewed = [...found.renewals.values()].includes(row);
  const pick = choice("checkbox", "chosen", row.hash, page.t("consents.select", { who: `\u2068${who}\u2069` }), selected.has(row));
  on(pick.input, { change: () => { pick.input.checked ? selected.add(row) : selected.delete(row); picked(); } });
  return h("article", { class: "card" },
    h("h3", {}, name(who)),
    h("p", {}, h("span", { class: row.active ? "state on" : "state" }, stateWords(page, row))),
    facts([
      [page.t("consents.what"), h("bdi", {}, whatOf(page, grant))],
      [page.t("consents.for"), listed(page, grant.purposes.map((code) => purposeWords(page, code)))],
      [page.t("consents.where"), grant.channels.length === 0 ? page.t("consents.where.none") : listed(page, grant.channels.map((code) => channelWords(page, code)))],
      [page.t("consents.since"), page.day(grant.validFrom)],
      [page.t("consents.until"), page.day(grant.validUntil - 1)],
    ]),
    renewed && h("p", { class: "hint" }, page.t("renewal.new")),
    row.state === "stop_not_sent" && h("p", { class: "hint" }, page.t("revoke.unsent"), " ", h("a", { href: "#/help" }, page.t("nav.help"))),
    row.elsewhere && row.active && h("p", { class: "hint" }, page.t("consents.elsewhere")),
    made !== undefined && underWay(app, row, made, names),
    row.changed && made === undefined && h("div", { class: "warning" }, h("p", {}, page.t("changed.card")),
      h("div", { class: "actions" }, page.button({ text: page.t("changed.see"), name: page.t("changed.see.name", { who }) },
        () => page.show(() => changed(app, row, names))))),
    several && row.active && pick.row,
    row.active && h("div", { class: "actions" },
      page.button({ text: page.t("revoke.one"), name: page.t("revoke.one.name", { who }) }, 
      () => stopChosen(app, withBoth([row], found), names), "stop")));
}
