/**
 * What the wallet remembers, sealed under a key that follows from the words: the same bytes as `book.sealed` of
 * `wallet/book.py`, so that either opens what the other exported.
 *
 * Values never change: an edit gives the next contents. Members this version does not know are kept as they are.
 */

import { gcm } from "@noble/ciphers/aes.js";
import { bytesToHex, concatBytes, randomBytes, utf8ToBytes } from "@noble/hashes/utils.js";

import { readDeployment, type Deployment } from "./deployment.ts";
import { InvalidFile, InvalidInput, VolensError } from "./errors.ts";
import { boolean, exactly, list, members, nullable, parse, string } from "./json.ts";
import { MAX_INDEX } from "./keys.ts";
import { readSeen, type SeenLog } from "./log.ts";
import { address, hash32, integer, read, type Message } from "./model.ts";
import { readReceipt, type SignedReceipt } from "./receipts.ts";
import { readSigned, type SignedMessage } from "./signed_message.ts";
import { hashStruct } from "./typed_data.ts";

const CONTEXT = utf8ToBytes("volens/wallet-book/v1");
const NONCE = 12;

/** One record the patient takes part in, under one pseudonym. `record` is null until it was offered. */
export interface Case {
  readonly index: number;
  readonly subject: string;
  readonly title: string;
  readonly controller: string;
  readonly record: string | null;
  readonly grants: readonly Message<"Grant">[];
}

/** What was handed to the service, with the receipt that it gave. */
export interface Handed {
  readonly sent: SignedMessage;
  readonly receipt: SignedReceipt;
}

/**
 * Somebody else's record for which this wallet may act, as a parent or proxy: with the key of the pseudonym `index`.
 *
 * `grants` are those the wallet was given to revoke; `rights` are those of the Delegation.
 */
export interface Acting {
  readonly index: number;
  readonly subject: string;
  readonly title: string;
  readonly rights: number;
  readonly validUntil: number;
  readonly grants: readonly Message<"Grant">[];
}

/**
 * `service` and `deployment` are pinned on first use, `receiptKey` (64 hex digits) with the first receipt; pseudonyms below
 * `used` may have been seen by a service; `waiting` is signed and not yet taken by the service.
 */
export interface Contents {
  readonly service: string | null;
  readonly deployment: Deployment | null;
  readonly cases: readonly Case[];
  readonly used: number;
  readonly toRestore: boolean;
  readonly log: SeenLog | null;
  readonly receiptKey: string | null;
  readonly handed: readonly Handed[];
  readonly waiting: readonly SignedMessage[];
  readonly acting: readonly Acting[];
  readonly rest: Readonly<Record<string, unknown>>;
}

const NAMES: ReadonlySet<string> = new Set([
  "service", "deployment", "cases", "used", "toRestore", "log", "receiptKey", "handed", "waiting", "acting",
]);

/** An empty book. `toRestore`: the words were used before, and which pseudonyms is not known until they were looked for. */
export function emptyBook(toRestore = false): Contents {
  return Object.freeze({
    service: null, deployment: null, cases: [], used: 0, toRestore, log: null, receiptKey: null, handed: [], waiting: [],
    acting: [], rest: {},
  });
}

/** The contents as sealed bytes: nonce ‖ AES-256-GCM. `vaultKey` is `PatientKeys.vaultKey()`. */
export function sealBook(vaultKey: Uint8Array, contents: Contents): Uint8Array {
  const { rest, ...known } = contents;
  const nonce = randomBytes(NONCE);
  const plain = utf8ToBytes(JSON.stringify({ ...rest, ...known }));
  return concatBytes(nonce, gcm(vaultKey, nonce, CONTEXT).encrypt(plain));
}

/** Open sealed bytes. Throws InvalidFile: they were changed, or belong to other words. */
export function openBook(vaultKey: Uint8Array, bytes: Uint8Array): Contents {
  const wrong = new InvalidFile("What this wallet remembers was changed, or belongs to other words.");
  let plain: Uint8Array;
  try {
    plain = gcm(vaultKey, bytes.slice(0, NONCE), CONTEXT).decrypt(bytes.slice(NONCE));
  } catch {
    throw wrong;
  }
  try {
    return readContents(parse(new TextDecoder("utf-8", { fatal: true }).decode(plain), "book"));
  } catch (error) {
    if (error instanceof VolensError || error instanceof TypeError) throw wrong;
    throw error;
  }
}

