// Headers and state proofs. The trie is walked by @ethereumjs/mpt; what it would let pass is refused here.

import { createMPTFromProof } from "@ethereumjs/mpt";
import { check, hash, hex, integer, join, keccak, refuse, same, unhex } from "./values.mjs";

const EMPTY_STRING = new Uint8Array([0x80]);
export const EMPTY_ROOT = hex(keccak(EMPTY_STRING));
export const EMPTY_CODE = hex(keccak(new Uint8Array()));
const MAX_NODES = 65;
const MAX_NODE = 532;
const MAX_HEADER = 4096;

/** One RLP item that fills the bytes, in its only canonical encoding: bytes, or a list of items. */
function decode(bytes, what) {
  const [item, end] = read(bytes, 0, bytes.length, what, 0);
  check(end === bytes.length, `${what} has bytes left over.`);
  return item;
}

function read(bytes, at, end, what, depth) {
  check(at < end && depth <= 8, `${what} is not RLP.`);
  const first = bytes[at];
  if (first < 0x80) return [bytes.slice(at, at + 1), at + 1];
  const isList = first >= 0xc0;
  let size = first - (isList ? 0xc0 : 0x80);
  let start = at + 1;
  if (size > 55) {
    const digits = bytes.slice(start, start + size - 55);
    start += size - 55;
    check(start <= end && digits.length && digits[0] !== 0 && digits.length <= 4, `${what} has a strange length.`);
    size = digits.reduce((sum, digit) => sum * 256 + digit, 0);
    check(size > 55, `${what} has a long length for a short value.`);
  }
  const stop = start + size;
  check(stop <= end, `${what} ends in the middle of a value.`);
  if (!isList) {
    check(size !== 1 || bytes[start] >= 0x80, `${what} has a long encoding of a byte.`);
    return [bytes.slice(start, stop), stop];
  }
  const items = [];
  while (start < stop) {
    const [item, next] = read(bytes, start, stop, what, depth + 1);
    items.push(item);
    start = next;
  }
  return [items, stop];
}

const isBytes = (size) => (item) => item.length === size;
const isNumber = (bits) => (item) => item[0] !== 0 && item.length * 8 <= bits;
const isSafe = (item) => isNumber(64)(item) && toBigInt(item) <= Number.MAX_SAFE_INTEGER;
const toBigInt = (bytes) => (bytes.length ? BigInt(hex(bytes)) : 0n);
// In the order of the encoding. The first fifteen are always there; forks appended the others.
const HEADER = [
  isBytes(32), isBytes(32), isBytes(20), isBytes(32), isBytes(32), isBytes(32), isBytes(256), isNumber(256), isSafe,
  isNumber(64), isNumber(64), isSafe, () => true, isBytes(32), isBytes(8), isNumber(256), isBytes(32), isNumber(64),
  isNumber(64), isBytes(32), isBytes(32),
];

/** A block header whose hash is the one expected. */
export function header(encoded, expected) {
  const bytes = unhex(encoded, "A header");
  check(bytes.length <= MAX_HEADER, "A header is too long.");
  const fields = decode(bytes, "A header");
  check(Array.isArray(fields) && fields.length >= 15, "A header has too few fields.");
  fields.forEach((field, position) => {
    check(!Array.isArray(field) && (HEADER[position] ?? (() => true))(field), "A header's field is malformed.");
  });
  const found = hex(keccak(bytes));
  check(found === expected, "The header is that of another block.");
  return {
    hash: found,
    parentHash: hex(fields[0]),
    stateRoot: hex(fields[3]),
    number: integer(Number(toBigInt(fields[8])), "number"),
    timestamp: integer(Number(toBigInt(fields[11])), "timestamp"),
  };
}

/** The nodes of a proof from JSON. */
export function nodes(value) {
  check(Array.isArray(value) && value.length <= MAX_NODES, "A proof is no list of a fair size.");
  return value.map((node) => {
    const bytes = unhex(node, "A proof node");
    return bytes.length <= MAX_NODE ? bytes : refuse("A proof node is too long.");
  });
}

/**
 * The value under a key, or null where the nodes prove that there is none.
 *
 * @ethereumjs/mpt looks nodes up by hash, so it would not mind their order, nor more nodes than the path needs, nor
 * another encoding of one. So the nodes it walked are compared with those given, byte by byte.
 */
export async function prove(root, key, given) {
  if (root === EMPTY_ROOT && (given.length === 0 || (given.length === 1 && same(given[0], EMPTY_STRING)))) return null;
  check(given.length > 0, "A proof has no nodes.");
  let found;
  try {
    const trie = await createMPTFromProof(given, { root: unhex(root) });
    found = await trie.findPath(keccak(key), true);
  } catch {
    refuse("A proof does not hold.");
  }
  let used = 0;
  found.stack.forEach((node, depth) => {
    const encoded = node.serialize();
    const embedded = depth > 0 && encoded.length < 32;
    if (used < given.length && same(encoded, given[used])) used += 1;
    else check(embedded, "A proof has a node that its path does not.");
  });
  check(used === given.length, "A proof has nodes that prove nothing.");
  if (found.node === null) return null;
  const value = found.node.value();
  check(value instanceof Uint8Array && value.length > 0, "A proof's leaf holds no value.");
  return value;
}

/** Storage root and code hash of an account under a state root. */
export async function account(stateRoot, address, given) {
  const value = await prove(stateRoot, unhex(address), given);
  if (value === null) return { storageRoot: EMPTY_ROOT, codeHash: EMPTY_CODE };
  const fields = decode(value, "An account");
  check(Array.isArray(fields) && fields.length === 4 && !fields.some(Array.isArray), "An account has four fields.");
  const [nonce, balance, storageRoot, codeHash] = fields;
  check(isNumber(64)(nonce) && isNumber(256)(balance), "An account's numbers are malformed.");
  check(storageRoot.length === 32 && codeHash.length === 32, "An account's hashes are malformed.");
  return { storageRoot: hex(storageRoot), codeHash: hex(codeHash) };
}

/** What a slot holds, as a BigInt. */
export async function slot(storageRoot, key, given) {
  const value = await prove(storageRoot, unhex(hash(key, "A slot's key")), given);
  if (value === null) return 0n;
  const number = decode(value, "A slot's value");
  check(!Array.isArray(number) && isNumber(256)(number), "A slot's value is malformed.");
  return toBigInt(number);
}

/** Where Solidity keeps the entry of a mapping, both given as 0x texts (addresses and words) or a slot number. */
export function mappingSlot(key, position) {
  const padded = (value) => unhex(`0x${(typeof value === "number" ? value.toString(16) : value.slice(2)).padStart(64, "0")}`);
  return hex(keccak(join(padded(key), padded(position))));
}

/** The slot after one. */
export const nextSlot = (key) => `0x${((BigInt(key) + 1n) % 2n ** 256n).toString(16).padStart(64, "0")}`;
