/** Getting in: the first words, a passphrase for them, and opening the page again. */

import { Refused, VolensError } from "../../core/errors.ts";
import { newWords } from "../../core/keys.ts";
import { MIN_PASSPHRASE, checkPassphrase, passkeys } from "../../core/keystore.ts";
import { en, type MessageKey } from "../../languages/index.ts";
import { Client } from "../../shell/client.ts";
import { usePasskey } from "../../shell/passkey.ts";
import { Wallet, keystoreOf } from "../../shell/wallet.ts";
import type { App } from "../app.ts";
import { field, h, on, type Field } from "../dom.ts";
import type { Page, Screen } from "../page.ts";
import { restore } from "./restore.ts";

/** How many of the 24 words are asked for. */
const ASKED = 3;
/** Milliseconds that a greeting waits for what the service says of a link. */
const PATIENCE = 5000;

/** What is said of the link that brought somebody here; `good` when it leads on. */
export interface Brought {
  readonly said: MessageKey;
  readonly good: boolean;
}

/** What became of the link that leads here, by the address of the page; null when there is none. */
export async function broughtBy(hash: string, client: Pick<Client, "invitation" | "offer">): Promise<Brought | null> {
  const [, kind, token = ""] = /^#(invitation|offer)=(.*)$/s.exec(hash) ?? [];
  if (kind === undefined) return null;
  try {
    if (kind === "invitation") {
      const { claimed } = await client.invitation(token);
      return claimed ? { said: "invitation.claimed", good: false } : { said: "start.invited", good: true };
    }
    await client.offer(token);
    return { said: "start.offered", good: true }; // it is for the key that answered the invitation
  } catch (error) {
    if (!(error instanceof VolensError)) throw error;
    const key = `error.${error.code}`;
    return { said: Object.hasOwn(en, key) ? (key as MessageKey) : "error.unknown", good: false };
  }
}

/** Somebody is here for the first time. */
export async function welcome(app: App): Promise<Screen> {
  const { page } = app;
  const brought = await broughtBy(location.hash, new Client(location.origin, { timeout: PATIENCE }));
  return {
    title: page.t("start.title"),
    body: [
      h("p", { class: "lead" }, page.t("start.lead")),
      brought !== null && h("div", brought.good ? { class: "warning" } : { class: "failure", role: "alert" }, h("p", {}, page.t(brought.said))),
      h("ul", {}, ...(["key", "see", "stop"] as const).map((point) => h("li", {}, page.t(`start.point.${point}`)))),
      h("div", { class: "big" },
        page.button("start.create", () => create(app), "main"),
        page.button("start.restore", () => restore(app))),
    ],
  };
}

async function create(app: App): Promise<void> {
  const words = newWords();
  await app.page.show(() => showWords(app, words));
}

function showWords(app: App, words: string): Screen {
  const { page } = app;
  const list = wordList(page, words);
  list.hidden = true;
  const next = page.button("create.written", () => check(app, words), "main");
  next.hidden = true;
  const show = page.button("create.show", () => {
    list.hidden = next.hidden = false;
    show.remove();
    list.focus();
  }, "main");
  return {
    title: page.t("create.title"),
    body: [
      h("p", { class: "lead" }, page.t("create.lead")),
      h("div", { class: "warning" }, h("p", {}, page.t("create.warn"))),
      list,
      h("div", { class: "actions" }, show, next, page.button("action.back", () => app.route(), "quiet")),
    ],
  };
}

/** Words in order; English whatever the language of the page, since only these words are a key. */
export function wordList(page: Page, words: string): HTMLOListElement {
  const entries = words.split(" ").map((word) => h("li", {}, word));
  return h("ol", { class: "card words", lang: "en", dir: "ltr", tabindex: -1, "aria-label": page.t("create.list") }, ...entries);
}

