/** Forms and channel terms, named by the hash of their canonical JSON: the twin of those in `ledger/documents.py`. */

import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

import { canonical } from "./canonical.ts";
import { exactly, list, members } from "./json.ts";
import { InvalidMessage, ZERO_ADDRESS, address, code, hash32, integer, text } from "./model.ts";

const LANGUAGE = /^[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}$/;
const MAX_TERMS = 16 * 1024;
const DAY = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/;

/** Text by language; English is always there. */
export type Localised = ReadonlyMap<string, string>;

/** One sentence of a form that the patient acknowledges by itself. */
export interface Statement {
  readonly id: string;
  readonly text: Localised;
}

/** Which terms of which issuer a form relies on for a channel. */
export interface NamedTerms {
  readonly issuer: string;
  readonly terms: string;
}

/** A version of the text a patient agrees to, with the issuer and hash of the terms of each channel it names. */
export interface Form {
  readonly version: number;
  readonly issuer: string;
  readonly title: Localised;
  readonly statements: readonly Statement[];
  readonly channels: ReadonlyMap<string, NamedTerms>;
}

/** What sharing on a channel means for the patient, as its terms of service stood on a day (YYYY-MM-DD). */
export interface Terms {
  readonly version: number;
  readonly issuer: string;
  readonly channel: string;
  readonly title: Localised;
  readonly asOf: string;
  readonly text: Localised;
}

/** The name of a document on chain: Keccak-256 of its canonical JSON. Throws NotCanonical. */
export function documentHash(document: unknown): string {
  return `0x${bytesToHex(keccak_256(utf8ToBytes(canonical(document))))}`;
}

/** Read the form of this hash. Throws InvalidMessage when it is another document, or not a form. */
export function readForm(value: unknown, hash: string): Form {
  named(value, hash);
  const form = exactly(value, "VolensForm", ["type", "version", "issuer", "title", "statements", "channels"]);
  if (form.type !== "VolensForm") throw new InvalidMessage("type", "must be VolensForm");
  const statements = list(form.statements, "statements", (entry, field) => {
    const statement = exactly(entry, field, ["id", "text"]);
    return Object.freeze({ id: code(statement.id, `${field}.id`), text: localised(statement.text, `${field}.text`) });
  }, 64);
  if (statements.length === 0 || new Set(statements.map(({ id }) => id)).size !== statements.length) {
    throw new InvalidMessage("statements", "must be 1 to 64 statements with different ids");
  }
  const channels = [...members(form.channels, "channels")].map(([name, entry]) => {
    const { issuer, terms } = exactly(entry, `channels.${name}`, ["issuer", "terms"]);
    const read = { issuer: issuerOf(issuer), terms: hash32(terms, `channels.${name}.terms`) };
    return [code(name, "channels"), Object.freeze(read)] as const;
  });
  return Object.freeze({
    version: version(form.version), issuer: issuerOf(form.issuer), title: localised(form.title, "title", 500),
    statements, channels: new Map(channels),
  });
}

/** Read the channel terms of this hash. Throws InvalidMessage when it is another document, or no terms. */
export function readTerms(value: unknown, hash: string): Terms {
  named(value, hash);
  const terms = exactly(value, "VolensTerms", ["type", "version", "issuer", "channel", "title", "asOf", "text"]);
  if (terms.type !== "VolensTerms") throw new InvalidMessage("type", "must be VolensTerms");
  if (typeof terms.asOf !== "string" || !isDay(terms.asOf)) {
    throw new InvalidMessage("asOf", "must be a day such as 2026-11-23");
  }
  return Object.freeze({
    version: version(terms.version), issuer: issuerOf(terms.issuer), channel: code(terms.channel, "channel"),
    title: localised(terms.title, "title", 500), asOf: terms.asOf, text: localised(terms.text, "text", MAX_TERMS),
  });
}

/** A text in a language, or in English where it has no words in that one. */
export function inLanguage(texts: Localised, language: string): { text: string; language: string } {
  const found = texts.get(language);
  return found === undefined ? { text: texts.get("en") ?? "", language: "en" } : { text: found, language };
}

function named(value: unknown, hash: string): void {
  if (documentHash(value) !== hash) {
    throw new InvalidMessage("document", "is another than the one that would be signed");
  }
}

function localised(value: unknown, field: string, limit = 2000): Localised {
  const texts = members(value, field);
  if (texts.size > 64 || ![...texts.keys()].every((language) => LANGUAGE.test(language)) || !texts.has("en")) {
    throw new InvalidMessage(field, "must be an object: language to text, English among them");
  }
  const read = [...texts].map(([language, entry]) =>
    [language, text(entry, `${field}.${language}`, { limit, isolates: true })] as const,
  );
  return new Map(read);
}

/** Whether it is a day of the calendar, as Python's `date.fromisoformat` says it. */
function isDay(day: string): boolean {
  const at = DAY.test(day) && !day.startsWith("0000") ? Date.parse(`${day}T00:00:00Z`) : NaN;
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(day); // a 30 February would be another day
}

function version(value: unknown): number {
  const found = integer(value, "version");
  if (found === 0) throw new InvalidMessage("version", "must be a whole number from 1");
  return found;
}

function issuerOf(value: unknown): string {
  const found = address(value, "issuer");
  if (found === ZERO_ADDRESS) throw new InvalidMessage("issuer", "must not be the zero address");
  return found;
}
