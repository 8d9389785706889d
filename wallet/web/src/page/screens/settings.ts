/** The key and how it is opened: passphrase, passkey, words, file, parts; when it locks; leaving. */

import { Refused } from "../../core/errors.ts";
import { entropyToWords } from "../../core/keys.ts";
import { addPasskey, changePassphrase, passkeys, removePasskey } from "../../core/keystore.ts";
import { createPasskey, passkeyAvailable } from "../../shell/passkey.ts";
import { entropyOf, eraseWallet, keepKeystore, keystoreOf } from "../../shell/wallet.ts";
import { LOCK_AFTER, type App } from "../app.ts";
import { field, h, on, save, type Child } from "../dom.ts";
import type { Screen } from "../page.ts";
import { lookButton } from "./restore.ts";
import { newPassphrase, showTyped, wordList } from "./start.ts";

export async function settings(app: App): Promise<Screen> {
  const { page } = app;
  const minutes = h("select", {}, ...[...LOCK_AFTER].sort((a, b) => a - b).map((one) =>
    h("option", { value: one, selected: one === app.minutes }, page.t("settings.autolock.minutes", { minutes: one }))));
  on(minutes, { change: () => (app.minutes = Number(minutes.value)) });
  const keystore = await keystoreOf(app.storage);
  const possible = await passkeyAvailable();
  const known = passkeys(keystore);
  const section = (title: Parameters<typeof page.t>[0], ...children: Child[]): HTMLElement =>
    h("details", { class: "card" }, h("summary", {}, page.t(title)), ...children);
  return {
    title: page.t("settings.title"),
    body: [
      field(page.t("settings.autolock"), minutes).row,
      passphraseSection(app, section),
      section("settings.passkey",
        h("p", {}, page.t(possible ? "settings.passkey.lead" : "settings.passkey.none")),
        ...known.map((one) => page.button({ text: page.t("settings.passkey.remove", { name: one.name }) }, async () => {
          await keepKeystore(app.storage, removePasskey(await keystoreOf(app.storage), one.credential));
          await app.route();
        }, "quiet")),
        possible && withPassphrase(app, "settings.passkey.add", async (entropy) => {
          const made = await createPasskey(page.t("app.name"));
          await keepKeystore(app.storage, addPasskey(await keystoreOf(app.storage), entropy, made));
          await app.route();
          page.tell(page.t("settings.passkey.added"));
        })),
      section("settings.look", h("p", {}, page.t("settings.look.lead")), lookButton(app)),
      section("settings.words",
        h("p", {}, page.t("settings.words.lead")),
        withPassphrase(app, "create.show", (entropy) => page.show(() => ({
          title: page.t("create.title"),
          body: [wordList(page, entropyToWords(entropy)), app.link("#/settings", page.t("action.close"), "main")],
        })))),
      fileSection(app, section),
      sharesSection(app, section),
      section("settings.remove",
        h("div", { class: "warning" }, h("p", {}, page.t("settings.remove.lead"))),
        withPassphrase(app, "settings.remove.go", async () => {
          await eraseWallet(app.storage);
          app.leave();
          page.tell(page.t("settings.removed"));
        })),
    ],
  };
}

type Section = (title: Parameters<App["page"]["t"]>[0], ...children: Child[]) => HTMLElement;

/** Something that needs the passphrase once more, though the page is open: whoever found it open must not do it. */
function withPassphrase(app: App, label: Parameters<App["page"]["t"]>[0], act: (entropy: Uint8Array) => unknown, ...more: Child[]): HTMLElement {
  const { page } = app;
  const typed = field(page.t("unlock.current"), h("input", { type: "password", autocomplete: "current-password", dir: "auto" }));
  return page.form(label, async () => {
    typed.problem(undefined);
    let entropy: Uint8Array;
    try {
      entropy = await entropyOf(app.storage, { passphrase: typed.input.value });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return typed.problem(page.t("unlock.wrong"));
    }
    typed.input.value = "";
    return act(entropy);
  }, typed.row, showTyped(page, typed), ...more);
}

function passphraseSection(app: App, section: Section): HTMLElement {
  const { page } = app;
  const fresh = newPassphrase(page);
  return section("settings.passphrase", withPassphrase(app, "settings.passphrase", async (entropy) => {
    const passphrase = fresh.read();
    if (passphrase === undefined) return;
    await keepKeystore(app.storage, await changePassphrase(await keystoreOf(app.storage), entropy, passphrase));
    await app.route();
    page.tell(page.t("settings.passphrase.done"));
  }, ...fresh.rows));
}

function fileSection(app: App, section: Section): HTMLElement {
  const { page } = app;
  const fresh = newPassphrase(page);
  return section("settings.file", h("p", {}, page.t("settings.file.lead")), withPassphrase(app, "settings.file.go", async (entropy) => {
    const passphrase = fresh.read();
    if (passphrase === undefined) return;
    const { lockFile } = await import("../../core/web3_keystore.ts");
    save("volens-key.json", JSON.stringify(await lockFile(entropy, passphrase, "words"), null, 1), "application/json");
  }, ...fresh.rows));
}

/** The key in parts for people she trusts: any number of them, as she chose, bring it back (SLIP-39). */
function sharesSection(app: App, section: Section): HTMLElement {
  const { page } = app;
  const number = (of: Parameters<typeof page.t>[0], value: number) =>
    field(page.t(of), h("input", { type: "number", inputmode: "numeric", min: 2, max: 16, value, dir: "ltr" }));
  const [count, needed] = [number("settings.shares.count", 3), number("settings.shares.needed", 2)];
  return section("settings.shares", h("p", {}, page.t("settings.shares.lead")), withPassphrase(app, "settings.shares.make", async (entropy) => {
    const [of, threshold] = [Number(count.input.value), Number(needed.input.value)];
    const good = Number.isInteger(of) && Number.isInteger(threshold) && threshold >= 2 && threshold <= of && of <= 16;
    needed.problem(good ? undefined : page.t("settings.shares.wrong"));
    if (!good) return;
    const { makeShares } = await import("../../core/slip39.ts");
    const parts = makeShares(entropy, threshold, of);
    await page.show(() => ({
      title: page.t("settings.shares"),
      body: [
        h("p", { class: "lead" }, page.t("settings.shares.hint", { needed: threshold })),
        ...parts.flatMap((part, i) => [h("h2", {}, page.t("settings.shares.part", { number: i + 1, of })), wordList(page, part)]),
        h("div", { class: "actions" }, page.button("action.print", () => print()), app.link("#/settings", page.t("action.close"), "main")),
      ],
    }));
  }, count.row, needed.row));
}
