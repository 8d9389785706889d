/** JSON in the one form of RFC 8785, so that equal values have equal hashes: the twin of `canonical` in `ledger/documents.py`. */

import { InvalidInput } from "./errors.ts";

const MAX_DEPTH = 64;

/** A value that has no canonical form that every language reads alike. */
export class NotCanonical extends InvalidInput {
  constructor(problem: string) {
    super(`This cannot be written as canonical JSON: ${problem}.`);
  }
}

/**
 * Write parsed JSON in its canonical form.
 *
 * @throws NotCanonical a number that JavaScript does not hold exactly, text that is not Unicode, nesting deeper than 64, or no
 *   JSON at all.
 */
export function canonical(value: unknown, depth = 0): string {
  if (depth > MAX_DEPTH) throw new NotCanonical("it is nested too deeply");
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") {
    if (!value.isWellFormed()) throw new NotCanonical("a text is not valid Unicode");
    return JSON.stringify(value);
  }
  if (typeof value === "number") {
    if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
      throw new NotCanonical("a number is too large");
    }
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${Array.from(value, (entry) => canonical(entry, depth + 1)).join(",")}]`;
  if (typeof value !== "object") throw new NotCanonical("it is no JSON");
  // Sorted by UTF-16 code units, as RFC 8785 (3.2.3) asks and as JavaScript compares.
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${members.map(([name, of]) => `${canonical(name, depth + 1)}:${canonical(of, depth + 1)}`).join(",")}}`;
}
