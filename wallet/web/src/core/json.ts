/** Reading parsed JSON from outside, strictly: every member that is expected, and no other. */

import { InvalidMessage } from "./model.ts";

/** The members of an object. Throws InvalidMessage for anything else. */
export function members(value: unknown, what: string): ReadonlyMap<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidMessage(what, "must be an object");
  }
  return new Map<string, unknown>(Object.entries(value));
}

/** The members of an object that must be these, some of them optional. Throws InvalidMessage naming the first that is not. */
export function exactly<N extends string>(
  value: unknown, what: string, names: readonly N[], optional: readonly NoInfer<N>[] = [],
): Readonly<Record<N, unknown>> {
  const found = members(value, what);
  for (const name of found.keys()) {
    if (!(names as readonly string[]).includes(name)) {
      throw new InvalidMessage(name.slice(0, 64), `is not a field of ${what}`);
    }
  }
  for (const name of names) {
    if (!found.has(name) && !optional.includes(name)) throw new InvalidMessage(name, `is missing from ${what}`);
  }
  return Object.fromEntries(found) as Record<N, unknown>;
}

/** A list of at most `most` entries, each read by `read`, which is told its place. Throws InvalidMessage. */
export function list<T>(
  value: unknown, field: string, read: (entry: unknown, field: string) => T, most = 100_000,
): readonly T[] {
  if (!Array.isArray(value) || value.length > most) throw new InvalidMessage(field, `must be a list of at most ${most}`);
  return Object.freeze(value.map((entry: unknown, i) => read(entry, `${field}[${i}]`)));
}

/** Text as it is, at most 64 KiB. Throws InvalidMessage. */
export function string(value: unknown, field: string): string {
  if (typeof value !== "string" || value.length > 65_536) throw new InvalidMessage(field, "must be text");
  return value;
}

export function boolean(value: unknown, field: string): boolean {
  if (typeof value !== "boolean") throw new InvalidMessage(field, "must be true or false");
  return value;
}

/** What `read` says of a value that may be null. */
export function nullable<T>(value: unknown, field: string, read: (value: unknown, field: string) => T): T | null {
  return value === null ? null : read(value, field);
}

/** Text as JSON. Throws InvalidMessage naming `what`. */
export function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidMessage(what, "is not JSON");
  }
}
