/** An offer in steps: look at the material, read what one should know, choose. What is signed is on review.ts. */

import { inLanguage, type Localised } from "../../core/documents.ts";
import { InvalidInput, InvalidProof, Refused, WrongChain } from "../../core/errors.ts";
import type { Message } from "../../core/model.ts";
import { narrow, type Choice } from "../../core/offer.ts";
import { summary } from "../../core/summary.ts";
import { channelLabel, purposeLabel } from "../../core/vocabulary.ts";
import type { OpenedOffer } from "../../shell/patient.ts";
import { Problem } from "../../shell/client.ts";
import type { App } from "../app.ts";
import { choice, facts, group, h, name, on, type Child } from "../dom.ts";
import type { Screen } from "../page.ts";
import { SUMMARIES } from "../words.ts";
import { kindOf, material } from "./material.ts";
import { review, signed } from "./review.ts";
import { decline, questions } from "./talk.ts";

const DAY = 86_400;
const STEPS = 4;

/** What she has done with an offer so far. Nothing of it is kept when she leaves. */
export interface Draft {
  readonly offer: OpenedOffer;
  readonly token: string;
  /** The name of the institution. */
  readonly from: string;
  readonly opened: Map<number, HTMLElement>;
  readonly understood: Set<string>;
  readonly choices: Map<number, Answer>;
}

/** Her answer to one request; `undefined` members were not chosen yet. */
interface Answer {
  allow: boolean;
  items: Set<string>;
  purposes: Set<string>;
  channels: Set<string>;
  onward: string | undefined;
  until: number | undefined;
}

/** `#offer=TOKEN` */
export async function offer(app: App, token: string): Promise<Screen> {
  const { page } = app;
  let opened: OpenedOffer;
  try {
    await app.open.client.deployment(); // refuses a service that is on another ledger than the pinned one
    opened = await app.open.patient.offer(token);
  } catch (error) {
    return refused(app, error);
  }
  const from = opened.names.get(opened.record.controller);
  if (from === undefined) return refused(app, new InvalidInput(page.t("invitation.unlisted")));
  const draft: Draft = { offer: opened, token, from, opened: new Map(), understood: new Set(), choices: new Map() };
  return look(app, draft);
}

/** Whether an offer that was refused is not right, or only cannot be had now. */
function refused(app: App, error: unknown): Screen {
  const { page } = app;
  const wrong = [InvalidInput, Refused, WrongChain, InvalidProof].some((kind) => error instanceof kind);
  if (error instanceof Problem || !wrong) throw error;
  const exact = error instanceof Error ? error.message : "";
  const other = exact === "This offer is for another wallet.";
  if (other) return { title: page.t("error.title"), body: [h("p", { class: "lead" }, page.t("offer.other"))] };
  return {
    title: page.t("tampered.title"),
    body: [
      h("div", { class: "failure", role: "alert" }, h("p", { class: "lead" }, page.t("tampered.lead")), h("p", {}, page.t("tampered.text"))),
      page.details(h("p", { dir: "auto" }, page.t("error.detail", { message: exact.slice(0, 500) }))),
      h("div", { class: "actions" }, app.link("#/consents", page.t("nav.consents"))),
    ],
  };
}

function step(app: App, number: number): HTMLElement {
  return h("p", { class: "hint" }, app.page.t("offer.step", { step: number, of: STEPS }));
}

