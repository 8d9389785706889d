/**
 * The signed types of Volens, read strictly: the twin of `ledger/model.py`, held to it by tests/vectors/.
 *
 * Every message is checked field by field before it is hashed, signed or shown. What this module does not know, it refuses.
 */

import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

import { InvalidInput } from "./errors.ts";

export const ZERO_ADDRESS = `0x${"0".repeat(40)}`;
export const ANY_ITEM = "*";
export const ONWARD: readonly string[] = ["none", "quote", "reshare"];
/** Bytes of an X-Wing public key: ML-KEM-768 (1,184) then X25519 (32). */
export const ENCRYPTION_KEY_SIZE = 1216;
export const MAX_TEXT = 2000;
export const MAX_TITLE = 500;
export const MAX_LIST = 256;
/** Seconds that a signed consent may wait to be recorded at most; it counts as given that long before its deadline. */
export const LONGEST_CONSENT = 30 * 86_400;
/** Seconds that a device's clock may be ahead of the chain's; what says yes waits so long, and no longer. */
export const CLOCKS_APART = 60;
/** Bit 0 of a delegation's rights (withdraw) and bit 1 (grant). */
export const RIGHT_REVOKE = 1;
export const RIGHT_GRANT = 2;

const ADDRESS = /^0x[0-9a-fA-F]{40}$/;
const HASH = /^0x[0-9a-f]{64}$/;
const HEX = /^0x(?:[0-9a-f]{2})*$/;
const CODE = /^[A-Za-z0-9][A-Za-z0-9:._-]{0,63}$/;
const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/;
// Bidirectional controls, and the invisible characters that no script needs (joiners U+200C and U+200D are needed).
const DECEPTIVE =
  /[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/u;
const ISOLATES = /[\u2066-\u2069]/gu;
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/u;
const NOT_IN_A_NAME = /[/\\:*?"<>|]/;

/** A value that a signed type may not hold. `field` is the path of the first wrong field, such as `grants[0].salt`. */
export class InvalidMessage extends InvalidInput {
  readonly field: string;
  readonly problem: string;

  constructor(field: string, problem: string) {
    super(`${field} ${problem}`, "invalid_message");
    this.field = field;
    this.problem = problem;
  }
}

type Check<T> = (value: unknown, field: string) => T;

/** An address: 0x and 40 hex digits, all lower case or with a correct ERC-55 checksum. Returns it with the checksum. */
export function address(value: unknown, field: string): string {
  if (typeof value !== "string" || !ADDRESS.test(value)) {
    throw new InvalidMessage(field, "must be an address: 0x and 40 hexadecimal digits");
  }
  const lower = value.toLowerCase();
  const digest = bytesToHex(keccak_256(utf8ToBytes(lower.slice(2))));
  const checksummed =
    "0x" + [...lower.slice(2)].map((c, i) => (parseInt(digest.charAt(i), 16) >= 8 ? c.toUpperCase() : c)).join("");
  if (value !== checksummed && value !== lower) {
    throw new InvalidMessage(field, "has a wrong checksum; was it mistyped?");
  }
  return checksummed;
}

/** 32 bytes: 0x and exactly 64 lower-case hex digits. Nothing is padded. */
export function hash32(value: unknown, field: string): string {
  if (typeof value !== "string" || !HASH.test(value)) {
    throw new InvalidMessage(field, "must be 32 bytes: 0x and 64 lower-case hexadecimal digits");
  }
  return value;
}

/**
 * Human-readable text in Unicode normal form C, without control or deceptive formatting characters.
 *
 * `limit` counts UTF-8 bytes. `isolates` allows U+2066 to U+2069, which set names apart in right-to-left sentences.
 */
export function text(
  value: unknown,
  field: string,
  { limit = MAX_TEXT, empty = false, isolates = false }: { limit?: number; empty?: boolean; isolates?: boolean } = {},
): string {
  if (typeof value !== "string") throw new InvalidMessage(field, "must be text");
  if (value === "" && !empty) throw new InvalidMessage(field, "must not be empty");
  if (!value.isWellFormed()) throw new InvalidMessage(field, "is not valid Unicode");
  if (utf8ToBytes(value).length > limit) throw new InvalidMessage(field, `must not be longer than ${limit} bytes`);
  if (value.normalize("NFC") !== value) throw new InvalidMessage(field, "must be in Unicode normal form C");
  if (DECEPTIVE.test(isolates ? value.replace(ISOLATES, "") : value)) {
    throw new InvalidMessage(field, "must not contain invisible characters or ones that change the reading direction");
  }
  if (CONTROL.test(value)) throw new InvalidMessage(field, "must not contain control characters or line breaks");
  return value;
}

/** A whole number from 0 to `largest`, by default the largest that JavaScript holds exactly. */
export function integer(value: unknown, field: string, largest: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > largest) {
    throw new InvalidMessage(field, `must be a whole number from 0 to ${largest}`);
  }
  return value + 0; // -0 becomes 0
}

/** Unix seconds, or a number of bytes. */
function uint(value: unknown, field: string): number {
  return integer(value, field);
}

/** The form of a vocabulary code. Whether a vocabulary defines it is asked elsewhere. */
export function code(value: unknown, field: string): string {
  if (typeof value !== "string" || !CODE.test(value)) {
    throw new InvalidMessage(field, "must be a code such as case-report, social:x or DUO:0000006");
  }
  return value;
}

/** The name of an item: a plain file name, usable on every system. */
export function itemName(value: unknown, field: string): string {
  const name = text(value, field, { limit: 255 });
  if (NOT_IN_A_NAME.test(name) || name.startsWith(" ") || name.endsWith(" ") || name.endsWith(".")) {
    throw new InvalidMessage(field, 'must be a plain file name, without / \\ : * ? " < > | and not ending in a dot');
  }
  return name;
}

function nonzero(value: unknown, field: string): string {
  const checked = address(value, field);
  if (checked === ZERO_ADDRESS) throw new InvalidMessage(field, "must not be the zero address");
  return checked;
}

function flag(value: unknown, field: string): boolean {
  if (typeof value !== "boolean") throw new InvalidMessage(field, "must be true or false");
  return value;
}

function list<T>(check: Check<T>, least = 1): Check<readonly T[]> {
  return (value, field) => {
    if (!Array.isArray(value)) throw new InvalidMessage(field, "must be a list");
    if (value.length < least || value.length > MAX_LIST) {
      throw new InvalidMessage(field, `must have ${least} to ${MAX_LIST} entries`);
    }
    const entries = Array.from(value, (entry: unknown, i) => check(entry, `${field}[${i}]`));
    // Compared after checking: one address in two spellings is one address.
    if (new Set(entries.map((entry) => JSON.stringify(entry))).size !== entries.length) {
      throw new InvalidMessage(field, "must not name the same thing twice");
    }
    return Object.freeze(entries);
  };
}

function itemNames(value: unknown, field: string): readonly string[] {
  if (Array.isArray(value) && value.length === 1 && value[0] === ANY_ITEM) return Object.freeze([ANY_ITEM]);
  return list(itemName)(value, field);
}

function mediaType(value: unknown, field: string): string {
  if (typeof value !== "string" || !MEDIA_TYPE.test(value)) {
    throw new InvalidMessage(field, "must be a media type such as image/jpeg");
  }
  return value;
}

function onward(value: unknown, field: string): string {
  if (typeof value !== "string" || !ONWARD.includes(value)) {
    throw new InvalidMessage(field, `must be one of ${ONWARD.join(", ")}`);
  }
  return value;
}

function encryptionKey(value: unknown, field: string): string {
  if (typeof value !== "string" || !HEX.test(value)) {
    throw new InvalidMessage(field, "must be bytes: 0x and an even number of lower-case hexadecimal digits");
  }
  if (value.length !== 2 + 2 * ENCRYPTION_KEY_SIZE) {
    throw new InvalidMessage(field, `must be an X-Wing public key of ${ENCRYPTION_KEY_SIZE} bytes`);
  }
  return value;
}

type Members = Readonly<Record<string, readonly [kind: string, check: Check<unknown>]>>;
type Values<M extends Members> = { readonly [F in keyof M]: ReturnType<M[F][1]> };

/** Read an object that has exactly these members. The result is a frozen copy, its fields in the order of the type. */
function members<M extends Members>(type: string, of: M, value: unknown): Values<M> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidMessage(type, "must be an object");
  }
  const given = new Map<string, unknown>(Object.entries(value));
  for (const name of given.keys()) {
    if (!Object.hasOwn(of, name)) throw new InvalidMessage(name.slice(0, 64), `is not a field of ${type}`);
  }
  for (const name of Object.keys(of)) {
    if (!given.has(name)) throw new InvalidMessage(name, `is missing from ${type}`);
  }
  const read = Object.entries(of).map(([name, [, check]]) => [name, check(given.get(name), name)]);
  return Object.freeze(Object.fromEntries(read)) as Values<M>;
}

