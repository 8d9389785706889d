/** Bringing a key back: from its words, from a key file, or from parts that were given to others. */

import { openBook } from "../../core/book.ts";
import { parse } from "../../core/json.ts";
import { PatientKeys, checkWords, entropyToWords } from "../../core/keys.ts";
import { Wallet, eraseWallet } from "../../shell/wallet.ts";
import type { App } from "../app.ts";
import { field, h } from "../dom.ts";
import type { Screen } from "../page.ts";
import { choosePassphrase, showTyped } from "./start.ts";

const LONGEST_FILE = 1_000_000;

/** Which way? */
export async function restore(app: App): Promise<void> {
  const { page } = app;
  await page.show(() => ({
    title: page.t("restore.title"),
    body: [
      h("p", { class: "lead" }, page.t("restore.lead")),
      h("div", { class: "big" },
        page.button("restore.words", () => page.show(() => fromWords(app)), "main"),
        page.button("restore.file", () => page.show(() => fromFile(app))),
        page.button("restore.shares", () => page.show(() => fromShares(app)))),
      page.button("action.back", () => app.route(), "quiet"),
    ],
  }));
}

function fromWords(app: App): Screen {
  const { page } = app;
  const typed = field(page.t("restore.words.label"),
    h("textarea", { rows: 5, autocomplete: "off", autocapitalize: "none", spellcheck: "false", lang: "en", dir: "ltr" }),
    page.t("restore.words.hint"));
  return {
    title: page.t("restore.words"),
    body: [
      page.form("restore.go", () => {
        typed.problem(undefined);
        let words: string;
        try {
          words = checkWords(typed.input.value);
        } catch (error) {
          return typed.problem(error instanceof Error ? error.message : String(error));
        }
        return again(app, words);
      }, typed.row),
      page.button("action.back", () => restore(app), "quiet"),
    ],
  };
}

function fromFile(app: App): Screen {
  const { page } = app;
  const file = field(page.t("restore.file.label"), h("input", { type: "file", accept: ".json,application/json" }), page.t("restore.file.hint"));
  const passphrase = field(page.t("restore.file.passphrase"), h("input", { type: "password", autocomplete: "off", dir: "auto" }));
  return {
    title: page.t("restore.file"),
    body: [
      page.form("restore.go", async () => {
        file.problem(undefined);
        const chosen = file.input.files?.[0];
        if (chosen === undefined || chosen.size > LONGEST_FILE) return file.problem(page.t("restore.file.none"));
        const { unlockFile } = await import("../../core/web3_keystore.ts");
        const { kind, secret } = await unlockFile(parse(await chosen.text(), "keystore"), passphrase.input.value);
        if (kind !== "words") return file.problem(page.t("restore.file.party"));
        return again(app, entropyToWords(secret));
      }, file.row, passphrase.row, showTyped(page, passphrase)),
      page.button("action.back", () => restore(app), "quiet"),
    ],
  };
}

function fromShares(app: App): Screen {
  const { page } = app;
  const parts: string[] = [];
  let needed = 2;
  const have = h("p", { role: "status" });
  const typed = field(page.t("restore.shares.label", { number: 1 }),
    h("textarea", { rows: 4, autocomplete: "off", autocapitalize: "none", spellcheck: "false", lang: "en", dir: "ltr" }));
  return {
    title: page.t("restore.shares"),
    body: [
      have,
      page.form("restore.shares.add", async () => {
        const { readShare, restoreShares } = await import("../../core/slip39.ts");
        typed.problem(undefined);
        try {
          needed = readShare(typed.input.value).threshold;
          const all = [...parts, typed.input.value];
          if (all.length >= needed) return await again(app, entropyToWords(restoreShares(all)));
          parts.push(typed.input.value);
        } catch (error) {
          return typed.problem(error instanceof Error ? error.message : String(error));
        }
        typed.input.value = "";
        const label = typed.row.querySelector("label");
        if (label) label.textContent = page.t("restore.shares.label", { number: parts.length + 1 });
        have.textContent = page.t("restore.shares.have", { have: parts.length, needed });
        return typed.input.focus();
      }, typed.row),
      page.button("action.back", () => restore(app), "quiet"),
    ],
  };
}

/** Make the wallet of words that were used before. What this device still remembers of the same words is kept. */
async function again(app: App, words: string): Promise<void> {
  await choosePassphrase(app, async (passphrase) => {
    const book = await app.storage.get("book");
    let known = false;
    try {
      if (book) openBook(new PatientKeys(words).vaultKey(), book);
      known = book !== undefined;
    } catch {
      // of other words, or damaged: what these words did is looked for at the service
    }
    await eraseWallet(app.storage);
    return Wallet.create(app.storage, words, passphrase, known && book ? { book } : { again: true });
  });
}

/** Cases of words that were used before are looked for first: else a pseudonym could be used twice. */
export function lookForCases(app: App): Screen {
  const { page } = app;
  return { title: page.t("restore.title"), body: [h("p", { class: "lead" }, page.t("restore.pending")), lookButton(app)] };
}

/** Ask the service, as one pseudonym after the other, which cases there are. */
export function lookButton(app: App): HTMLElement {
  const { page } = app;
  return h("div", { class: "actions" }, page.button("restore.pending.go", async () => {
    page.announce(page.t("restore.searching"));
    const count = await app.open.patient.restore();
    await app.go(location.hash === "#/settings" ? "#/consents" : location.hash);
    page.tell(page.t("restore.found", { count }));
  }, "main"));
}
