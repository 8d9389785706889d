/** Codes in words, for every screen that lists consents or accesses. */

import phrases from "../../../../ledger/vocabulary/phrases.json";
import { ANY_ITEM, ZERO_ADDRESS, type Message } from "../core/model.ts";
import { channelLabel, purposeLabel } from "../core/vocabulary.ts";
import { en, type MessageKey } from "../languages/index.ts";
import type { Page } from "./page.ts";

/** The languages in which sentences of grants can be written. */
export const SUMMARIES: ReadonlySet<string> = new Set(Object.keys(phrases.phrases));

/** A language that the vocabularies speak: the page's, else English. */
function spoken(page: Page): string {
  return SUMMARIES.has(page.language) ? page.language : "en";
}

/** A purpose in words; a code that nobody knows is shown as it is. */
export function purposeWords(page: Page, code: string): string {
  try {
    return purposeLabel(code, spoken(page)).label;
  } catch {
    return code;
  }
}

/** A channel in words. */
export function channelWords(page: Page, code: string): string {
  try {
    return channelLabel(code, spoken(page));
  } catch {
    return code;
  }
}

/** Several words as a list, in the way of the page's language. */
export function listed(page: Page, words: readonly string[]): string {
  return new Intl.ListFormat(page.locale, { type: "conjunction" }).format(words);
}

/** The recipient of a grant by name; the end of the address when the Directory has none, or cannot be asked. */
export function whoOf(page: Page, grant: Message<"Grant">, names: ReadonlyMap<string, string>): string {
  if (grant.recipient === ZERO_ADDRESS) return page.t("consents.anybody");
  return names.get(grant.recipient) ?? `${grant.recipient.slice(0, 8)}…${grant.recipient.slice(-4)}`;
}

/** The items of a grant in words. */
export function whatOf(page: Page, { items }: Message<"Grant">): string {
  return items[0] === ANY_ITEM ? page.t("consents.what.all") : listed(page, items);
}

/** Why the answer was no, in words. */
export function reasonWords(page: Page, reason: string): string {
  const key = `reason.${reason}`;
  return page.t(Object.hasOwn(en, key) ? (key as MessageKey) : "reason.other");
}
