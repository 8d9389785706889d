/** Recursive Length Prefix, the encoding of headers and trie nodes (Yellow Paper, appendix B): only its one canonical form. */

import { concatBytes } from "@noble/hashes/utils.js";

import { InvalidProof } from "./errors.ts";

export type Rlp = Uint8Array | readonly Rlp[];

const MAX_DEPTH = 8;

/** Read bytes that are one RLP list and nothing after it. Throws InvalidProof, naming `what`. */
export function readList(data: Uint8Array, largest: number, what: string): readonly Rlp[] {
  if (data.length > largest) throw new InvalidProof(`${what} must be at most ${largest} bytes.`);
  const [entries, end] = item(data, 0, data.length, MAX_DEPTH);
  if (end !== data.length || entries instanceof Uint8Array) {
    throw new InvalidProof(`${what} must be one RLP list and nothing after it.`);
  }
  return entries;
}

/** Read bytes that are one RLP text and nothing after it. Throws InvalidProof, naming `what`. */
export function readText(data: Uint8Array, what: string): Uint8Array {
  const [entry, end] = item(data, 0, data.length, 0);
  if (end !== data.length || !(entry instanceof Uint8Array)) throw new InvalidProof(`${what} must be one value.`);
  return entry;
}

/** Write values in their one form. */
export function encode(value: Rlp): Uint8Array {
  if (value instanceof Uint8Array) {
    const [only] = value;
    return value.length === 1 && only !== undefined && only < 0x80 ? value : concatBytes(prefix(value.length, 0x80), value);
  }
  const body = concatBytes(...value.map(encode));
  return concatBytes(prefix(body.length, 0xc0), body);
}

/** A whole number of at most `largest`, without leading zeros. Throws InvalidProof, naming `what`. */
export function readNumber(value: Rlp | undefined, largest: bigint, what: string): bigint {
  if (!(value instanceof Uint8Array) || value[0] === 0) {
    throw new InvalidProof(`${what} must be a whole number without leading zeros.`);
  }
  const number = toBigInt(value);
  if (number > largest) throw new InvalidProof(`${what} must not be larger than ${largest}.`);
  return number;
}

/** Bytes as a number, the most significant first. */
export function toBigInt(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function item(data: Uint8Array, at: number, end: number, depth: number): [Rlp, number] {
  const first = data[at];
  if (first === undefined || at >= end) throw new InvalidProof("The proof ends in the middle of a value.");
  if (first < 0x80) return [data.slice(at, at + 1), at + 1];
  const isList = first >= 0xc0;
  let size = first - (isList ? 0xc0 : 0x80);
  let start = at + 1;
  if (size > 55) {
    const digits = data.slice(start, Math.min(start + size - 55, end));
    start += size - 55;
    if (start > end) throw new InvalidProof("The proof ends in the middle of a value.");
    const long = toBigInt(digits);
    if (digits[0] === 0 || long <= 55n) throw new InvalidProof("The proof encodes a length in more bytes than it needs.");
    if (long > BigInt(end)) throw new InvalidProof("The proof ends in the middle of a value.");
    size = Number(long);
  }
  const stop = start + size;
  if (stop > end) throw new InvalidProof("The proof ends in the middle of a value.");
  if (!isList) {
    if (size === 1 && (data[start] ?? 0) < 0x80) throw new InvalidProof("The proof encodes a byte in more bytes than it needs.");
    return [data.slice(start, stop), stop];
  }
  if (depth === 0) throw new InvalidProof("The proof is nested more deeply than any trie.");
  const entries: Rlp[] = [];
  while (start < stop) {
    const [entry, next] = item(data, start, stop, depth - 1);
    entries.push(entry);
    start = next;
  }
  return [entries, stop];
}

function prefix(size: number, offset: number): Uint8Array {
  if (size <= 55) return Uint8Array.of(offset + size);
  const digits: number[] = [];
  for (let rest = size; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256);
  return Uint8Array.of(offset + 55 + digits.length, ...digits);
}
