/** Purposes and channels in words, from the same files as Python: the twin of `ledger/vocabulary/codes.py`. */

import channels from "../../../../ledger/vocabulary/channels.json";
import diseases from "../../../../ledger/vocabulary/diseases.json";
import purposes from "../../../../ledger/vocabulary/purposes.json";
import { InvalidInput } from "./errors.ts";

interface Entry {
  readonly code: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly broader?: string | null;
  readonly kind?: string;
  readonly takes?: string;
  readonly valueLabels?: Readonly<Record<string, string>>;
}

const table = (entries: readonly Entry[]): ReadonlyMap<string, Entry> => new Map(entries.map((e) => [e.code, e]));
const CHANNELS = table(channels.channels);
const DISEASES = table(diseases.diseases);
const PURPOSES = table(purposes.purposes as readonly Entry[]);

const QUALIFIED = /^(DUO:[0-9]{7}):(.+)$/;
const VALUES: ReadonlyMap<string, RegExp> = new Map([
  ["disease", /^MONDO:[0-9]{7}$/],
  ["countries", /^[A-Z]{2}(?:\.[A-Z]{2})*$/],
  ["identifier", /^[A-Za-z0-9:._-]+$/],
]);

/** A code that no vocabulary defines, or for which there are no words in a language. */
export class UnknownCode extends InvalidInput {
  constructor(message: string) {
    super(message, "unknown_code");
  }
}

function words(labels: Readonly<Record<string, string>> | undefined, language: string): string {
  const label = labels !== undefined && Object.hasOwn(labels, language) ? labels[language] : undefined;
  if (label === undefined) throw new UnknownCode("There are no words in this language.");
  return label;
}

/** A channel and everything broader. */
export function channelLine(code: string): readonly string[] {
  const line = [code];
  for (let next = CHANNELS.get(code)?.broader; next; next = CHANNELS.get(next)?.broader) line.push(next);
  return line;
}

/** The words that complete “It may appear only …”. Throws UnknownCode. */
export function channelLabel(code: string, language: string): string {
  const found = CHANNELS.get(code);
  if (found === undefined) throw new UnknownCode(`This is not a known channel: ${code.slice(0, 64)}.`);
  return words(found.labels, language);
}

/**
 * The words of a purpose, the value it carries included, and whether it restricts (a condition) instead of permitting.
 *
 * @throws UnknownCode no vocabulary defines it, its value has the wrong form, or its disease has no words.
 */
export function purposeLabel(code: string, language: string): { label: string; condition: boolean } {
  const plain = PURPOSES.get(code);
  if (plain !== undefined) return { label: words(plain.labels, language), condition: plain.kind === "duo-modifier" };
  const [, entry, value] = QUALIFIED.exec(code) ?? [];
  const found = entry === undefined ? undefined : PURPOSES.get(entry);
  if (found?.takes === undefined || value === undefined || !VALUES.get(found.takes)?.test(value)) {
    throw new UnknownCode(`This is not a known purpose: ${code.slice(0, 64)}.`);
  }
  let shown = found.takes === "countries" ? value.replaceAll(".", ", ") : value;
  if (found.takes === "disease") {
    const disease = DISEASES.get(value);
    if (disease === undefined) throw new UnknownCode(`There are no words for the disease ${value}.`);
    shown = words(disease.labels, language);
  }
  const label = words(found.valueLabels, language).replaceAll("{value}", () => shown);
  return { label, condition: found.kind === "duo-modifier" };
}