const GRANT = {
  summary: ["string", (v: unknown, f: string) => text(v, f, { limit: 4 * MAX_TEXT, empty: true, isolates: true })],
  record: ["bytes32", hash32],
  recipient: ["address", address],
  items: ["string[]", itemNames],
  purposes: ["string[]", list(code)],
  channels: ["string[]", list(code, 0)],
  onward: ["string", onward],
  validFrom: ["uint64", uint],
  validUntil: ["uint64", uint],
  form: ["bytes32", hash32],
  salt: ["bytes32", hash32],
} as const satisfies Members;

function readGrant(value: unknown): Values<typeof GRANT> {
  const grant = members("Grant", GRANT, value);
  if (grant.validFrom >= grant.validUntil) throw new InvalidMessage("validUntil", "must be later than validFrom");
  return grant;
}

function grant(value: unknown, field: string): Values<typeof GRANT> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidMessage(field, "must be an object");
  }
  try {
    return readGrant(value);
  } catch (error) {
    if (error instanceof InvalidMessage) throw new InvalidMessage(`${field}.${error.field}`, error.problem);
    throw error;
  }
}

/** Every signed type: its members in the order EIP-712 hashes them, each with its Solidity type and its check. */
export const TYPES = {
  Item: {
    name: ["string", itemName],
    mediaType: ["string", mediaType],
    size: ["uint64", uint],
    sha256: ["bytes32", hash32],
    salt: ["bytes32", hash32],
  },
  Record: {
    controller: ["address", nonzero],
    subject: ["address", nonzero],
    stewards: ["address[]", list(nonzero, 0)],
    title: ["string", (v: unknown, f: string) => text(v, f, { limit: MAX_TITLE })],
    items: ["bytes32[]", list(hash32)],
    createdAt: ["uint64", uint],
    salt: ["bytes32", hash32],
  },
  Grant: GRANT,
  Consent: { subject: ["address", nonzero], grants: ["Grant[]", list(grant)], deadline: ["uint64", uint] },
  Revocation: { subject: ["address", nonzero], grants: ["Grant[]", list(grant)] },
  RevokeAll: { subject: ["address", nonzero], before: ["uint64", uint] },
  Suspension: { subject: ["address", nonzero], suspended: ["bool", flag], at: ["uint64", uint] },
  Closure: { subject: ["address", nonzero] },
  Delegation: {
    subject: ["address", nonzero],
    delegate: ["address", nonzero],
    rights: ["uint8", (v: unknown, f: string) => integer(v, f, RIGHT_REVOKE | RIGHT_GRANT)],
    validUntil: ["uint64", uint],
    at: ["uint64", uint],
  },
  Witness: {
    subject: ["address", nonzero],
    grants: ["Grant[]", list(grant)],
    role: ["string", (v: unknown, f: string) => text(v, f, { limit: 200 })],
    at: ["uint64", uint],
  },
  Approval: {
    record: ["bytes32", hash32],
    recipient: ["address", nonzero],
    purpose: ["string", code],
    validUntil: ["uint64", uint],
    salt: ["bytes32", hash32],
  },
  ReleaseRequest: {
    recipient: ["address", nonzero],
    record: ["bytes32", hash32],
    items: ["string[]", list(itemName)],
    purpose: ["string", code],
    channel: ["string", (v: unknown, f: string) => (v === "" ? "" : code(v, f))],
    encryptionKey: ["bytes", encryptionKey],
    at: ["uint64", uint],
    nonce: ["bytes32", hash32],
  },
} as const satisfies Readonly<Record<string, Members>>;

export type TypeName = keyof typeof TYPES;
/** A checked value of one signed type, for example `Message<"Grant">`. */
export type Message<T extends TypeName> = Values<(typeof TYPES)[T]>;

/**
 * Read a message of a type from parsed JSON: every field there, no other field, each of them valid.
 *
 * @returns a frozen copy, addresses with their checksum.
 * @throws InvalidMessage naming the first field that is missing, unknown or wrong.
 */
export function read<T extends TypeName>(type: T, value: unknown): Message<T> {
  const message: Message<TypeName> = type === "Grant" ? readGrant(value) : members(type, TYPES[type], value);
  if ("stewards" in message && message.stewards.includes(message.subject)) {
    throw new InvalidMessage("stewards", "must not name the subject again");
  }
  if ("delegate" in message && message.delegate === message.subject) {
    throw new InvalidMessage("delegate", "must be somebody other than the subject");
  }
  return message as Message<T>;
}
