/** Who may act for her, until when; and for whom she may act. */

import type { Case, Contents } from "../../core/book.ts";
import { VolensError } from "../../core/errors.ts";
import { RIGHT_GRANT, RIGHT_REVOKE, address, read, type Message } from "../../core/model.ts";
import { Problem } from "../../shell/client.ts";
import type { App } from "../app.ts";
import { facts, field, h, name, type Child } from "../dom.ts";
import type { Screen } from "../page.ts";

const DAY = 86_400;

/** The delegations of a case that hold, newest first. */
function delegations(contents: Contents, one: Case, now: number): Message<"Delegation">[] {
  const said = [...contents.handed.map(({ sent }) => sent), ...contents.waiting]
    .filter(({ type, message }) => type === "Delegation" && message.subject === one.subject)
    .map(({ message }) => read("Delegation", message))
    .sort((a, b) => b.at - a.at);
  const newest = said.filter(({ delegate }, i) => said.findIndex((other) => other.delegate === delegate) === i);
  return newest.filter(({ rights, validUntil }) => rights !== 0 && validUntil > now);
}

export function people(app: App): Screen {
  const { page } = app;
  const { wallet, client } = app.open;
  const { cases, acting } = wallet.contents;
  const now = client.now();
  const named = cases.flatMap((one) => delegations(wallet.contents, one, now).map((delegation) => ({ one, delegation })));
  return {
    title: page.t("people.title"),
    body: [
      h("p", { class: "lead" }, page.t("people.lead")),
      named.length === 0 && h("p", {}, page.t("people.none")),
      ...named.map(({ one, delegation }) => helper(app, one, delegation)),
      cases.length > 0 && newHelper(app, cases),
      h("h2", {}, page.t("people.acting.title")),
      h("p", {}, page.t("people.acting.lead")),
      ...acting.map((entry) => h("section", { class: "card" },
        h("h3", {}, name(entry.title)),
        h("p", { class: "hint" }, page.t("people.until.date", { date: page.day(entry.validUntil - 1) })),
        h("div", { class: "actions" },
          page.button({ text: page.t("people.acting.stop", { name: entry.title }) }, async () => {
            await asNamed(() => app.open.patient.revokeAllFor(entry));
            page.announce(page.t("people.acting.stopped"));
            await page.show(() => ({
              title: page.t("people.title"),
              body: [h("p", { class: "lead" }, page.t("people.acting.stopped")), app.link("#/people", page.t("action.back"))],
            }));
          }, "stop"),
          page.button({ text: page.t("people.acting.pause", { name: entry.title }) }, async () => {
            await asNamed(() => app.open.patient.suspendFor(entry, true));
            page.tell(page.t("pause.done"));
          }, "quiet")))),
      acting.length < 16 && ownNumber(app),
      h("details", {}, h("summary", {}, page.t("people.child.title")), h("p", {}, page.t("people.child.lead"))),
    ],
  };
}

/** Do something for somebody else; that one may not is said as such. */
async function asNamed(act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    const unnamed = error instanceof Problem && ["bad_signature", "not_found"].includes(error.code);
    throw unnamed ? new VolensError("not_named", error.message) : error;
  }
}

function helper(app: App, one: Case, delegation: Message<"Delegation">): HTMLElement {
  const { page } = app;
  const { delegate, validUntil } = delegation;
  return h("section", { class: "card" },
    said(app, one, delegation),
    h("div", { class: "actions" }, page.button("people.end", async () => {
      await app.open.patient.delegate(one, delegate, 0, validUntil);
      await app.route();
      page.tell(page.t("people.ended"));
    }, "stop")));
}

/** Everything that a delegation says. */
function said(app: App, one: Case, { delegate, rights, validUntil }: Pick<Message<"Delegation">, "delegate" | "rights" | "validUntil">): HTMLElement {
  const { page } = app;
  return facts([
    [page.t("people.address"), h("span", { class: "technical" }, delegate)],
    [page.t("people.rights"), page.t(rights & RIGHT_GRANT ? "people.rights.both" : "people.rights.revoke")],
    [page.t("people.case"), h("bdi", {}, one.title)],
    [page.t("people.until"), page.day(validUntil - 1)],
  ]);
}

