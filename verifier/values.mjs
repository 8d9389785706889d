// Values of foreign JSON, checked one by one: canonical form, hashes, addresses, texts, numbers.

import { createRequire } from "node:module";

// The root of this repository declares no curves; the patient's page does, in the version its authors maintain.
const ofThePage = createRequire(new URL("../wallet/web/package.json", import.meta.url));
const { keccak_256 } = ofThePage("@noble/hashes/sha3.js");

/** A reason not to believe a bundle, as a sentence. */
export class Refused extends Error {}

export const refuse = (sentence) => {
  throw new Refused(sentence);
};
export const check = (holds, sentence) => holds || refuse(sentence);

export const keccak = (bytes) => keccak_256(bytes);
export const utf8 = (text) => new TextEncoder().encode(text);
export const hex = (bytes) => `0x${Buffer.from(bytes).toString("hex")}`;
export const join = (...parts) => new Uint8Array(Buffer.concat(parts));
export const same = (one, other) => Buffer.compare(one, other) === 0;
export const ZERO_ADDRESS = `0x${"0".repeat(40)}`;
export const MAX_LIST = 256;

/** Bytes of 0x hexadecimal text, of any even length. */
export function unhex(value, what = "a value") {
  check(typeof value === "string" && /^0x(?:[0-9a-fA-F]{2})*$/.test(value), `${what} is not 0x and hexadecimal digits.`);
  return new Uint8Array(Buffer.from(value.slice(2), "hex"));
}

/** JSON that is already in the canonical form of RFC 8785, from bytes. */
export function parseCanonical(bytes) {
  let value;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    refuse("The bundle is not JSON in UTF-8.");
  }
  check(same(canonical(value), bytes), "The bundle is not in canonical form.");
  return value;
}

/** The bytes of a value in the canonical form of RFC 8785. */
export function canonical(value) {
  return utf8(write(value, 0));
}

function write(value, depth) {
  check(depth < 100, "The bundle is nested too deeply.");
  if (typeof value === "string") check(value.isWellFormed(), "The bundle holds text that is not Unicode.");
  if (typeof value === "number") {
    check(!Number.isInteger(value) || Number.isSafeInteger(value), "The bundle holds a number that is not exact.");
  }
  if (Array.isArray(value)) return `[${value.map((entry) => write(entry, depth + 1)).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${write(name, depth)}:${write(value[name], depth + 1)}`).join(",")}}`;
}

/** An object with exactly these members. */
export function object(value, names, what) {
  check(value !== null && typeof value === "object" && !Array.isArray(value), `${what} is not an object.`);
  const found = Object.keys(value);
  check(found.length === names.length && names.every((name) => Object.hasOwn(value, name)), `${what} has other members.`);
  return value;
}

/** The entries of an object whose names are free. */
export function entries(value, what) {
  check(value !== null && typeof value === "object" && !Array.isArray(value), `${what} is not an object.`);
  return Object.entries(value);
}

export function array(value, what) {
  check(Array.isArray(value), `${what} is not a list.`);
  return value;
}

/** A list without duplicates whose entries all pass a check. */
export function list(value, one, what, least = 1) {
  check(Array.isArray(value) && value.length >= least && value.length <= MAX_LIST, `${what} is no list of a fair size.`);
  const found = value.map((entry) => one(entry, what));
  check(new Set(found).size === found.length, `${what} names something twice.`);
  return found;
}

export function hash(value, what) {
  check(typeof value === "string" && /^0x[0-9a-f]{64}$/.test(value), `${what} is not 32 bytes in hexadecimal.`);
  return value;
}

/** An address in its ERC-55 spelling; all lower case is taken too, a wrong checksum is not. */
export function address(value, what) {
  check(typeof value === "string" && /^0x[0-9a-fA-F]{40}$/.test(value), `${what} is not an address.`);
  const lower = value.slice(2).toLowerCase();
  const nibbles = hex(keccak(utf8(lower))).slice(2);
  const mixed = `0x${[...lower].map((c, i) => (parseInt(nibbles[i], 16) >= 8 ? c.toUpperCase() : c)).join("")}`;
  check(value === mixed || value === `0x${lower}`, `${what} has a wrong checksum.`);
  return mixed;
}

export function party(value, what) {
  check(value !== ZERO_ADDRESS, `${what} is the zero address.`);
  return address(value, what);
}

export function integer(value, what, largest = Number.MAX_SAFE_INTEGER) {
  check(Number.isSafeInteger(value) && value >= 0 && value <= largest, `${what} is not a whole number in its range.`);
  return value;
}

const DECEPTIVE = /[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/u;

/** Text a person reads: normal form C, without characters that hide or turn what stands there. */
export function text(value, what, limit = 2000, { empty = false, isolates = false } = {}) {
  check(typeof value === "string" && (empty || value !== ""), `${what} is not text.`);
  check(value.isWellFormed() && utf8(value).length <= limit, `${what} is too long or not Unicode.`);
  check(value.normalize("NFC") === value, `${what} is not in normal form C.`);
  check(!DECEPTIVE.test(isolates ? value.replace(/[\u2066-\u2069]/g, "") : value), `${what} holds deceptive characters.`);
  check(!/[\p{Cc}\p{Zl}\p{Zp}]/u.test(value), `${what} holds control characters.`);
  return value;
}

export function code(value, what) {
  check(typeof value === "string" && /^[A-Za-z0-9][A-Za-z0-9:._-]{0,63}$/.test(value), `${what} is not a code.`);
  return value;
}

export function itemName(value, what) {
  const name = text(value, what, 255);
  check(!/[/\\:*?"<>|]/.test(name) && !/^ |[ .]$/.test(name), `${what} is not a plain file name.`);
  return name;
}
