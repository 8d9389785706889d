/** The frame around every screen: its language, where the focus goes, what is announced, and what went wrong. */

import { VolensError } from "../core/errors.ts";
import { LANGUAGES, en, fill, preferred, type Catalogue, type MessageKey } from "../languages/index.ts";
import { h, on, present, type Child } from "./dom.ts";

export type Slots = Readonly<Record<string, string | number>>;

/** What a screen is: its heading and what stands below it. */
export interface Screen {
  readonly title: string;
  readonly body: readonly Child[];
  /** It tells how things stand: it may be drawn again when that changes. */
  readonly live?: boolean;
}

/** Draws a screen, in the language of the moment. */
export type Draw = () => Promise<Screen> | Screen;

/** Milliseconds for which something that was done is told. */
const TOLD = 8000;
const LANGUAGE = "volens-language";

/** Milliseconds within what a calendar can say (ECMA-262): a service may name any time, and a screen must not fail on it. */
function within(seconds: number): number {
  const LAST = 8.64e15;
  return Math.min(Math.max(seconds * 1000, -LAST), LAST);
}

export class Page {
  language = "en";
  /** Whether the wallet is open: only then there is a menu. */
  open = false;
  /** What the menu leads to, and what its “Lock” does. */
  menu: readonly (readonly [address: string, label: MessageKey])[] = [];
  lock: () => void = () => undefined;
  #catalogue: Catalogue = en;
  readonly #header = h("header", { class: "top" });
  readonly #notices = h("div", { class: "notices" });
  readonly #main = h("main", { id: "main", tabindex: -1 });
  readonly #live = h("div", { class: "unseen", role: "status", "aria-live": "polite" });
  readonly #told = h("div", { class: "told", role: "status", "aria-live": "polite" });
  #draw: Draw = () => ({ title: "", body: [] });
  #turn = 0;
  #refreshable = false;

