/** A consent whose form changed: what changed, in words; agree again under the new form, end it, or leave it. */

import { change, compare, difference, renewed, termsOf, type Change, type Piece } from "../../core/renewal.ts";
import type { ChangedForm } from "../../shell/patient.ts";
import type { App } from "../app.ts";
import { choice, facts, group, h, name, on, type Child } from "../dom.ts";
import type { Page, Screen } from "../page.ts";
import { stateWords, type Row } from "../standing.ts";
import { SUMMARIES, channelWords, listed, purposeWords, whatOf, whoOf } from "../words.ts";
import { outcome } from "./renewal.ts";
import { review } from "./review.ts";
import { stopChosen } from "./stop.ts";

/** `understood`: what she ticked, while she goes on and comes back. */
export async function changed(
  app: App, row: Row, names: ReadonlyMap<string, string>, understood: Set<string> = new Set(),
): Promise<Screen> {
  const { page } = app;
  const { grant, newForm, newTerms } = row;
  const who = whoOf(page, grant, names);
  const from = `\u2068${names.get(row.case.controller) ?? row.case.controller}\u2069`;
  const found = newForm === null && newTerms.size === 0 ? null : await app.open.patient.changedForm(grant, newForm, newTerms);
  const after = found?.after ?? null;
  // Under a form that says nothing of a place the same consent cannot be given.
  const possible = after !== null && !row.spent && grant.channels.every((code) => termsOf(after, code) !== undefined) && names.size > 0;
  const problem = h("p", { class: "problem", role: "alert" });
  const boxes: HTMLInputElement[] = [];
  const renew = (): unknown => {
    const open = boxes.filter(({ checked }) => !checked);
    problem.textContent = open.length === 0 ? "" : page.t("offer.form.unticked", { count: open.length });
    if (open.length > 0 || newForm === null) return open[0]?.focus();
    const renewal = renewed(grant, newForm, names, SUMMARIES.has(page.language) ? page.language : "en");
    return page.show(() => review(app, {
      names, refused: [], step: null, rewritten: false, ends: true,
      sign: async () => {
        const came = await app.open.patient.renew(row.case, grant, renewal, names, row.state);
        return () => outcome(app, row, came, renew);
      },
      back: () => page.show(() => changed(app, row, names, understood)),
    }, [renewal]));
  };
  const superseded = row.state === "form_superseded";
  return {
    title: page.t("changed.title"),
    body: [
      h("p", { class: "lead" }, page.t(
        found === null ? "changed.gone" : after === null ? "changed.terms" : superseded ? "changed.ended" : "changed.counts", { name: from })),
      h("p", {}, h("span", { class: row.active ? "state on" : "state" }, stateWords(page, row))),
      (!superseded || after === null) && row.endedChannels.length > 0 && h("div", { class: "warning" }, h("p", {},
        page.t("changed.places", { places: listed(page, row.endedChannels.map((code) => channelWords(page, code))) }))),
      h("div", { class: "card" }, facts([
        [page.t("consents.who"), name(who)],
        [page.t("consents.what"), h("bdi", {}, whatOf(page, grant))],
        [page.t("consents.for"), listed(page, grant.purposes.map((code) => purposeWords(page, code)))],
        [page.t("consents.until"), page.day(grant.validUntil - 1)],
      ])),
      ...(found === null ? [] : texts(page, found, possible, understood, boxes)),
      !possible && h("div", { class: "warning" }, h("p", {},
        page.t(found !== null && after === null ? "changed.terms.none" : "changed.none", { name: from }))),
      problem,
      possible && h("p", { class: "hint" }, page.t("changed.renew.hint")),
      h("div", { class: "actions" },
        possible && page.button("changed.renew", renew, "main"),
        page.button("changed.end", () => stopChosen(app, [row], names), "stop"),
        page.button("changed.leave", () => app.route(), "quiet")),
      newForm !== null && page.details(h("p", {}, page.t("changed.proof")),
        h("div", { class: "technical", dir: "ltr", lang: "en" }, facts([["form", grant.form], ["newForm", newForm]]))),
    ],
  };
}