/** Step 1: the very files. */
function look(app: App, draft: Draft): Screen {
  const { page } = app;
  const { offer } = draft;
  const closed = offer.wraps.length === 0;
  const cards = offer.items.map(({ item }, position) => {
    const asked = offer.grants.some(({ items }) => items[0] === "*" || items.includes(item.name));
    const shown = h("div", { "aria-live": "polite" });
    const open = page.button({ text: page.t("offer.item.open"), name: `${page.t("offer.item.open")}: ${item.name}` }, async () => {
      shown.replaceChildren(h("p", { class: "hint" }, page.t("offer.item.opening", { name: item.name })));
      try {
        const content = await app.open.patient.open(offer, position);
        const made = await material(page, item, content);
        if (asked) made.append(h("p", { class: "hint" }, page.t("offer.item.opened")));
        draft.opened.set(position, made);
        shown.replaceChildren(made);
        open.hidden = true;
      } catch (error) {
        shown.replaceChildren();
        throw error;
      }
    });
    const before = draft.opened.get(position);
    if (before) shown.append(before);
    open.hidden = before !== undefined;
    const size = Math.max(1, Math.round(item.size / 1000));
    return h("section", { class: "card" },
      h("h3", {}, h("bdi", {}, item.name)),
      h("p", { class: "hint" }, `${kindOf(page, item)} · ${page.t("offer.item.size", { size })}`),
      !asked && h("p", { class: "hint" }, page.t("offer.item.unasked")),
      !closed && open, shown);
  });
  // Her own choice may be less than was asked, and its words others; whom it is for, and from when, stays.
  const before = offer.case.grants.some((mine) => mine.record === offer.grants[0]?.record &&
    offer.grants.some(({ recipient, validFrom, form }) => mine.recipient === recipient && mine.validFrom === validFrom && mine.form === form));
  return {
    title: page.t("offer.title"),
    body: [
      step(app, 1),
      before && h("div", { class: "warning" }, h("p", {}, page.t("offer.before")), app.link("#/consents", page.t("nav.consents"))),
      h("div", { class: "card" }, facts([
        [page.t("invitation.from"), name(draft.from)],
        [page.t("offer.case"), h("bdi", {}, offer.record.title)],
      ]), h("p", { class: "hint" }, page.t("offer.until", { date: page.time(offer.expiresAt) }))),
      h("h2", {}, page.t("offer.items.title")),
      closed
        ? h("div", { class: "warning" }, h("p", {}, page.t("offer.items.closed")))
        : h("p", {}, page.t(offer.record.stewards.length > 0 ? "offer.items.together" : "offer.items.lead")),
      ...cards,
      questions(app, draft),
      h("div", { class: "actions" },
        page.button("action.next", () => page.show(() => learn(app, draft)), "main"),
        page.button("offer.decline", () => decline(app, draft), "quiet")),
    ],
  };
}

/** Step 2: the form, statement by statement, and the terms of each place. */
async function learn(app: App, draft: Draft): Promise<Screen> {
  const { page } = app;
  const problem = h("p", { class: "problem", role: "alert" });
  const boxes: HTMLInputElement[] = [];
  const forms: Child[] = [];
  for (const [hash, form] of draft.offer.forms) {
    const title = inLanguage(form.title, page.language);
    const untranslated = admit(app, form.title, ...form.statements.map(({ text }) => text));
    if (untranslated) forms.push(untranslated);
    const rows = form.statements.map((statement) => {
      const { text, language } = inLanguage(statement.text, page.language);
      const key = `${hash} ${statement.id}`;
      const { row, input } = choice("checkbox", "statement", key, h("span", { lang: language, dir: "auto" }, text), draft.understood.has(key));
      boxes.push(on(input, {
        change: () => {
          input.checked ? draft.understood.add(key) : draft.understood.delete(key);
          problem.textContent = "";
        },
      }));
      return row;
    });
    forms.push(group(h("span", { lang: title.language, dir: "auto" }, title.text), h("p", { class: "hint" }, page.t("offer.form.version", { version: form.version })), ...rows));
    const asked = new Set(draft.offer.grants.filter((grant) => grant.form === hash).flatMap(({ channels }) => channels));
    const places = [...form.channels.keys()].filter((code) => asked.has(code));
    if (places.length > 0) forms.push(h("h2", {}, page.t("offer.terms.title")));
    for (const code of places) {
      const terms = await app.open.patient.terms(form, code);
      const { text, language } = inLanguage(terms.text, page.language);
      const heading = inLanguage(terms.title, page.language);
      forms.push(h("details", { class: "card" },
        h("summary", { lang: heading.language, dir: "auto" }, heading.text),
        admit(app, terms.title, terms.text),
        h("p", { class: "hint" }, page.t("offer.terms.as_of", { date: page.day(Date.parse(terms.asOf) / 1000) })),
        h("p", { lang: language, dir: "auto" }, text)));
    }
  }
  const next = (): unknown => {
    const open = boxes.filter(({ checked }) => !checked);
    problem.textContent = open.length === 0 ? "" : page.t("offer.form.unticked", { count: open.length });
    return open.length === 0 ? page.show(() => choose(app, draft)) : open[0]?.focus();
  };
  return {
    title: page.t("offer.form.title"),
    body: [
      step(app, 2),
      h("p", { class: "lead" }, page.t("offer.form.lead")),
      ...forms,
      problem,
      h("div", { class: "actions" },
        page.button("action.next", next, "main"),
        page.button("action.back", () => page.show(() => look(app, draft)), "quiet")),
    ],
  };
}