/** A number that somebody typed; the problem is said beside the field. */
function readNumber(app: App, typed: { readonly input: HTMLInputElement; readonly problem: (text: string | undefined) => void }): string | undefined {
  typed.problem(undefined);
  try {
    return address(typed.input.value.trim(), "address");
  } catch {
    return void typed.problem(app.page.t("people.address.wrong"));
  }
}

/** The end of a day that was picked, in seconds; undefined (and said) when it is not after today. */
function readEnd(app: App, typed: { readonly input: HTMLInputElement; readonly problem: (text: string | undefined) => void }): number | undefined {
  const end = Date.parse(typed.input.value) / 1000 + DAY;
  const good = Number.isFinite(end) && end > app.open.client.now() + DAY;
  typed.problem(good ? undefined : app.page.t("people.until.wrong"));
  return good ? end : undefined;
}

function newHelper(app: App, cases: readonly Case[]): HTMLElement {
  const { page } = app;
  const which = field(page.t("people.case"), h("select", {}, ...cases.map(({ index, title }) => h("option", { value: index }, title))));
  const number = field(page.t("people.address"), h("input", { type: "text", autocomplete: "off", spellcheck: "false", dir: "ltr" }), page.t("people.address.hint"));
  const until = field(page.t("people.until"), h("input", { type: "date" }));
  return h("section", {},
    h("h2", {}, page.t("people.add")),
    page.form("action.next", () => {
      const one = cases.find(({ index }) => String(index) === which.input.value);
      const delegate = readNumber(app, number);
      if (one === undefined || delegate === undefined) return undefined;
      const end = readEnd(app, until);
      // The right to agree is not given here: whoever has it could use it only with other software, without seeing the files.
      return end === undefined ? undefined : page.show(() => confirm(app, one, delegate, RIGHT_REVOKE, end));
    }, which.row, number.row, until.row));
}

/** What will be signed, and nothing else. */
function confirm(app: App, one: Case, delegate: string, rights: number, end: number): Screen {
  const { page } = app;
  return {
    title: page.t("people.add"),
    body: [
      h("p", { class: "lead" }, page.t("people.review")),
      h("div", { class: "sentence" }, said(app, one, { delegate, rights, validUntil: end })),
      h("div", { class: "actions" },
        page.button("people.confirm", async () => {
          await app.open.patient.delegate(one, delegate, rights, end);
          await app.go("#/people");
          page.tell(page.t("people.added"));
        }, "main"),
        page.button("action.cancel", () => app.route(), "quiet")),
    ],
  };
}

/** Helping others: a number of my own, and whom it may act for. */
function ownNumber(app: App): HTMLElement {
  const { page } = app;
  const shown = h("div", { "aria-live": "polite" });
  const begin = async (): Promise<void> => {
    const { index, address: mine } = await app.open.patient.offerToAct();
    const title = field(page.t("people.acting.name"), h("input", { type: "text", autocomplete: "off", dir: "auto", maxlength: 100 }));
    const subject = field(page.t("people.acting.subject"), h("input", { type: "text", autocomplete: "off", spellcheck: "false", dir: "ltr" }), page.t("people.acting.subject.hint"));
    const until = field(page.t("people.until"), h("input", { type: "date" }));
    const body: Child[] = [
      h("p", {}, page.t("people.mine.hint")),
      h("p", { class: "card technical", dir: "ltr" }, mine),
      page.button("action.copy", async () => {
        await navigator.clipboard.writeText(mine);
        page.tell(page.t("action.copied"));
      }, "quiet"),
      page.form("people.acting.add", async () => {
        const of = readNumber(app, subject);
        const validUntil = of === undefined ? undefined : readEnd(app, until);
        if (of === undefined || validUntil === undefined) return;
        await app.open.patient.actFor({ index, subject: of, title: title.input.value.trim() || of, rights: RIGHT_REVOKE, validUntil, grants: [] });
        await app.route();
      }, title.row, subject.row, until.row),
    ];
    shown.replaceChildren(...body.filter((one): one is Node => one instanceof Node));
  };
  return h("section", {}, page.button("people.mine", begin), shown);
}
