/** A grant in plain words, from the fields that are enforced: the twin of `ledger/summary.py`, from the same phrases. */

import { utf8ToBytes } from "@noble/hashes/utils.js";

import file from "../../../../ledger/vocabulary/phrases.json";
import { InvalidInput } from "./errors.ts";
import { ANY_ITEM, InvalidMessage, MAX_TEXT, ZERO_ADDRESS, read, text, type Message } from "./model.ts";
import { UnknownCode, channelLabel, purposeLabel } from "./vocabulary.ts";

type Phrases = (typeof file.phrases)["en"];

const PHRASES: ReadonlyMap<string, Phrases> = new Map(Object.entries(file.phrases));
const MAX_NAME = 200;
/** 1 January 10000, 00:00 UTC. A permission without an end a person can read is none. */
const END_OF_CALENDAR = 253_402_300_800;
const DAY = 86_400;
// Whatever looks like a double quotation mark could end a quoted name early. Hebrew writes U+05F4 inside words.
const QUOTES = new RegExp(
  '["\\u00ab\\u00bb\\u02ba\\u02dd\\u02ee\\u201c-\\u201f\\u2033\\u2034\\u2036\\u2037\\u2057\\u275d\\u275e\\u2760' +
    "\\u301d-\\u301f\\uff02]" +
    "|['`\\u00b4\\u02b9\\u02bb-\\u02bd\\u02ca\\u02cb\\u2018-\\u201b\\u2032\\u2035\\uff07]{2}" +
    "|(?<![\\u05d0-\\u05ea])\\u05f4|\\u05f4(?![\\u05d0-\\u05ea])",
  "u",
);
const RIGHT_TO_LEFT =
  /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/**
 * The grant in plain words, one short sentence per fact.
 *
 * @param value a grant; every field but its `summary` is read.
 * @param parties the names the Directory gives to addresses (with their checksum); only the recipient's is read.
 * @throws InvalidMessage the grant is not valid, the recipient has no name, a name cannot be quoted, nothing is permitted,
 *   the period ends after the year 9999, or the sentences are longer than a grant may hold.
 * @throws UnknownCode the language, a purpose or a channel is unknown.
 */
export function summary(value: unknown, parties: ReadonlyMap<string, string>, language: string): string {
  const grant = read("Grant", value);
  const words = PHRASES.get(language);
  if (words === undefined) throw new UnknownCode("Summaries cannot be written in this language.");
  const purposes = grant.purposes.map((code) => purposeLabel(code, language));
  const permissions = purposes.filter((p) => !p.condition).map((p) => p.label);
  if (permissions.length === 0) throw new InvalidMessage("purposes", "must name a purpose, not only conditions");
  if (grant.validUntil > END_OF_CALENDAR) {
    throw new InvalidMessage("validUntil", "must not be later than the year 9999");
  }
  const onward = new Map(Object.entries(words.onward)).get(grant.onward);
  if (onward === undefined) throw new UnknownCode("There are no words for passing on in this way.");
  const channels = grant.channels.map((code) => channelLabel(code, language));

  const written = [
    items(grant, who(grant, parties, words), words),
    fill(words.purposes, { purposes: list(permissions, words) }),
    ...purposes.filter((p) => p.condition).map((p) => fill(words.condition, { condition: p.label })),
    channels.length === 0 ? words.noChannel : fill(words.channels, { channels: list(channels, words) }),
    onward,
    fill(words.period, { from: start(grant.validFrom, words), until: end(grant.validUntil, words) }),
  ].join(" ");
  if (utf8ToBytes(written).length > 4 * MAX_TEXT) {
    throw new InvalidMessage("summary", "would be too long to read; name fewer items, or grant the whole record");
  }
  return written;
}

/**
 * The language in which a grant's summary says what its fields say, or null where it does not.
 *
 * `parties` must name the recipient as it was named when the grant was made.
 */
export function matches(grant: Message<"Grant">, parties: ReadonlyMap<string, string>): string | null {
  for (const language of PHRASES.keys()) {
    try {
      if (summary(grant, parties, language) === grant.summary) return language;
    } catch (error) {
      if (!(error instanceof InvalidInput)) throw error;
    }
  }
  return null;
}

function quotable(name: unknown, field: string, limit = MAX_NAME): string {
  const checked = text(name, field, { limit });
  if (checked.trim() === "") throw new InvalidMessage(field, "must not be blank");
  if (QUOTES.test(checked)) throw new InvalidMessage(field, "must not contain quotation marks");
  return checked;
}

function who(grant: Message<"Grant">, parties: ReadonlyMap<string, string>, words: Phrases): string {
  if (grant.recipient === ZERO_ADDRESS) return words.anyRecipient;
  const name = parties.get(grant.recipient);
  if (name === undefined) throw new InvalidMessage("recipient", "is not listed, so nobody can say who it is");
  return quote(quotable(name, "recipient"), words);
}

function items(grant: Message<"Grant">, who: string, words: Phrases): string {
  if (grant.items.length === 1 && grant.items[0] === ANY_ITEM) return fill(words.allItems, { who });
  const names = grant.items.map((name, i) => quote(quotable(name, `items[${i}]`, 255), words));
  return fill(names.length === 1 ? words.oneItem : words.someItems, { who, items: list(names, words) });
}

function start(seconds: number, words: Phrases): string {
  return seconds % DAY === 0 ? fill(words.startOfDay, { date: date(seconds, words) }) : moment(seconds, words);
}

/** A period ends before `seconds`: at midnight its last day is the day before. */
function end(seconds: number, words: Phrases): string {
  return seconds % DAY === 0 ? fill(words.endOfDay, { date: date(seconds - 1, words) }) : moment(seconds, words);
}

function moment(seconds: number, words: Phrases): string {
  const two = (n: number) => String(n).padStart(2, "0");
  const rest = seconds % 60;
  const time = `${two(Math.floor((seconds % DAY) / 3600))}:${two(Math.floor((seconds % 3600) / 60))}`;
  return fill(words.moment, { date: date(seconds, words), time: rest === 0 ? time : `${time}:${two(rest)}` });
}

function date(seconds: number, words: Phrases): string {
  const day = new Date(seconds * 1000);
  const month = words.months[day.getUTCMonth()];
  if (month === undefined) throw new InvalidMessage("validUntil", "is not a day of the calendar");
  return fill(words.date, { day: String(day.getUTCDate()), month, year: String(day.getUTCFullYear()) });
}

/** A name runs in its own direction: nothing in it can move words of the sentence around it (UAX #9, 6.3). */
function quote(name: string, words: Phrases): string {
  const apart = words.rightToLeft || RIGHT_TO_LEFT.test(name);
  return `${words.open}${apart ? `\u2068${name}\u2069` : name}${words.close}`;
}

function list(entries: readonly string[], words: Phrases): string {
  const last = entries.at(-1) ?? "";
  return entries.length < 2 ? last : `${entries.slice(0, -1).join(words.between)}${words.last}${last}`;
}

/** Put values into a phrase, once: what was put in is never read as a phrase. */
function fill(phrase: string, values: Readonly<Record<string, string>>): string {
  return phrase.replace(/\{(\w+)\}/g, (_, slot: string) => {
    const value = values[slot];
    if (value === undefined) throw new Error(`The phrase has an unknown slot: ${slot}.`);
    return value;
  });
}