function readContents(value: unknown): Contents {
  const found = members(value, "book");
  const log = found.get("log") ?? null;
  const receiptKey = found.get("receiptKey") ?? null;
  return Object.freeze({
    service: nullable(found.get("service"), "service", string),
    deployment: nullable(found.get("deployment"), "deployment", readDeployment),
    cases: list(found.get("cases"), "cases", readCase),
    used: integer(found.get("used"), "used", MAX_INDEX + 1),
    toRestore: boolean(found.get("toRestore"), "toRestore"),
    log: log === null ? null : readSeen(log),
    receiptKey: receiptKey === null ? null : hash32(`0x${string(receiptKey, "receiptKey")}`, "receiptKey").slice(2),
    handed: list(found.get("handed") ?? [], "handed", readHanded),
    waiting: list(found.get("waiting") ?? [], "waiting", readSigned),
    acting: list(found.get("acting") ?? [], "acting", readActing),
    rest: Object.freeze(Object.fromEntries([...found].filter(([name]) => !NAMES.has(name)))),
  });
}

function readCase(value: unknown, field: string): Case {
  const found = exactly(value, field, ["index", "subject", "title", "controller", "record", "grants"]);
  return Object.freeze({
    index: integer(found.index, "index", MAX_INDEX),
    subject: address(found.subject, "subject"),
    title: string(found.title, "title"),
    controller: address(found.controller, "controller"),
    record: nullable(found.record, "record", hash32),
    grants: list(found.grants, "grants", (grant) => read("Grant", grant)),
  });
}

function readHanded(value: unknown, field: string): Handed {
  const { sent, receipt } = exactly(value, field, ["sent", "receipt"]);
  return Object.freeze({ sent: readSigned(sent), receipt: readReceipt(receipt) });
}

function readActing(value: unknown, field: string): Acting {
  const found = exactly(value, field, ["index", "subject", "title", "rights", "validUntil", "grants"]);
  return Object.freeze({
    index: integer(found.index, "index", MAX_INDEX),
    subject: address(found.subject, "subject"),
    title: string(found.title, "title"),
    rights: integer(found.rights, "rights", 3),
    validUntil: integer(found.validUntil, "validUntil"),
    grants: list(found.grants, "grants", (grant) => read("Grant", grant)),
  });
}

// ------------------------------------------------------------------------------------------------- looking and editing

/** The hash that names a grant. */
export function grantHash(grant: Message<"Grant">): string {
  return `0x${bytesToHex(hashStruct("Grant", grant))}`;
}

/** The number of a pseudonym that was never used, nor asked about while restoring. */
export function freshIndex({ used, cases, acting }: Contents): number {
  return Math.max(used, ...[...cases, ...acting].map(({ index }) => index + 1));
}

/** The case of a pseudonym. Throws InvalidInput when there is none. */
export function caseOf(contents: Contents, subject: string): Case {
  const found = contents.cases.find((one) => one.subject === subject);
  if (found === undefined) throw new InvalidInput("This wallet has no such case.");
  return found;
}

/** Names a consent: who gave it, and the grant's hash. The hash alone does not, where several sign the same grant. */
export interface Named {
  readonly subject: string;
  readonly grant: string;
}

/** A grant by its name, and its case. Throws InvalidInput when the wallet knows no such grant. */
export function grantOf(contents: Contents, name: Named): { case: Case; grant: Message<"Grant"> } {
  for (const one of contents.cases.filter(({ subject }) => subject === name.subject)) {
    const grant = one.grants.find((candidate) => grantHash(candidate) === name.grant);
    if (grant !== undefined) return { case: one, grant };
  }
  throw new InvalidInput("This wallet has no such consent.");
}

/** The contents with one more case, or in place of the same one. */
export function withCase(contents: Contents, added: Case): Contents {
  const same = ({ index, record }: Case): boolean => index === added.index && (record === null || record === added.record);
  const others = contents.cases.filter((one) => !same(one));
  const cases = [...others, Object.freeze(added)].sort((one, other) => one.index - other.index);
  return Object.freeze({ ...contents, cases });
}

/** The case with grants it may not have yet; none twice. */
export function withGrants(one: Case, grants: readonly Message<"Grant">[]): Case {
  const known = new Set(one.grants.map(grantHash));
  const fresh = grants.filter((grant) => !known.has(grantHash(grant)) && known.add(grantHash(grant)));
  return Object.freeze({ ...one, grants: [...one.grants, ...fresh] });
}
