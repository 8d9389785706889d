/**
 * Building the page from parts. Text is only ever set as text: there is no way here to turn a string into markup, so
 * nothing that an institution writes can become more than words.
 */

export type Child = Node | string | null | undefined | false;

/** The attributes that the page uses. What is not here cannot be set: no handler, no style, no frame. */
const ATTRIBUTES: ReadonlySet<string> = new Set([
  "accept", "alt", "aria-busy", "aria-controls", "aria-current", "aria-describedby", "aria-hidden", "aria-invalid",
  "aria-label", "aria-labelledby", "aria-live", "autocapitalize", "autocomplete", "checked", "class", "dir", "disabled",
  "download", "for", "height", "hidden", "href", "id", "inputmode", "lang", "max", "maxlength", "min", "name", "open",
  "role", "rows", "scope", "selected", "spellcheck", "src", "step", "tabindex", "type", "value", "width",
]);
/** Where a link may lead: within the page, or to something that the page itself made. */
const ADDRESS = /^(?:#|blob:|\/wallet\/)/;

export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;
export type Handlers = Readonly<{ [E in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[E]) => void }>;

/** An element with attributes and children. `false` and `undefined` leave an attribute out, `true` sets it empty. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K, attributes: Attributes = {}, ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (!ATTRIBUTES.has(name) && !name.startsWith("data-")) throw new Error(`The page sets no ${name}.`);
    if (value === undefined || value === false) continue;
    if ((name === "href" || name === "src") && !ADDRESS.test(String(value))) throw new Error("The page links nowhere else.");
    made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...present(children));
  return made;
}

/** What is there of a list of children. */
export function present(children: readonly Child[]): (Node | string)[] {
  return children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false);
}

/** Listen to events of an element; returns the element. */
export function on<E extends HTMLElement>(element: E, handlers: Handlers): E {
  for (const [name, act] of Object.entries(handlers)) element.addEventListener(name, act as EventListener);
  return element;
}

/** A name that others wrote, set apart from the direction of the text around it. */
export function name(text: string): HTMLElement {
  return h("strong", {}, h("bdi", {}, text));
}

let made = 0;
/** An id that no other element has. */
export function freshId(): string {
  made += 1;
  return `v${made}`;
}

type Control = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

export interface Field<E extends Control = Control> {
  /** The whole row: label, hint, control, problem. */
  readonly row: HTMLElement;
  readonly input: E;
  /** Say what is wrong beside the control, and in the screen reader; undefined takes it back. */
  readonly problem: (text: string | undefined) => void;
}

/** A control with its label, its hint and a place for what is wrong with it. */
export function field<E extends Control>(label: string, input: E, hint?: string): Field<E> {
  const id = freshId();
  input.id = id;
  const said = h("p", { class: "problem", id: `${id}-problem`, hidden: true });
  const about = hint === undefined ? null : h("p", { class: "hint", id: `${id}-hint` }, hint);
  input.setAttribute("aria-describedby", about ? `${id}-hint ${id}-problem` : `${id}-problem`);
  const problem = (text: string | undefined): void => {
    said.textContent = text ?? "";
    said.hidden = text === undefined;
    if (text === undefined) return input.removeAttribute("aria-invalid");
    input.setAttribute("aria-invalid", "true");
    input.focus();
  };
  return { row: h("div", { class: "field" }, h("label", { for: id }, label), about, input, said), input, problem };
}

/** A check box or radio button with its words; nothing is ticked unless `checked` says so. */
export function choice(
  kind: "checkbox" | "radio", group: string, value: string, words: Child, checked = false,
): { readonly row: HTMLElement; readonly input: HTMLInputElement } {
  const id = freshId();
  const input = h("input", { type: kind, name: group, id, value });
  input.checked = checked;
  return { row: h("div", { class: "choice" }, input, h("label", { for: id }, words)), input };
}

/** Several controls that belong together, under one name. */
export function group(title: Child, ...children: readonly Child[]): HTMLFieldSetElement {
  return h("fieldset", {}, h("legend", {}, title), ...children);
}

/** Rows of “name: value”. */
export function facts(rows: readonly (readonly [string, Child] | null)[]): HTMLDListElement {
  const list = h("dl", { class: "facts" });
  for (const row of rows) if (row) list.append(h("div", {}, h("dt", {}, row[0]), h("dd", {}, row[1])));
  return list;
}

/** Hand a file to the person. */
export function save(name: string, content: Uint8Array | string, type: string): void {
  const address = URL.createObjectURL(new Blob([typeof content === "string" ? content : new Uint8Array(content)], { type }));
  const link = h("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