/** What the two forms say: what is new or other to be ticked where it can be agreed to, what went, and what stays. */
function texts(page: Page, { before, after, terms }: ChangedForm, possible: boolean, understood: Set<string>, boxes: HTMLInputElement[]): Child[] {
  const title = change("", before.title, (after ?? before).title, page.language);
  const all = after === null ? [] : compare(before, after, page.language);
  const tick = (key: string, words: Child): HTMLElement => {
    const { row, input } = choice("checkbox", "statement", key, words, understood.has(key));
    boxes.push(on(input, { change: () => { input.checked ? understood.add(key) : understood.delete(key); } }));
    return row;
  };
  const rows = all.filter(({ same }) => !same).map((one) => {
    const { old, now } = sides(page, one);
    if (now === null) return h("div", { class: "card" }, old);
    const other = one.before === one.after && h("p", { class: "hint" }, page.t("changed.other"));
    return h("div", { class: "card" }, other, old, possible ? tick(`${one.id} ${one.after ?? ""}`, now) : h("p", {}, now));
  });
  const same = all.filter((one) => one.same);
  const other = terms.map((one) => {
    const { old, now } = sides(page, change("", one.before.text, one.after.text, page.language));
    const place = channelWords(page, one.channel);
    return h("section", { class: "card" }, h("h3", {}, h("bdi", {}, place)),
      h("p", { class: "hint" }, page.t("offer.terms.as_of", { date: page.day(Date.parse(one.after.asOf) / 1000) })), old, h("p", {}, now),
      possible && tick(`terms ${one.channel}`, page.t("changed.terms.read", { place: `\u2068${place}\u2069` })));
  });
  const heading = sides(page, title);
  return [
    h("h2", {}, page.t("changed.what")),
    h("p", { class: "hint" }, page.t("changed.marks")),
    !title.same && h("div", { class: "card" }, heading.old, h("p", {}, heading.now)),
    all.some(({ languages }) => languages.after !== page.language) && h("p", { class: "hint" }, page.t("offer.form.language")),
    rows.length > 0 && (possible
      ? group(page.t("offer.form.title"), boxes.length > 0 && h("p", { class: "hint" }, page.t("changed.tick")), ...rows)
      : h("div", {}, ...rows)),
    other.length > 0 && h("h2", {}, page.t("offer.terms.title")),
    ...other,
    same.length > 0 && h("details", {}, h("summary", {}, page.t("changed.same", { count: same.length })), h("ul", {}, ...same.map((one) =>
      h("li", { lang: one.languages.after, dir: "auto" }, one.after)))),
  ];
}

/** A text as it was and as it is, with marks on the words that differ: each mark is said, not only drawn. */
function sides(page: Page, { before, after, languages }: Change): { readonly old: HTMLElement | null; readonly now: HTMLElement | null } {
  const side = (tag: "del" | "ins", text: string, lang: string, pieces: readonly Piece[] | undefined): Child[] => {
    const label = page.t(tag === "del" ? "changed.removed" : "changed.added");
    // What is said with a mark stands apart: it does not count for the direction of the text.
    const drawn = pieces === undefined ? [h(tag, {}, text)] : pieces.map((piece) =>
      piece.marked ? h(tag, {}, h("bdi", { class: "unseen" }, `${label}: `), piece.text) : piece.text);
    const title = pieces === undefined ? `${label}:` : page.t(tag === "del" ? "changed.before" : "changed.now");
    return [h("strong", {}, title), " ", h("span", { lang, dir: "auto" }, ...drawn)];
  };
  const marks = before === null || after === null ? undefined : difference(before, after);
  return {
    old: before === null ? null : h("p", {}, ...side("del", before, languages.before, marks?.before)),
    now: after === null ? null : h("span", {}, ...side("ins", after, languages.after, marks?.after)),
  };
}
