/**
 * Ethereum headers and state proofs, checked without asking anybody: the twin of `ledger/proofs.py`.
 *
 *     block hash ── keccak ──> header ── state root ──> account ── storage root ──> slot
 *
 * A node may lie or lag; what it cannot do is find another header with the same hash, or a path of trie nodes that ends
 * elsewhere under the same root. Formats: Yellow Paper (appendices B and D), EIP-1186, headers up to Prague (EIP-7685).
 */

import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";

import { InvalidProof, VolensError } from "./errors.ts";
import { members } from "./json.ts";
import { address, hash32 } from "./model.ts";
import { encode, readList, readNumber, readText, type Rlp } from "./rlp.ts";

/** A key has 64 nibbles; each node but the last consumes one. */
export const MAX_NODES = 65;
/** Bytes of the largest node there can be: a branch with sixteen hashes and no value. */
const MAX_NODE = 532;
const MAX_HEADER = 4096;
const SMALL = 2n ** 64n - 1n;
const WORD = 2n ** 256n - 1n;
const SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const HEX = /^0x(?:[0-9a-fA-F]{2})*$/;
const QUANTITY = /^0x(?:0|[1-9a-fA-F][0-9a-fA-F]{0,63})$/;

/** The root of a trie that holds nothing. */
export const EMPTY_ROOT = hex(keccak_256(Uint8Array.of(0x80)));
/** The code hash of an account without code. */
export const EMPTY_CODE = hex(keccak_256(new Uint8Array()));

type Kind = { readonly bytes: number } | { readonly largest: bigint } | "any";
/** In the order of the encoding; the last six came with later forks, never one without those before it. */
const FIELDS: readonly (readonly [name: string, kind: Kind])[] = [
  ["parentHash", { bytes: 32 }], ["sha3Uncles", { bytes: 32 }], ["miner", { bytes: 20 }], ["stateRoot", { bytes: 32 }],
  ["transactionsRoot", { bytes: 32 }], ["receiptsRoot", { bytes: 32 }], ["logsBloom", { bytes: 256 }],
  ["difficulty", { largest: WORD }], ["number", { largest: SAFE }], ["gasLimit", { largest: SMALL }],
  ["gasUsed", { largest: SMALL }], ["timestamp", { largest: SAFE }], ["extraData", "any"], ["mixHash", { bytes: 32 }],
  ["nonce", { bytes: 8 }], ["baseFeePerGas", { largest: WORD }], ["withdrawalsRoot", { bytes: 32 }],
  ["blobGasUsed", { largest: SMALL }], ["excessBlobGas", { largest: SMALL }], ["parentBeaconBlockRoot", { bytes: 32 }],
  ["requestsHash", { bytes: 32 }],
];
const ALWAYS = 15;

/** The fields of a header that are read; `hash` is recomputed from all of them. */
export interface Header {
  readonly number: number;
  readonly hash: string;
  readonly parentHash: string;
  readonly stateRoot: string;
  readonly timestamp: number;
}

/** What the state holds about an address. An account that does not exist is an empty one (EIP-161). */
export interface Account {
  readonly nonce: bigint;
  readonly balance: bigint;
  readonly storageRoot: string;
  readonly codeHash: string;
}

/** The nodes of the answer of `eth_getProof`: they show nothing before they are verified. */
export interface Proofs {
  readonly address: string;
  readonly account: readonly Uint8Array[];
  readonly slots: ReadonlyMap<string, readonly Uint8Array[]>;
}

/**
 * The header of a JSON-RPC block, once it is shown to have the hash the block claims.
 *
 * @param block the answer of `eth_getBlockByHash` or `eth_getBlockByNumber`.
 * @param expected the hash that was asked for, if it was asked by hash.
 * @throws InvalidProof its fields do not hash to its hash, or that is not `expected`.
 */