  /** Draw the frame for the first time, in the language that was chosen before or that the browser prefers. */
  async start(body: HTMLElement): Promise<void> {
    body.replaceChildren(this.#header, this.#notices, this.#main, this.#live, this.#told);
    let wanted: string | null = null;
    try {
      wanted = localStorage.getItem(LANGUAGE);
    } catch {
      // A browser that stores nothing still shows the page.
    }
    await this.speak(wanted ?? preferred(navigator.languages));
  }

  /** The words of a key, in the language of the page. */
  t(key: MessageKey, slots: Slots = {}): string {
    return fill(this.#catalogue[key], slots);
  }

  /** Change the language; what is shown is drawn again. */
  async speak(code: string): Promise<void> {
    const language = LANGUAGES.find((one) => one.code === code) ?? LANGUAGES[0];
    if (language === undefined) return;
    this.#catalogue = await language.load();
    this.language = language.code;
    document.documentElement.lang = language.code;
    document.documentElement.dir = language.direction;
    try {
      localStorage.setItem(LANGUAGE, language.code);
    } catch {
      // as above
    }
    await this.redraw();
  }

  /** Show a screen; it is drawn again when the language changes. */
  async show(draw: Draw): Promise<void> {
    this.#draw = draw;
    await this.redraw(true);
  }

  /** Draw the screen again, because something in it changed. `fresh`: from the top, with the focus on its heading. */
  async redraw(fresh = false): Promise<void> {
    const turn = ++this.#turn;
    this.#main.setAttribute("aria-busy", "true");
    let screen: Screen;
    try {
      screen = await this.#draw();
    } catch (error) {
      screen = { title: this.t("error.title"), body: [this.problem(error), this.button("action.again", () => this.redraw(true))] };
    }
    if (turn !== this.#turn) return; // another screen was asked for meanwhile
    this.#main.removeAttribute("aria-busy");
    this.#refreshable = screen.live ?? false;
    this.#frame();
    const heading = h("h1", { tabindex: -1 }, screen.title);
    this.#main.replaceChildren(heading, ...present(screen.body));
    document.title = screen.title === "" ? this.t("app.name") : `${screen.title} · ${this.t("app.name")}`;
    if (!fresh) return;
    scrollTo(0, 0);
    heading.focus({ preventScroll: true });
  }

  /** Draw a screen again that tells how things stand; not while she is in the middle of something on it. */
  async refresh(): Promise<void> {
    const typed = [...this.#main.querySelectorAll("input")].some((input) => (input.type === "text" ? input.value !== "" : input.checked));
    if (this.#refreshable && !typed && this.#main.querySelector(":is(input, select):focus, [aria-busy]") === null) await this.redraw();
  }

  /** Tell a screen reader, without moving anything. */
  announce(text: string): void {
    this.#live.textContent = "";
    setTimeout(() => (this.#live.textContent = text), 50); // a change that comes with the emptying would not be noticed
  }

  /** Tell everybody that something was done, for a while. */
  tell(text: string): void {
    this.#told.textContent = text;
    setTimeout(() => {
      if (this.#told.textContent === text) this.#told.textContent = "";
    }, TOLD);
  }

  /** A notice above every screen, until it is taken back. */
  notice(kind: string, ...content: readonly Child[]): void {
    this.#notices.querySelector(`[data-kind="${kind}"]`)?.remove();
    if (content.length > 0) this.#notices.append(h("div", { class: "notice", role: "status", "data-kind": kind }, ...content));
  }

  /** A button. While it does its work it cannot be pressed again, and what goes wrong is said below it. */
  button(
    label: MessageKey | { readonly text: string; readonly name?: string }, act: () => unknown,
    kind: "main" | "plain" | "stop" | "quiet" = "plain",
  ): HTMLButtonElement {
    const { text, name = undefined } = typeof label === "string" ? { text: this.t(label) } : label;
    const made = h("button", { type: "button", class: kind, "aria-label": name }, text);
    return on(made, { click: () => void this.#run(made, act) });
  }

  /** A form: what is typed is sent with Enter too. */
  form(label: MessageKey, act: () => unknown, ...children: readonly Child[]): HTMLFormElement {
    const go = h("button", { type: "submit", class: "main" }, this.t(label));
    const made = h("form", {}, ...children, h("div", { class: "actions" }, go));
    made.noValidate = true;
    return on(made, {
      submit: (event) => {
        event.preventDefault();
        void this.#run(go, act);
      },
    });
  }

  async #run(pressed: HTMLButtonElement, act: () => unknown): Promise<void> {
    if (pressed.getAttribute("aria-busy") === "true") return;
    const place = pressed.closest(".actions, .big") ?? pressed;
    place.parentElement?.querySelector(":scope > .failure")?.remove();
    pressed.setAttribute("aria-busy", "true");
    try {
      await act();
    } catch (error) {
      place.after(this.problem(error));
    } finally {
      pressed.removeAttribute("aria-busy");
    }
  }

  /** What went wrong, in words; the exact message on demand. */
  problem(error: unknown): HTMLElement {
    const code = error instanceof VolensError ? error.code : error instanceof DOMException ? "storage" : "unknown";
    const exact = error instanceof Error ? error.message : String(error);
    const said = this.#saying(code) ?? (code.startsWith("invalid_") ? exact : this.t("error.unknown"));
    return h("div", { class: "failure", role: "alert" }, h("p", {}, said), exact !== said &&
      this.details(h("p", { dir: "auto" }, this.t("error.detail", { message: exact.slice(0, 500) }))));
  }

  #saying(code: string): string | undefined {
    const key = `error.${code}`;
    return Object.hasOwn(en, key) ? this.t(key as MessageKey) : undefined;
  }

  /** Something that is shown on demand. */
  details(...children: readonly Child[]): HTMLDetailsElement {
    return h("details", {}, h("summary", {}, this.t("action.details")), ...children);
  }

  /** How dates and lists are written: English ones as in the sentences, with the day before the month. */
  get locale(): string {
    return this.language === "en" ? "en-GB" : this.language;
  }

  /** A day in words, in the language of the page. */
  day(seconds: number): string {
    return new Intl.DateTimeFormat(this.locale, { dateStyle: "long" }).format(within(seconds));
  }

  /** A moment in words. */
  time(seconds: number): string {
    return new Intl.DateTimeFormat(this.locale, { dateStyle: "medium", timeStyle: "short" }).format(within(seconds));
  }

  #frame(): void {
    const languages = h("select", { id: "language", "aria-label": this.t("app.language") });
    for (const { code, name } of LANGUAGES) {
      languages.append(h("option", { value: code, lang: code, selected: code === this.language }, name));
    }
    on(languages, { change: () => void this.speak(languages.value).then(() => document.getElementById("language")?.focus()) });
    const skip = on(h("a", { class: "skip", href: "#main" }, this.t("app.skip")), {
      click: (event) => {
        event.preventDefault();
        this.#main.focus();
      },
    });
    const entries = this.menu.map(([address, label]) =>
      h("li", {}, h("a", { href: address, "aria-current": location.hash === address ? "page" : undefined }, this.t(label))));
    this.#header.replaceChildren(...present([
      skip,
      h("div", { class: "bar" }, h("span", { class: "brand" }, this.t("app.name")), languages,
        this.open && this.button("app.lock", () => this.lock(), "quiet")),
      this.open && h("nav", { "aria-label": this.t("app.menu") }, h("ul", {}, ...entries)),
    ]));
  }
}