/** What says that not all of some texts is in her language; false when it is. */
function admit(app: App, ...texts: readonly Localised[]): HTMLElement | false {
  const { page } = app;
  return texts.some((text) => inLanguage(text, page.language).language !== page.language) &&
    h("p", { class: "hint" }, page.t("offer.form.language"));
}

/** Step 3: every part × recipient × purpose × place is her own choice. Nothing is ticked for her. */
export function choose(app: App, draft: Draft): Screen {
  const { page } = app;
  const { offer } = draft;
  const problem = h("p", { class: "problem", role: "alert" });
  const requests = offer.grants.map((grant, position) => request(app, draft, grant, position));
  for (const one of requests) on(one, { change: () => (problem.textContent = "") });
  const next = (): unknown => {
    problem.textContent = "";
    const grants: Message<"Grant">[] = [];
    for (const [position, grant] of offer.grants.entries()) {
      const answer = draft.choices.get(position);
      if (!answer?.allow) continue;
      const made = chosen(app, draft, grant, answer);
      if (made === undefined) {
        problem.textContent = page.t("offer.choose.empty");
        return requests[position]?.querySelector<HTMLInputElement>("input:not(:checked)")?.focus();
      }
      grants.push(made);
    }
    if (draft.choices.size < offer.grants.length || grants.length === 0) {
      problem.textContent = page.t("offer.choose.none");
      return undefined;
    }
    const refused = offer.grants.filter((_, i) => !draft.choices.get(i)?.allow).map(({ recipient }) => offer.names.get(recipient) ?? "");
    return page.show(() => review(app, {
      names: offer.names, refused, step: { step: STEPS, of: STEPS }, rewritten: offer.record.stewards.length === 0, ends: false,
      sign: async () => {
        const { relayed } = await app.open.patient.agree(offer, grants);
        return () => signed(app, relayed !== null);
      },
      back: () => page.show(() => choose(app, draft)),
    }, grants));
  };
  return {
    title: page.t("offer.choose.title"),
    body: [
      step(app, 3),
      h("p", { class: "lead" }, page.t("offer.choose.lead")),
      offer.record.stewards.length > 0 && h("div", { class: "warning" }, h("p", {}, page.t("offer.steward"))),
      ...requests,
      h("div", { class: "warning" }, h("p", {}, page.t("offer.published"))),
      problem,
      h("div", { class: "actions" },
        page.button("offer.review", next, "main"),
        page.button("action.back", () => page.show(() => learn(app, draft)), "quiet"),
        page.button("offer.decline", () => decline(app, draft), "quiet")),
    ],
  };
}

/** A language in which sentences can be written: hers where there is one, else that of the offer. */
function sentenceLanguage(app: App, draft: Draft): string {
  return SUMMARIES.has(app.page.language) ? app.page.language : draft.offer.language;
}

/** The grant that her answer makes, or undefined while something is not chosen. */
function chosen(app: App, draft: Draft, grant: Message<"Grant">, answer: Answer): Message<"Grant"> | undefined {
  // Who decides together must sign the very same words.
  if (draft.offer.record.stewards.length > 0) return grant;
  const conditions = grant.purposes.filter((code) => purposeLabel(code, "en").condition);
  const uses = grant.purposes.filter((code) => answer.purposes.has(code));
  const whole = grant.items[0] === "*";
  const parts = draft.offer.items.map(({ item }) => item.name);
  const items = (whole ? parts : grant.items).filter((one) => answer.items.has(one));
  const channels = grant.channels.filter((one) => answer.channels.has(one));
  const onward = grant.onward === "none" ? "none" : answer.onward;
  if (items.length === 0 || uses.length === 0 || onward === undefined || answer.until === undefined) return undefined;
  if (grant.channels.length > 0 && channels.length === 0) return undefined;
  const choice: Choice = {
    ...(whole && items.length === parts.length ? {} : { items }),
    purposes: grant.purposes.filter((code) => uses.includes(code) || conditions.includes(code)), channels, onward, validUntil: answer.until,
  };
  return narrow(grant, choice, parts, draft.offer.names, sentenceLanguage(app, draft));
}

