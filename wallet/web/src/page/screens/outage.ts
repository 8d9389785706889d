/** If the service is down, or does not want to: a signed stop as a file or square code that anybody can carry. */

import { grantHash } from "../../core/book.ts";
import { toFile, type SignedMessage } from "../../core/signed_message.ts";
import type { App } from "../app.ts";
import { field, h, save, type Child } from "../dom.ts";
import type { Screen } from "../page.ts";
import { LONGEST_CODE, code } from "../qr.ts";
import { whatOf, whoOf } from "../words.ts";
import { namesOf } from "./consents.ts";

const STOPS: ReadonlySet<string> = new Set(["Revocation", "RevokeAll", "Suspension", "Closure"]);

export async function outage(app: App): Promise<Screen> {
  const { page } = app;
  const { wallet, patient } = app.open;
  const { cases, waiting } = wallet.contents;
  const stops = waiting.filter(({ type }) => STOPS.has(type));
  const names = await namesOf(app);
  const choices = cases.flatMap((one) => [
    { words: page.t("outage.everything", { title: `\u2068${one.title}\u2069` }), stop: () => patient.revokeAll([one]) },
    ...one.grants.map((grant) => ({
      words: page.t("outage.one", { who: whoOf(page, grant, names), what: whatOf(page, grant) }),
      stop: () => patient.revoke([{ subject: one.subject, grant: grantHash(grant) }]),
    })),
  ]);
  const options = choices.map(({ words }, at) => h("option", { value: at }, words));
  const what = field(page.t("outage.choose"), h("select", {}, ...options));
  const make = async (): Promise<void> => {
    const sent = await choices[Number(what.input.value)]?.stop() ?? [];
    await page.show(() => made(app, sent.map(({ signed }) => signed), sent.every(({ relayed }) => relayed !== null)));
  };
  return {
    title: page.t("outage.title"),
    body: [
      h("p", { class: "lead" }, page.t("outage.lead")),
      stops.length > 0 && h("h2", {}, page.t("outage.waiting")),
      ...stops.map((signed) => carried(app, signed, "h3")),
      cases.length === 0 ? h("p", {}, page.t("outage.nothing")) : page.form("outage.make", make, what.row),
      h("h2", {}, page.t("outage.prove")),
      h("p", {}, page.t("outage.prove.lead")),
      ...cases.flatMap((one) => one.grants.map((grant) => h("p", {}, app.link(checkAddress(app, one.subject, grantHash(grant)),
        `${page.t("outage.prove.open")}: ${whoOf(page, grant, names)}`)))),
    ],
  };
}

function made(app: App, signed: readonly SignedMessage[], taken: boolean): Screen {
  const { page } = app;
  return {
    title: page.t("outage.made"),
    body: [
      taken && h("p", { class: "lead" }, page.t("outage.sent")),
      h("p", {}, page.t("outage.how")),
      ...signed.map((one) => carried(app, one, "h2")),
      h("div", { class: "actions" }, app.link("#/help", page.t("outage.again")), app.link("#/consents", page.t("nav.consents"))),
    ],
  };
}

/** One signed message to carry away. */
function carried(app: App, signed: SignedMessage, heading: "h2" | "h3"): HTMLElement {
  const { page } = app;
  const { wallet, patient } = app.open;
  const text = toFile(signed);
  const about = wallet.contents.cases.find(({ subject }) => subject === signed.message.subject)?.title ?? signed.message.subject;
  const place = h("div", { "aria-live": "polite" });
  const show = (): void => place.replaceChildren(new TextEncoder().encode(text).length > LONGEST_CODE
    ? h("p", {}, page.t("outage.qr.long"))
    : code(text, page.t("outage.qr")));
  const waiting = wallet.contents.waiting.some(({ signature }) => signature === signed.signature);
  const send = async (): Promise<void> => {
    const sent = await patient.sendWaiting();
    const mine = sent.find(({ signed: other }) => other.signature === signed.signature);
    page.announce(page.t(mine?.relayed ? "outage.sent" : "error.unavailable"));
    place.replaceChildren(h("p", {}, page.t(mine?.relayed ? "outage.sent" : "error.unavailable")));
  };
  const actions: Child[] = [
    page.button("outage.file", () => save(`volens-${signed.type.toLowerCase()}.json`, text, "application/json"), "main"),
    page.button("outage.qr.show", show),
    waiting && page.button("outage.send", send, "quiet"),
  ];
  return h("section", { class: "card" },
    h(heading, {}, page.t(TITLES[signed.type as keyof typeof TITLES] ?? "receipts.revocation")),
    h("p", { class: "hint" }, h("bdi", {}, about)),
    h("div", { class: "actions" }, ...actions), place);
}

const TITLES = { Revocation: "receipts.revocation", RevokeAll: "receipts.revocation", Suspension: "receipts.suspension", Closure: "receipts.closure" } as const;

/** The page that checks the public record by itself. It gets what to look for, and no key. */
function checkAddress(app: App, subject: string, grant: string): string {
  const wanted = { deployment: app.open.wallet.contents.deployment, subject, grant };
  return `/wallet/check.html#${encodeURIComponent(JSON.stringify(wanted))}`;
}
