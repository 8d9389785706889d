/**
 * The words of a wallet split among guardians: SLIP-0039 (Shamir's secret sharing, as words), one group of t out of n.
 *
 * Ours, since the one npm package there is needs Node's own cryptography; `wallet/shares.py` does the same through the
 * reference implementation, and shared vectors hold the two together. What is shared is the entropy of the wallet's words.
 * Rare and offline: nothing here tries to take the same time for every secret.
 */

import { hmac } from "@noble/hashes/hmac.js";
import { pbkdf2 } from "@noble/hashes/pbkdf2.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes, randomBytes, utf8ToBytes } from "@noble/hashes/utils.js";

import { InvalidInput } from "./errors.ts";
import { WORDS } from "./slip39_words.ts";

/** Guardians at most. */
export const MAX_SHARES = 16;
const DIGEST = 4;
const SECRET_AT = 255;
const DIGEST_AT = 254;
const ROUNDS = 4;
const ITERATIONS = 10_000;
/** Words before the value (4: identifier and parameters) and after it (3: checksum). */
const HEAD = 4;
const CHECK = 3;
/** The iteration exponent of the sets we make: 20,000 rounds of PBKDF2 in all, as the reference does by default. */
const EXPONENT = 1;
/** The largest exponent we read: a share is from anywhere, and each step doubles the work. */
const MAX_EXPONENT = 4;
const GENERATOR = [
  0xe0e040, 0x1c1c080, 0x3838100, 0x7070200, 0xe0e0009, 0x1c0c2412, 0x38086c24, 0x3090fc48, 0x21b1f890, 0x3f3f120,
];
const NUMBERS: ReadonlyMap<string, number> = new Map(WORDS.map((word, number) => [word, number]));

/** What a share says of itself. Shares of one `set` belong together; `index` is from 0. */
export interface ShareFacts {
  readonly set: number;
  readonly threshold: number;
  readonly index: number;
}

interface Share extends ShareFacts {
  readonly extendable: boolean;
  readonly exponent: number;
  readonly group: number;
  readonly groups: number;
  readonly value: Uint8Array;
}

interface Point {
  readonly x: number;
  readonly y: Uint8Array;
}

/**
 * Split the entropy of words into shares, any `threshold` of which give it back and fewer of which say nothing.
 *
 * @param entropy 32 bytes (33 words a share) or 16 (20 words).
 * @param threshold 2 to `count`. @param count 2 to 16.
 * @throws InvalidInput one of them is out of range.
 */
export function makeShares(entropy: Uint8Array, threshold: number, count: number): readonly string[] {
  if (entropy.length !== 32 && entropy.length !== 16) {
    throw new InvalidInput("The entropy of words must be 32 or 16 bytes.");
  }
  const whole = Number.isInteger(threshold) && Number.isInteger(count);
  if (!whole || threshold < 2 || threshold > count || count > MAX_SHARES) {
    throw new InvalidInput(`There must be 2 to ${MAX_SHARES} shares, and at least 2 of them needed.`);
  }
  const [high = 0, low = 0] = randomBytes(2);
  const set = ((high << 8) | low) & 0x7fff;
  const secret = feistel(entropy, EXPONENT, new Uint8Array(), [0, 1, 2, 3]);
  const facts = { set, threshold, extendable: true, exponent: EXPONENT, group: 0, groups: 1 };
  return split(secret, threshold, count).map(({ x, y }) => toWords({ ...facts, index: x, value: y }));
}

/**
 * Read one share, for "1 of 2 given".
 *
 * @throws InvalidInput which word is unknown, or that one is wrong, missing or exchanged. No word is repeated.
 */
export function readShare(words: string): ShareFacts {
  const { set, threshold, index } = parse(words);
  return { set, threshold, index };
}

/**
 * The entropy of words from shares; more than needed are welcome.
 *
 * @throws InvalidInput there are too few, they are of different sets, or one of them is a forgery.
 */
export function restoreShares(shares: readonly string[]): Uint8Array {
  const read = shares.map(parse);
  const [first] = read;
  if (first === undefined) throw new InvalidInput("There is no share.");
  const same = (other: Share): boolean =>
    (["set", "extendable", "exponent", "group", "groups", "threshold"] as const).every((name) => other[name] === first[name]) &&
    other.value.length === first.value.length;
  if (!read.every(same)) throw new InvalidInput("These shares do not belong together.");
  const points = new Map<number, Point>();
  for (const { index, value } of read) points.set(index, { x: index, y: value });
  if (points.size < first.threshold) {
    throw new InvalidInput(`${first.threshold} different shares are needed; these are ${points.size}.`);
  }
  const chosen = [...points.values()].slice(0, first.threshold);
  const secret = first.threshold === 1 ? first.value : joined(chosen);
  const salt = first.extendable
    ? new Uint8Array()
    : concatBytes(utf8ToBytes("shamir"), Uint8Array.of(first.set >> 8, first.set & 0xff));
  return feistel(secret, first.exponent, salt, [3, 2, 1, 0]);
}

/** The secret of enough points. Their digest shows that no point was made up. */
function joined(points: readonly Point[]): Uint8Array {
  const secret = interpolate(points, SECRET_AT);
  const digest = interpolate(points, DIGEST_AT);
  const expected = hmac(sha256, digest.slice(DIGEST), secret);
  if (!digest.slice(0, DIGEST).every((byte, i) => byte === expected[i])) {
    throw new InvalidInput("One of these shares is not of this set, although it looks so.");
  }
  return secret;
}

