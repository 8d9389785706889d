/** What the screens share: the wallet while it is open, the service, and which screen an address leads to. */

import { AutoLock } from "../shell/autolock.ts";
import { Client } from "../shell/client.ts";
import { Patient } from "../shell/patient.ts";
import type { Storage } from "../shell/storage.ts";
import { Wallet } from "../shell/wallet.ts";
import { h } from "./dom.ts";
import type { Page, Screen } from "./page.ts";

const MINUTES = "volens-minutes";
/** After how many minutes without a touch the page may lock itself; the first is the default. */
export const LOCK_AFTER = [5, 2, 15] as const;

/** An open wallet. It is let go of when the page locks. */
export interface Open {
  readonly wallet: Wallet;
  readonly client: Client;
  readonly patient: Patient;
}

/** The screen of an address; `token` is what stands behind its “=”. */
export type Route = (app: App, token: string) => Promise<Screen> | Screen;

export class App {
  /** What an open page shows, by the part of the address before “=”. The first is where it begins. */
  routes: ReadonlyMap<string, Route> = new Map();
  /** What is shown while there is no wallet here, and while it is locked. */
  welcome: (app: App) => Screen | Promise<Screen> = () => ({ title: "", body: [] });
  unlock: (app: App, why: string | undefined) => Screen | Promise<Screen> = () => ({ title: "", body: [] });
  readonly page: Page;
  readonly storage: Storage;
  #open: Open | undefined;
  #idle: AutoLock | undefined;

  constructor(page: Page, storage: Storage) {
    this.page = page;
    this.storage = storage;
    page.lock = () => this.lock(page.t("lock.done"));
    addEventListener("hashchange", () => void this.route());
    addEventListener("click", (event) => {
      // A link to where the page is already leads to the beginning of that screen.
      const link = event.target instanceof Element ? event.target.closest("a") : null;
      if (link?.hash === location.hash && link.hash.startsWith("#/")) void this.route();
    });
    for (const sign of ["pointerdown", "keydown"]) addEventListener(sign, () => this.#idle?.touch(), { passive: true });
    for (const sign of ["visibilitychange", "pageshow"]) addEventListener(sign, () => this.#idle?.check());
  }

  /** The open wallet. Throws when it is locked: a screen of an open page was drawn too late. */
  get open(): Open {
    if (this.#open === undefined) throw new Error("The page is locked.");
    return this.#open;
  }

  /** Whether this is still the open wallet: the page was not locked meanwhile. */
  holds(open: Open): boolean {
    return this.#open === open;
  }

  get minutes(): number {
    const kept = Number(localStorage.getItem(MINUTES));
    return LOCK_AFTER.find((one) => one === kept) ?? LOCK_AFTER[0];
  }

  set minutes(minutes: number) {
    localStorage.setItem(MINUTES, String(minutes));
    this.#watch();
  }

  /** Go on with an open wallet, where the address leads. */
  async opened(wallet: Wallet): Promise<void> {
    const client = new Client(location.origin, { pinned: wallet.contents.deployment });
    this.#open = { wallet, client, patient: new Patient(wallet, client) };
    this.page.open = true;
    this.#watch();
    await this.route();
  }

  /** There is no wallet here any more: begin as on the first day. */
  leave(): void {
    this.#letGo();
    void this.go("#");
  }

  /** Let go of the keys. `why` is told on the screen that opens the page again. */
  lock(why: string): void {
    this.#letGo();
    this.page.announce(why);
    void this.page.show(() => this.unlock(this, why));
  }

  #letGo(): void {
    this.#idle?.stop();
    this.#idle = undefined;
    this.#open?.client.signOut();
    this.#open = undefined;
    this.page.open = false;
  }

  /** Show what the address of the page names. */
  async route(): Promise<void> {
    if (this.#open === undefined) {
      const known = await Wallet.exists(this.storage);
      return this.page.show(() => (known ? this.unlock(this, undefined) : this.welcome(this)));
    }
    const [, name = "", token = ""] = /^#([a-z/]*)=?(.*)$/s.exec(location.hash) ?? [];
    const route = this.routes.get(name) ?? [...this.routes.values()][0];
    if (route) await this.page.show(() => route(this, token));
  }

  /** Lead to an address; when the page is there already, draw it again. */
  async go(address: string): Promise<void> {
    if (location.hash === address) await this.route();
    else location.hash = address;
  }

  /** A link that looks like a button. */
  link(address: string, words: string, kind = ""): HTMLAnchorElement {
    return h("a", { href: address, class: `button ${kind}` }, words);
  }

  #watch(): void {
    this.#idle?.stop();
    const { minutes } = this;
    this.#idle = new AutoLock(minutes * 60_000, () => this.lock(this.page.t("lock.idle", { minutes })));
  }
}