async function check(app: App, words: string): Promise<void> {
  const all = words.split(" ");
  const asked = new Set<number>();
  while (asked.size < ASKED) asked.add(crypto.getRandomValues(new Uint8Array(1))[0]! % all.length);
  const places = [...asked].sort((one, other) => one - other);
  const { page } = app;
  await page.show(() => {
    const fields = places.map((place) => {
      const input = h("input", { type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: "false", lang: "en", dir: "ltr" });
      return field(page.t("check.word", { number: place + 1 }), input);
    });
    const compare = (): unknown => {
      fields.forEach(({ problem }) => problem(undefined));
      const wrong = places.findIndex((place, i) => fields[i]?.input.value.trim().toLowerCase() !== all[place]);
      if (wrong < 0) return choosePassphrase(app, (passphrase) => Wallet.create(app.storage, words, passphrase));
      return fields[wrong]?.problem(page.t("check.wrong", { number: places[wrong]! + 1 }));
    };
    return {
      title: page.t("check.title"),
      body: [
        h("p", { class: "lead" }, page.t("check.lead")),
        page.form("action.next", compare, ...fields.map(({ row }) => row)),
        page.button("check.back", () => page.show(() => showWords(app, words)), "quiet"),
      ],
    };
  });
}

/** Ask for a new passphrase, twice; `make` makes the wallet with it, which then is open. */
export async function choosePassphrase(app: App, make: (passphrase: string) => Promise<Wallet>): Promise<void> {
  const { page } = app;
  await page.show(() => {
    const fresh = newPassphrase(page);
    return {
      title: page.t("passphrase.title"),
      body: [
        h("p", { class: "lead" }, page.t("passphrase.lead")),
        page.form("passphrase.save", async () => {
          const passphrase = fresh.read();
          if (passphrase !== undefined) await app.opened(await make(passphrase));
        }, ...fresh.rows),
      ],
    };
  });
}

/** Two fields for a new passphrase. `read` gives it, or says beside the field what is wrong with it. */
export function newPassphrase(page: Page): { readonly rows: readonly HTMLElement[]; readonly read: () => string | undefined } {
  const make = (): HTMLInputElement => h("input", { type: "password", autocomplete: "new-password", dir: "auto" });
  const one = field(page.t("passphrase.label"), make(), page.t("passphrase.hint", { count: MIN_PASSPHRASE }));
  const again = field(page.t("passphrase.again"), make());
  return {
    rows: [one.row, again.row, showTyped(page, one, again)],
    read: () => {
      one.problem(undefined);
      again.problem(undefined);
      try {
        checkPassphrase(one.input.value);
      } catch {
        return void one.problem(page.t("passphrase.short", { count: MIN_PASSPHRASE }));
      }
      return one.input.value === again.input.value ? one.input.value : void again.problem(page.t("passphrase.differ"));
    },
  };
}

/** A box that shows what is typed into passphrase fields. */
export function showTyped(page: Page, ...fields: readonly Field<HTMLInputElement>[]): HTMLElement {
  const box = on(h("input", { type: "checkbox", id: `show-${fields[0]?.input.id}` }), {
    change: () => fields.forEach(({ input }) => (input.type = box.checked ? "text" : "password")),
  });
  return h("div", { class: "choice" }, box, h("label", { for: box.id }, page.t("passphrase.show")));
}

/** The page is locked. */
export async function unlock(app: App, why: string | undefined): Promise<Screen> {
  const { page } = app;
  const keys = passkeys(await keystoreOf(app.storage));
  const typed = field(page.t("unlock.passphrase"), h("input", { type: "password", autocomplete: "current-password", dir: "auto" }));
  const working = h("p", { class: "hint", hidden: true }, page.t("unlock.working"));
  const open = async (): Promise<void> => {
    typed.problem(undefined);
    working.hidden = false;
    page.announce(page.t("unlock.working"));
    try {
      await app.opened(await Wallet.open(app.storage, { passphrase: typed.input.value }));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      typed.problem(page.t("unlock.wrong"));
    } finally {
      working.hidden = true;
    }
  };
  return {
    title: page.t("unlock.title"),
    body: [
      h("p", { class: "lead" }, why ?? page.t("unlock.lead")),
      keys.length > 0 && h("div", { class: "big" }, page.button("unlock.passkey", async () =>
        app.opened(await Wallet.open(app.storage, await usePasskey(keys))), "main")),
      page.form("unlock.go", open, typed.row, showTyped(page, typed), working),
      h("details", {}, h("summary", {}, page.t("unlock.forgot")),
        h("p", {}, page.t("unlock.forgot.text")), page.button("start.restore", () => restore(app))),
    ],
  };
}