export function verifyHeader(block: unknown, expected?: string): Header {
  const given = proven(() => members(block, "block"));
  const present = FIELDS.map(([name]) => (given.get(name) ?? null) !== null);
  const missing = present.indexOf(false);
  const count = missing < 0 ? FIELDS.length : missing;
  if (count < ALWAYS || present.slice(count).includes(true)) {
    throw new InvalidProof(`The block lacks its ${FIELDS[count]?.[0] ?? "fields"}.`);
  }
  const entries = FIELDS.slice(0, count).map(([name, kind]) => {
    const value = given.get(name);
    if (kind === "any" || "bytes" in kind) {
      const bytes = unhex(value, name);
      if (kind !== "any" && bytes.length !== kind.bytes) throw new InvalidProof(`The header's ${name} must be ${kind.bytes} bytes.`);
      return bytes;
    }
    if (typeof value !== "string" || !QUANTITY.test(value) || BigInt(value) > kind.largest) {
      throw new InvalidProof(`The header's ${name} must be a number without leading zeros, not larger than ${kind.largest}.`);
    }
    const digits = BigInt(value) === 0n ? "" : BigInt(value).toString(16);
    return hexToBytes(digits.length % 2 === 0 ? digits : `0${digits}`);
  });
  const data = encode(entries);
  if (data.length > MAX_HEADER) throw new InvalidProof(`A header must be at most ${MAX_HEADER} bytes.`);
  const claimed = word(given.get("hash"), "hash");
  if (expected !== undefined && claimed !== expected) {
    throw new InvalidProof(`The node answered with block ${claimed}, not ${expected}.`);
  }
  if (hex(keccak_256(data)) !== claimed) throw new InvalidProof("The block's fields do not hash to its hash.");
  return Object.freeze({
    number: Number(given.get("number")), hash: claimed, parentHash: word(lower(given.get("parentHash")), "parentHash"),
    stateRoot: word(lower(given.get("stateRoot")), "stateRoot"), timestamp: Number(given.get("timestamp")),
  });
}

/**
 * Read the answer of `eth_getProof`. What it claims beside its proofs is not read at all.
 *
 * Nodes write keys as 0x0, 0x00 or 32 bytes; all are the same position. Throws InvalidProof for what is no such answer.
 */
export function readProof(answer: unknown): Proofs {
  return proven(() => {
    const given = members(answer, "proof");
    const listed: unknown = given.get("storageProof");
    if (!Array.isArray(listed) || listed.length > 1024) throw new InvalidProof("The node's proof must list storage proofs.");
    const slots = listed.map((entry: unknown) => {
      const slot = members(entry, "storageProof");
      const key = slot.get("key");
      if (typeof key !== "string" || !/^0x[0-9a-fA-F]{1,64}$/.test(key)) throw new InvalidProof("A key must be at most 32 bytes.");
      return [`0x${key.slice(2).toLowerCase().padStart(64, "0")}`, readNodes(slot.get("proof"))] as const;
    });
    const lowered = lower(given.get("address"));
    return Object.freeze({ address: address(lowered, "address"), account: readNodes(given.get("accountProof")), slots: new Map(slots) });
  });
}

/** Read the nodes of a proof from JSON. Throws InvalidProof: anything else, or more and larger nodes than a proof can have. */
export function readNodes(value: unknown): readonly Uint8Array[] {
  if (!Array.isArray(value) || value.length > MAX_NODES) {
    throw new InvalidProof(`A proof must be a list of at most ${MAX_NODES} nodes.`);
  }
  return value.map((node: unknown) => {
    if (typeof node === "string" && node.length > 2 + 2 * MAX_NODE) throw new InvalidProof(`A proof node must be at most ${MAX_NODE} bytes.`);
    return unhex(node, "A proof node");
  });
}

/**
 * Prove what a state holds about an address.
 *
 * @param stateRoot of a header whose hash is trusted.
 * @returns the account; the empty one only if the nodes prove that the address is not in the state.
 * @throws InvalidProof in every other case, whatever the bytes are.
 */
export function verifyAccount(stateRoot: string, account: string, nodes: readonly Uint8Array[]): Account {
  const key = proven(() => keccak_256(hexToBytes(address(account, "address").slice(2))));
  const value = prove(word(stateRoot, "stateRoot"), key, nodes);
  if (value === null) return Object.freeze({ nonce: 0n, balance: 0n, storageRoot: EMPTY_ROOT, codeHash: EMPTY_CODE });
  const [nonce, balance, root, code, ...more] = readList(value, MAX_NODE, "An account");
  if (!(root instanceof Uint8Array) || !(code instanceof Uint8Array) || root.length !== 32 || code.length !== 32 || more.length > 0) {
    throw new InvalidProof("An account must have four fields, the last two of 32 bytes.");
  }
  return Object.freeze({
    nonce: readNumber(nonce, SMALL, "The account's nonce"), balance: readNumber(balance, WORD, "The account's balance"),
    storageRoot: hex(root), codeHash: hex(code),
  });
}

/**
 * Prove what a storage slot holds.
 *
 * @param storageRoot of a proven account. @param position of the slot, see slots.ts.
 * @returns the 256-bit value; zero only if the nodes prove that the slot is not set, or set to zero.
 * @throws InvalidProof in every other case, whatever the bytes are.
 */
export function verifySlot(storageRoot: string, position: string, nodes: readonly Uint8Array[]): bigint {
  const value = prove(word(storageRoot, "storageHash"), keccak_256(hexToBytes(word(position, "key").slice(2))), nodes);
  return value === null ? 0n : readNumber(readText(value, "The slot"), WORD, "The slot's value");
}

// ---------------------------------------------------------------------------------------------------------- the trie

