/** Who asked about her records and who received files; and an alarm when the list is not what it was. */

import { InvalidProof } from "../../core/errors.ts";
import { LogAlarm } from "../../core/log.ts";
import type { Access } from "../../shell/patient.ts";
import type { App } from "../app.ts";
import { facts, h, save, type Child } from "../dom.ts";
import type { Screen } from "../page.ts";
import { channelWords, purposeWords, reasonWords } from "../words.ts";
import { lookForCases } from "./restore.ts";

export async function accesses(app: App): Promise<Screen> {
  const { page } = app;
  const { wallet, patient } = app.open;
  if (wallet.contents.toRestore) return lookForCases(app);
  const cases = wallet.contents.cases.filter(({ record }) => record !== null);
  const sections: Child[] = [];
  const all: Access[] = [];
  for (const one of cases) {
    let entries: readonly Access[];
    try {
      entries = await patient.accesses(one);
    } catch (error) {
      if (error instanceof InvalidProof) return alarm(app, error);
      throw error;
    }
    all.push(...entries);
    const newest = [...entries].reverse();
    sections.push(h("section", {},
      h("h2", {}, h("bdi", {}, one.title)),
      newest.length === 0 ? h("p", {}, page.t("accesses.none")) : h("ol", { class: "entries" }, ...newest.map((entry) => h("li", {}, access(app, entry))))));
  }
  return {
    title: page.t("accesses.title"),
    body: [
      h("p", { class: "lead" }, page.t("accesses.lead")),
      cases.length === 0 && h("p", {}, page.t("accesses.none")),
      ...sections,
      cases.length > 0 && h("p", { class: "hint" }, page.t("accesses.checked")),
      all.length > 0 && h("div", { class: "actions" },
        page.button("accesses.save", () => save("volens-accesses.json", JSON.stringify(all, null, 1), "application/json"), "quiet")),
    ],
  };
}

const KINDS = { decision: "accesses.decision", release: "accesses.release", outcome: "accesses.outcome" } as const;

function access(app: App, entry: Access): HTMLElement {
  const { page } = app;
  const text = (field: string): string => (typeof entry[field] === "string" ? entry[field] : "");
  const who = text("askerName") || page.t("accesses.somebody");
  const kind = KINDS[text("kind") as keyof typeof KINDS] ?? KINDS.decision;
  const yes = entry["permitted"] === true;
  const at = typeof entry["at"] === "number" ? entry["at"] : 0;
  return h("article", { class: "card" },
    h("h3", {}, page.t(kind, { who: `\u2068${who}\u2069` })),
    h("p", {}, h("span", { class: yes ? "state on" : "state" }, yes ? page.t("accesses.yes") : page.t("accesses.no", { why: reasonWords(page, text("reason")) }))),
    h("p", { class: "hint" }, page.time(at)),
    h("p", {}, page.t("accesses.for", { purpose: purposeWords(page, text("purpose")) })),
    text("channel") !== "" && h("p", {}, page.t("accesses.where", { channel: channelWords(page, text("channel")) })),
    page.details(h("div", { class: "technical", dir: "ltr", lang: "en" },
      facts(Object.entries(entry).map(([field, value]) => [field, typeof value === "string" ? value : JSON.stringify(value)])))));
}

/** The list is not the one that was seen before. What was remembered is the evidence, and is kept. */
function alarm(app: App, error: InvalidProof): Screen {
  const { page } = app;
  const kind = error instanceof LogAlarm ? error.alarm : "entry";
  const evidence = { alarm: kind, message: error.message, seen: app.open.wallet.contents.log, at: app.open.client.now(), service: location.origin };
  return {
    title: page.t("alarm.title"),
    body: [
      h("div", { class: "failure", role: "alert" },
        h("p", { class: "lead" }, page.t(`alarm.${kind}`)),
        h("p", {}, page.t("alarm.advice"))),
      h("div", { class: "actions" },
        page.button("alarm.save", () => save("volens-alarm.json", JSON.stringify(evidence, null, 1), "application/json"), "main"),
        app.link("#/consents", page.t("nav.consents"))),
      page.details(h("p", { dir: "auto" }, page.t("error.detail", { message: error.message }))),
    ],
  };
}
