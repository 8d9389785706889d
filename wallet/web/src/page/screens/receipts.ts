/** A receipt for every yes and every stop, to print or to keep; and everything that is stored, as one file. */

import type { Case, Handed } from "../../core/book.ts";
import { read, type Message } from "../../core/model.ts";
import type { MessageKey } from "../../languages/index.ts";
import type { App } from "../app.ts";
import { facts, h, save, type Child } from "../dom.ts";
import type { Screen } from "../page.ts";
import { SUMMARIES } from "../words.ts";
import { namesOf } from "./consents.ts";

/** What was signed, in words. */
function titleOf({ sent: { type, message } }: Handed): MessageKey {
  switch (type) {
    case "Consent": return "receipts.consent";
    case "Revocation":
    case "RevokeAll": return "receipts.revocation";
    case "Suspension": return message["suspended"] === true ? "receipts.suspension" : "receipts.resume";
    case "Closure": return "receipts.closure";
    case "Delegation": return message["rights"] === 0 ? "receipts.delegation.end" : "receipts.delegation";
  }
}

export function receipts(app: App): Screen {
  const { page } = app;
  const { contents } = app.open.wallet;
  const newest = [...contents.handed].reverse();
  return {
    title: page.t("receipts.title"),
    body: [
      h("p", { class: "lead" }, page.t("receipts.lead")),
      newest.length === 0 && h("p", {}, page.t("receipts.none")),
      ...newest.map((one) => h("section", { class: "card" },
        h("h2", {}, page.t(titleOf(one))),
        h("p", { class: "hint" }, page.time(one.receipt.receipt.receivedAt)),
        h("p", {}, h("bdi", {}, caseTitle(app, one))),
        h("div", { class: "actions" },
          page.button({ text: page.t("receipts.open"), name: `${page.t("receipts.open")}: ${page.t(titleOf(one))}, ${page.time(one.receipt.receipt.receivedAt)}` },
            () => page.show(() => receipt(app, one)))))),
      h("h2", {}, page.t("receipts.export")),
      h("p", {}, page.t("receipts.export.lead")),
      h("div", { class: "actions" }, page.button("receipts.export", async () => {
        const names = await namesOf(app);
        const consentRecords = [];
        for (const one of contents.cases) consentRecords.push(...(await recordsOf(app, one, one.grants, names)));
        save("volens-everything.json", JSON.stringify({ ...contents, consentRecords }, null, 1), "application/json");
      }, "quiet")),
    ],
  };
}

function caseTitle(app: App, { sent }: Handed): string {
  const { cases, acting } = app.open.wallet.contents;
  return [...cases, ...acting].find(({ subject }) => subject === sent.message.subject)?.title ?? sent.message.subject;
}

async function receipt(app: App, one: Handed): Promise<Screen> {
  const { page } = app;
  const { sent, receipt: signed } = one;
  const { wallet, client } = app.open;
  const found = wallet.contents.cases.find(({ subject }) => subject === sent.message.subject);
  const names = await namesOf(app);
  let block: number | null = null;
  try {
    block = (await client.relay(signed.receipt.id)).block;
  } catch {
    // the receipt is as good without it
  }
  const grants = sent.type === "Consent" || sent.type === "Revocation" ? read(sent.type, sent.message).grants : [];
  const sentences: Child[] = grants.map(({ summary }) => h("div", { class: "sentence", dir: "auto" }, h("p", {}, summary)));
  const record = async (): Promise<void> => {
    const records = found ? await recordsOf(app, found, grants, names) : [];
    save(`volens-consent-record-${signed.receipt.id}.jsonld`, JSON.stringify(records, null, 1), "application/ld+json");
  };
  return {
    title: `${page.t("receipt.title")}: ${page.t(titleOf(one))}`,
    body: [
      facts([
        [page.t("receipt.case"), h("bdi", {}, caseTitle(app, one))],
        found ? [page.t("receipt.institution"), h("bdi", {}, names.get(found.controller) ?? found.controller)] : null,
        [page.t("receipt.you"), h("span", { class: "technical", dir: "ltr" }, sent.message.subject)],
      ]),
      ...sentences,
      h("p", {}, page.t("receipts.received", { date: page.time(signed.receipt.receivedAt) })),
      block !== null && h("p", {}, page.t("receipts.recorded", { block })),
      h("div", { class: "actions" },
        page.button("action.print", () => print(), "main"),
        found && grants.length > 0 && page.button("receipts.record", record),
        page.button("receipts.json", () => save(`volens-receipt-${signed.receipt.id}.json`, JSON.stringify(one, null, 1), "application/json")),
        app.link("#/receipts", page.t("action.back"))),
      facts(([
        ["receipt.service", client.url], ["receipt.number", signed.receipt.id], ["receipt.digest", signed.receipt.digest],
        ["receipt.signature", sent.signature],
      ] as const).map(([label, exact]) => [page.t(label), h("span", { class: "technical", dir: "ltr" }, exact)])),
    ],
  };
}

/** The consent records (ISO/IEC TS 27560 in DPV's words) of grants of a case. */
async function recordsOf(
  app: App, { subject, controller }: Case, grants: readonly Message<"Grant">[], names: ReadonlyMap<string, string>,
): Promise<object[]> {
  const { wallet, patient, client } = app.open;
  const { consentRecord } = await import("../../core/consent_record.ts");
  const language = SUMMARIES.has(app.page.language) ? app.page.language : "en";
  const shared = { subject, controller, names, language, domain: await patient.domain(), service: client.url, at: client.now() };
  return grants.map((grant) => consentRecord(grant, { ...shared, handed: wallet.contents.handed }));
}