/**
 * The value stored under a trie key, or null if the nodes prove that there is none.
 *
 * 1. The empty trie proves everything absent; some nodes list its one encoding, others nothing.
 * 2. The first node hashes to the root, each further one to what the node before it names.
 * 3. A child of less than 32 bytes is embedded in its parent. Some nodes list it again; then it must be the same bytes.
 * 4. The path ends in the leaf of this key, or where the trie has none.
 * 5. No node is left over.
 */
function prove(root: string, key: Uint8Array, nodes: readonly Uint8Array[]): Uint8Array | null {
  if (nodes.length > MAX_NODES || nodes.some((one) => one.length > MAX_NODE)) throw broken("too many nodes, or too large ones.");
  if (root === EMPTY_ROOT && (nodes.length === 0 || (nodes.length === 1 && bytesToHex(nodes[0] ?? key) === "80"))) return null;
  let path = bytesToHex(key);
  let expected: Rlp = hexToBytes(root.slice(2));
  let used = 0;
  for (;;) {
    let entries: readonly Rlp[];
    const next = nodes[used];
    if (expected instanceof Uint8Array) {
      if (next === undefined) throw broken("a node is missing.");
      if (expected.length !== 32 || bytesToHex(keccak_256(next)) !== bytesToHex(expected)) {
        throw broken("a node is not the one its parent names.");
      }
      entries = readList(next, MAX_NODE, "A proof node");
      used++;
    } else {
      const embedded = encode(expected);
      if (embedded.length >= 32) throw broken("a node is embedded that is too long for it.");
      if (next !== undefined && bytesToHex(next) === bytesToHex(embedded)) used++;
      entries = expected;
    }
    const found = step(entries, path);
    if (found !== null && found.rest !== null) {
      [path, expected] = [found.rest, found.child];
      continue;
    }
    if (used !== nodes.length) throw broken("it has nodes that prove nothing.");
    if (found === null) return null;
    if (!(found.child instanceof Uint8Array) || found.child.length === 0) throw broken("the leaf holds no value.");
    return found.child;
  }
}

/** One step down: the rest of the path and the node it leads to; no rest and the value for a leaf; null where there is nothing. */
function step(entries: readonly Rlp[], path: string): { rest: string | null; child: Rlp } | null {
  if (entries.length === 17) {
    const value = entries[16];
    // Every key of a state or storage trie is a hash, so none ends in a branch.
    if (path === "" || !(value instanceof Uint8Array) || value.length > 0) throw broken("a key of the wrong length.");
    if (!entries.every((child) => !(child instanceof Uint8Array) || child.length === 0 || child.length === 32)) {
      throw broken("a branch that names no node.");
    }
    const child = entries[parseInt(path.charAt(0), 16)];
    if (child === undefined || (child instanceof Uint8Array && child.length === 0)) return null;
    return { rest: path.slice(1), child };
  }
  const [encoded, child] = entries;
  if (entries.length !== 2 || !(encoded instanceof Uint8Array) || child === undefined) {
    throw broken("a node is neither a branch, an extension nor a leaf.");
  }
  // Hex-prefix: 0 and 2 are followed by a zero that fills the byte, 1 and 3 by the first digit of an odd path.
  const digits = /^(?:(?<even>[02])0|(?<odd>[13]))(?<skipped>[0-9a-f]*)$/.exec(bytesToHex(encoded))?.groups;
  const flag = digits?.["even"] ?? digits?.["odd"];
  const skipped = digits?.["skipped"];
  if (flag === undefined || skipped === undefined) throw broken("a path that is not in hex-prefix encoding.");
  const isLeaf = flag === "2" || flag === "3";
  if (isLeaf && skipped.length !== path.length) throw broken("a key of the wrong length.");
  if (!isLeaf && !(skipped.length > 0 && skipped.length < path.length)) throw broken("an extension that leads nowhere.");
  if (!path.startsWith(skipped)) return null;
  return { rest: isLeaf ? null : path.slice(skipped.length), child };
}

function broken(problem: string): InvalidProof {
  return new InvalidProof(`The proof does not hold: ${problem}`);
}

/** Proofs come from files and wires, so a wrong argument is a wrong proof. */
function proven<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof VolensError) || error instanceof InvalidProof) throw error;
    throw new InvalidProof(`${error.message}.`);
  }
}

function word(value: unknown, what: string): string {
  return proven(() => hash32(value, what));
}

function unhex(value: unknown, what: string): Uint8Array {
  if (typeof value !== "string" || !HEX.test(value)) {
    throw new InvalidProof(`${what} must be 0x and an even number of hexadecimal digits.`);
  }
  return hexToBytes(value.slice(2));
}

function lower(value: unknown): unknown {
  return typeof value === "string" ? value.toLowerCase() : value;
}

function hex(bytes: Uint8Array): string {
  return `0x${bytesToHex(bytes)}`;
}
