/** The languages of the page. English is always there; the others are fetched when they are chosen. */

import { en, type Catalogue, type MessageKey } from "./en.ts";

export interface Language {
  readonly code: string;
  /** Its name in itself, as the list of languages shows it. */
  readonly name: string;
  readonly direction: "ltr" | "rtl";
  readonly load: () => Promise<Catalogue>;
}

export const LANGUAGES: readonly Language[] = [
  { code: "en", name: "English", direction: "ltr", load: () => Promise.resolve(en) },
  { code: "de", name: "Deutsch", direction: "ltr", load: async () => (await import("./de.ts")).de },
  { code: "es", name: "Español", direction: "ltr", load: async () => (await import("./es.ts")).es },
  { code: "ar", name: "العربية", direction: "rtl", load: async () => (await import("./ar.ts")).ar },
];

/** The first language of the page that a reader's list of preferences (BCP 47) names; English when none is. */
export function preferred(wanted: readonly string[]): string {
  const known = wanted.map((tag) => tag.toLowerCase().split("-")[0]);
  return known.find((code) => LANGUAGES.some((language) => language.code === code)) ?? "en";
}

/**
 * A message with its slots filled in, once: what was put in is never read as a message.
 *
 * @throws Error a slot has no value; a test tries every key.
 */
export function fill(message: string, slots: Readonly<Record<string, string | number>> = {}): string {
  return message.replace(/\{(\w+)\}/g, (_, slot: string) => {
    const value = slots[slot];
    if (value === undefined) throw new Error(`The message has an unknown slot: ${slot}.`);
    return String(value);
  });
}

export { en, type Catalogue, type MessageKey };
