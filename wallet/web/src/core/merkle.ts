/** Proofs of the append-only access log (RFC 9162, 2.1): the twin of the log's half of `ledger/merkle.py`. */

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, concatBytes, hexToBytes } from "@noble/hashes/utils.js";

import { InvalidProof } from "./errors.ts";
import { InvalidMessage, hash32, integer } from "./model.ts";

/** Hashes of the longest proof we read. */
export const MAX_PROOF = 128;
/** The root of a log without entries. */
export const EMPTY_LOG = toHash(sha256(new Uint8Array()));

function toHash(bytes: Uint8Array): string {
  return `0x${bytesToHex(bytes)}`;
}

function node(left: string, right: string): string {
  return toHash(sha256(concatBytes(Uint8Array.of(1), hexToBytes(left.slice(2)), hexToBytes(right.slice(2)))));
}

/** The hash of a log entry: SHA-256 behind a zero byte, so that no entry can pose as a node. */
export function leafHash(data: Uint8Array): string {
  return toHash(sha256(concatBytes(Uint8Array.of(0), data)));
}

function checked(sizes: readonly number[], hashes: readonly string[], proof: unknown): readonly string[] {
  if (!Array.isArray(proof) || proof.length > MAX_PROOF) {
    throw new InvalidProof(`A proof must be a list of at most ${MAX_PROOF} hashes.`);
  }
  try {
    for (const size of sizes) integer(size, "size");
    for (const hash of hashes) hash32(hash, "hash");
    return Array.from(proof, (entry: unknown) => hash32(entry, "proof"));
  } catch (error) {
    if (error instanceof InvalidMessage) throw new InvalidProof(`${error.message}.`);
    throw error;
  }
}

// Positions go up to 2^53 and bit operations of numbers end at 2^31: halves are taken by arithmetic.
const half = (at: number): number => Math.floor(at / 2);
const odd = (at: number): boolean => at % 2 === 1;

/** Walk up the tree, telling for each hash of the proof whether it stands to the left. Returns what is left of `last`. */
function climb(at: number, last: number, proof: readonly string[], step: (sibling: string, left: boolean) => void): number {
  for (const sibling of proof) {
    if (last === 0) throw new InvalidProof("The proof is longer than the log is high.");
    const left = odd(at) || at === last;
    step(sibling, left);
    if (left) while (!odd(at) && at > 0) [at, last] = [half(at), half(last)];
    [at, last] = [half(at), half(last)];
  }
  return last;
}

/**
 * Check that an entry is in a log (RFC 9162, 2.1.3.2).
 *
 * @param leaf the `leafHash` of the entry.
 * @param index where the log is said to have it.
 * @param root of the log, from a checkpoint that was verified.
 * @throws InvalidProof it is not shown to be there, whatever the arguments are.
 */
export function verifyInclusion(leaf: string, index: number, size: number, proof: unknown, root: string): void {
  const path = checked([index, size], [leaf, root], proof);
  if (index >= size) throw new InvalidProof(`There is no entry ${index} in a log of ${size}.`);
  let found = leaf;
  const last = climb(index, size - 1, path, (sibling, left) => {
    found = left ? node(sibling, found) : node(found, sibling);
  });
  if (last !== 0 || found !== root) throw new InvalidProof("The entry is not in this log.");
}

/**
 * Check that a later log only added to an earlier one (RFC 9162, 2.1.4.2).
 *
 * Every log begins with the empty one, and a log with itself; both take no proof.
 *
 * @throws InvalidProof something was changed or removed, or the proof is not one, whatever the arguments are.
 */
export function verifyConsistency(
  first: number, second: number, firstRoot: string, secondRoot: string, proof: unknown,
): void {
  let path = checked([first, second], [firstRoot, secondRoot], proof);
  if (first > second) throw new InvalidProof(`The log has shrunk from ${first} to ${second} entries.`);
  if (first === 0 || first === second) {
    const wrong = first === 0 && firstRoot !== EMPTY_LOG;
    if (path.length > 0 || wrong || (first === second && firstRoot !== secondRoot)) {
      throw new InvalidProof("The logs of the same size are not the same.");
    }
    return;
  }
  let [at, last] = [first - 1, second - 1];
  while (odd(at)) [at, last] = [half(at), half(last)];
  // The earlier log is one complete subtree: its root is where the proof starts, and is left out of it.
  if (at === 0) path = [firstRoot, ...path];
  const [start, ...rest] = path;
  if (start === undefined) throw new InvalidProof("The proof has no hashes.");
  let [before, after] = [start, start];
  last = climb(at, last, rest, (sibling, left) => {
    if (left) before = node(sibling, before);
    after = left ? node(sibling, after) : node(after, sibling);
  });
  if (last !== 0 || before !== firstRoot || after !== secondRoot) {
    throw new InvalidProof("The later log does not begin with the earlier one.");
  }
}