function request(app: App, draft: Draft, grant: Message<"Grant">, position: number): HTMLElement {
  const { page } = app;
  const language = sentenceLanguage(app, draft);
  const who = draft.offer.names.get(grant.recipient) ?? page.t("consents.anybody");
  // What is asked, in her language; what will be signed is written when she has chosen.
  const asked = draft.offer.record.stewards.length > 0 ? grant.summary : summary(grant, draft.offer.names, language);
  const answer = draft.choices.get(position);
  const tick = (set: Set<string>, code: string, words: string): HTMLElement => {
    const { row, input } = choice("checkbox", `request-${position}`, code, h("bdi", {}, words), set.has(code));
    on(input, { change: () => (input.checked ? set.add(code) : set.delete(code)) });
    return row;
  };
  const part = (): Child[] => {
    const now = draft.choices.get(position);
    if (!now?.allow || draft.offer.record.stewards.length > 0) return [];
    const names = grant.items[0] === "*" ? draft.offer.items.map(({ item }) => item.name) : grant.items;
    const purposes = grant.purposes.map((code) => ({ code, ...purposeLabel(code, language) }));
    const radio = (of: string, value: string, words: string, set: () => void, checked: boolean): HTMLElement => {
      const { row, input } = choice("radio", `${of}-${position}`, value, words, checked);
      on(input, { change: set });
      return row;
    };
    const onward = ["none", "quote", "reshare"].slice(0, ["none", "quote", "reshare"].indexOf(grant.onward) + 1) as ("none" | "quote" | "reshare")[];
    return [
      group(page.t("offer.choose.items"), ...names.map((one) => tick(now.items, one, one))),
      group(page.t("offer.choose.purposes"),
        ...purposes.filter(({ condition }) => !condition).map(({ code, label }) => tick(now.purposes, code, label)),
        ...purposes.filter(({ condition }) => condition).map(({ label }) => h("p", { class: "hint" }, label))),
      grant.channels.length === 0
        ? h("p", { class: "hint" }, page.t("offer.choose.channels.none"))
        : group(page.t("offer.choose.channels"), ...grant.channels.map((code) => tick(now.channels, code, channelLabel(code, language)))),
      onward.length > 1 && group(page.t("offer.choose.onward"), ...onward.map((code) =>
        radio("onward", code, page.t(`offer.choose.onward.${code}`), () => (now.onward = code), now.onward === code))),
      group(page.t("offer.choose.until"), ...ends(app, grant).map(({ at, words }) =>
        radio("until", String(at), words, () => (now.until = at), now.until === at))),
    ];
  };
  const more = h("div", { "aria-live": "polite" }, ...part().filter((one): one is Node => one instanceof Node));
  const decide = (allow: boolean): void => {
    draft.choices.set(position, { allow, items: new Set(), purposes: new Set(), channels: new Set(), onward: undefined, until: undefined });
    more.replaceChildren(...part().filter((one): one is Node => one instanceof Node));
  };
  const yes = choice("radio", `allow-${position}`, "yes", page.t("offer.choose.yes"), answer?.allow === true);
  const no = choice("radio", `allow-${position}`, "no", page.t("offer.choose.no"), answer?.allow === false);
  on(yes.input, { change: () => decide(true) });
  on(no.input, { change: () => decide(false) });
  return h("section", { class: "card" },
    h("h2", {}, page.t("offer.choose.request", { number: position + 1, name: `\u2068${who}\u2069` })),
    h("div", { class: "sentence", dir: "auto" }, h("p", {}, asked)),
    group(page.t("offer.choose.allow"), yes.row, no.row),
    more);
}

/** Until when: as they ask, or sooner. */
function ends(app: App, grant: Message<"Grant">): { at: number; words: string }[] {
  const { page } = app;
  const day = (days: number): number => {
    const at = app.open.client.now() + days * DAY;
    return at - (at % DAY);
  };
  const sooner = ([["month", 30], ["half", 182], ["year", 365]] as const)
    .map(([key, days]) => ({ at: day(days), key }))
    .filter(({ at }) => at < grant.validUntil - DAY)
    .map(({ at, key }) => ({ at, words: page.t(`offer.choose.until.${key}`, { date: page.day(at - 1) }) }));
  return [...sooner, { at: grant.validUntil, words: page.t("offer.choose.until.offered", { date: page.day(grant.validUntil - 1) }) }];
}