function split(secret: Uint8Array, threshold: number, count: number): Point[] {
  const random = randomBytes(secret.length - DIGEST);
  const digest = hmac(sha256, random, secret).slice(0, DIGEST);
  const free: Point[] = Array.from({ length: threshold - 2 }, (_, x) => ({ x, y: randomBytes(secret.length) }));
  const base = [...free, { x: DIGEST_AT, y: concatBytes(digest, random) }, { x: SECRET_AT, y: secret }];
  const rest = Array.from({ length: count - free.length }, (_, i) => i + free.length);
  return [...free, ...rest.map((x) => ({ x, y: interpolate(base, x) }))];
}

/** Four rounds of a Feistel network with an empty passphrase: how SLIP-0039 hides the secret it shares. */
function feistel(secret: Uint8Array, exponent: number, salt: Uint8Array, rounds: readonly number[]): Uint8Array {
  const half = secret.length / 2;
  let [left, right] = [secret.slice(0, half), secret.slice(half)];
  for (const round of rounds) {
    const c = (ITERATIONS << exponent) / ROUNDS;
    const mask = pbkdf2(sha256, Uint8Array.of(round), concatBytes(salt, right), { c, dkLen: half });
    [left, right] = [right, left.map((byte, i) => byte ^ (mask[i] ?? 0))];
  }
  return concatBytes(right, left);
}

// ------------------------------------------------------------------------------- GF(256), modulo x^8 + x^4 + x^3 + x + 1

const EXP = new Uint8Array(255);
const LOG = new Uint8Array(256);
for (let i = 0, power = 1; i < 255; i++) {
  EXP[i] = power;
  LOG[power] = i;
  power ^= power << 1; // times the generator x + 1
  if (power > 255) power ^= 0x11b;
}

function log(value: number): number {
  return LOG[value] ?? 0;
}

/** The value at `x` of the polynomial through the points (Lagrange), byte by byte. */
function interpolate(points: readonly Point[], x: number): Uint8Array {
  const known = points.find((point) => point.x === x);
  if (known !== undefined) return known.y;
  const product = points.reduce((sum, point) => sum + log(point.x ^ x), 0);
  const result = new Uint8Array(points[0]?.y.length ?? 0);
  for (const point of points) {
    const others = points.reduce((sum, other) => sum + log(point.x ^ other.x), 0);
    const basis = (((product - log(point.x ^ x) - others) % 255) + 255) % 255;
    point.y.forEach((byte, i) => {
      if (byte !== 0) result[i] = (result[i] ?? 0) ^ (EXP[(log(byte) + basis) % 255] ?? 0);
    });
  }
  return result;
}

// ------------------------------------------------------------------------------------------------------------ as words

function toWords(share: Share): string {
  const size = Math.ceil((share.value.length * 8) / 10);
  const head = (BigInt(share.set) << 25n) | (BigInt(share.extendable) << 24n) | (BigInt(share.exponent) << 20n) |
    BigInt((share.group << 16) | (0 << 12) | ((share.groups - 1) << 8) | (share.index << 4) | (share.threshold - 1));
  const data = [...digits(head, HEAD), ...digits(share.value.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n), size)];
  const check = checksum([...data, 0, 0, 0], share.extendable) ^ 1;
  return [...data, ...digits(BigInt(check), CHECK)].map((number) => WORDS[number]).join(" ");
}

function parse(words: string): Share {
  const found = words.toLowerCase().split(/\s+/u).filter((word) => word !== "");
  if (found.length !== 33 && found.length !== 20) {
    throw new InvalidInput(`A share has 33 words (or 20); these are ${found.length}.`);
  }
  const data = found.map((word, at) => {
    const number = NUMBERS.get(word);
    if (number === undefined) {
      throw new InvalidInput(`Word ${at + 1} of ${found.length} is not in the word list of shares; was it mistyped?`);
    }
    return number;
  });
  const head = number(data.slice(0, HEAD));
  const bits = (shift: number, width: number): number => Number((head >> BigInt(shift)) & ((1n << BigInt(width)) - 1n));
  const extendable = bits(24, 1) === 1;
  if (checksum(data, extendable) !== 1) {
    throw new InvalidInput("Every word is known but the checksum is wrong; is a word wrong, or are two exchanged?");
  }
  const size = found.length === 33 ? 32 : 16;
  const value = number(data.slice(HEAD, -CHECK));
  if (value >> BigInt(size * 8) !== 0n) throw new InvalidInput("This share is not well formed.");
  if (bits(20, 4) > MAX_EXPONENT) throw new InvalidInput("This share asks for more work than is done for one.");
  if (bits(12, 4) !== 0) throw new InvalidInput("This share is of a set that needs several groups; this wallet makes none.");
  return {
    set: bits(25, 15), extendable, exponent: bits(20, 4), group: bits(16, 4), groups: bits(8, 4) + 1, index: bits(4, 4),
    threshold: bits(0, 4) + 1, value: Uint8Array.from({ length: size }, (_, i) => Number((value >> BigInt((size - 1 - i) * 8)) & 255n)),
  };
}

/** A number as digits of base 1,024, the most significant first. */
function digits(value: bigint, length: number): number[] {
  return Array.from({ length }, (_, i) => Number((value >> BigInt(10 * (length - 1 - i))) & 1023n));
}

function number(of: readonly number[]): bigint {
  return of.reduce((sum, digit) => (sum << 10n) | BigInt(digit), 0n);
}

/** The Reed-Solomon checksum over GF(1024) of SLIP-0039; 1 for words that are whole. */
function checksum(data: readonly number[], extendable: boolean): number {
  const values = [...utf8ToBytes(extendable ? "shamir_extendable" : "shamir"), ...data];
  return values.reduce((sum, value) => {
    const top = sum >>> 20;
    const next = ((sum & 0xfffff) << 10) ^ value;
    return GENERATOR.reduce((of, factor, i) => ((top >> i) & 1 ? of ^ factor : of), next);
  }, 1);
}
