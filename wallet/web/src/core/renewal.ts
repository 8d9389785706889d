/**
 * A consent whose form was replaced: what the texts say differently, and the same consent under the new form: the twin of
 * `wallet/renewal.py`.
 */

import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";

import { inLanguage, type Form, type Localised, type NamedTerms } from "./documents.ts";
import { hash32, read, type Message } from "./model.ts";
import { matches, summary } from "./summary.ts";
import { channelLine } from "./vocabulary.ts";

const CONTEXT = utf8ToBytes("volens/renewal/v1");
/** Cells of the table in which two texts are compared; larger ones are taken as different throughout. */
const MAX_CELLS = 4_000_000;

/** A stretch of a text; `marked` where the other text does not have it. */
export interface Piece {
  readonly text: string;
  readonly marked: boolean;
}

/** A text before and after, null where there is none; `same` when no language says anything else. */
export interface Change {
  readonly id: string;
  readonly before: string | null;
  readonly after: string | null;
  /** The languages of the two texts: English where there are no words in the one that was asked for. */
  readonly languages: { readonly before: string; readonly after: string };
  readonly same: boolean;
}

/** The statements of two forms: those of the new one in its order, then those that were taken out. */
export function compare(before: Form, after: Form, language: string): readonly Change[] {
  const old = new Map(before.statements.map(({ id, text }) => [id, text]));
  const kept = new Set(after.statements.map(({ id }) => id));
  return [
    ...after.statements.map(({ id, text }) => change(id, old.get(id), text, language)),
    ...before.statements.filter(({ id }) => !kept.has(id)).map(({ id, text }) => change(id, text, undefined, language)),
  ];
}

/** What two texts say differently. */
export function change(id: string, before: Localised | undefined, after: Localised | undefined, language: string): Change {
  const [old, now] = [before, after].map((texts) => (texts === undefined ? null : inLanguage(texts, language)));
  const same = before !== undefined && after !== undefined && before.size === after.size &&
    [...before].every(([code, text]) => after.get(code) === text);
  return Object.freeze({
    id, before: old?.text ?? null, after: now?.text ?? null, same,
    languages: { before: old?.language ?? "en", after: now?.language ?? "en" },
  });
}

/** Two texts, word by word: what of each the other does not have. The pieces together are the text itself. */
export function difference(before: string, after: string): { readonly before: readonly Piece[]; readonly after: readonly Piece[] } {
  const [whole, other] = [words(before), words(after)];
  const [old, now] = [whole, other].map((all) => all.map((word) => word.trim())) as [string[], string[]];
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head++;
  let tail = 0;
  while (tail < Math.min(old.length, now.length) - head && old.at(-1 - tail) === now.at(-1 - tail)) tail++;
  const [common, shared] = [new Set<number>(), new Set<number>()];
  const both = (i: number, j: number): void => {
    common.add(i);
    shared.add(j);
  };
  for (let i = 0; i < head; i++) both(i, i);
  for (let i = 1; i <= tail; i++) both(old.length - i, now.length - i);
  const [rows, columns] = [old.length - head - tail, now.length - head - tail];
  if (rows * columns <= MAX_CELLS) {
    // The longest common run of words, from the end: `at(i, j)` is its length for what begins at i and j.
    const width = columns + 1;
    const longest = new Uint16Array((rows + 1) * width);
    const at = (i: number, j: number): number => longest[i * width + j] ?? 0;
    for (let i = rows - 1; i >= 0; i--) {
      for (let j = columns - 1; j >= 0; j--) {
        longest[i * width + j] = old[head + i] === now[head + j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
      }
    }
    for (let i = 0, j = 0; i < rows && j < columns;) {
      if (old[head + i] === now[head + j]) both(head + i++, head + j++);
      else if (at(i + 1, j) >= at(i, j + 1)) i++;
      else j++;
    }
  }
  return { before: pieces(whole, common), after: pieces(other, shared) };
}

/** Words, each with the space that follows it. */
function words(text: string): readonly string[] {
  return text.match(/^\s+|\S+\s*/gu) ?? [];
}

function pieces(all: readonly string[], common: ReadonlySet<number>): readonly Piece[] {
  const found: { text: string; marked: boolean }[] = [];
  for (const [i, text] of all.entries()) {
    const marked = !common.has(i);
    const last = found.at(-1);
    if (last?.marked === marked) last.text += text;
    else found.push({ text, marked });
  }
  return found;
}

/** The terms that a form names for a channel, or for the nearest broader one that it names; undefined where it has none. */
export function termsOf(form: Form, channel: string): NamedTerms | undefined {
  const code = channelLine(channel).find((one) => form.channels.has(one));
  return code === undefined ? undefined : form.channels.get(code);
}

/**
 * The same grant under another form, in the language of its sentence.
 *
 * Its salt follows from the old one, so that everybody who decides together signs the same grant, and asking twice makes one.
 *
 * @param names the Directory's names by address.
 * @param language of the sentence, where the old one was written with another name.
 * @throws InvalidMessage, UnknownCode what it would say cannot be written.
 */
export function renewed(
  grant: Message<"Grant">, form: string, names: ReadonlyMap<string, string>, language: string,
): Message<"Grant"> {
  const made = { ...grant, form: hash32(form, "form"), salt: saltOf(grant, form), summary: "" };
  return read("Grant", { ...made, summary: summary(made, names, matches(grant, names) ?? language) });
}

/** Whether a grant was made by renewing another, as it was or narrower: its salt tells. */
export function renews(made: Message<"Grant">, old: Message<"Grant">): boolean {
  return made.record === old.record && made.recipient === old.recipient && made.salt === saltOf(old, made.form);
}

/**
 * Whether an old consent may be ended, by its state and that of the one that took its place and was sent.
 *
 * Not before the new one counts, unless the old one does not count itself: what she allowed never stops in between.
 */
export function oldMayEnd(old: string, made: string): boolean {
  return made === "granted" || old === "form_superseded";
}

function saltOf(grant: Message<"Grant">, form: string): string {
  const parts = [grant.salt, hash32(form, "form")].map((hash) => hexToBytes(hash.slice(2)));
  return `0x${bytesToHex(keccak_256(concatBytes(CONTEXT, ...parts)))}`;
}
