/** Where the ConsentRegistry keeps each fact, and what proven slots say of a grant: the patient's half of `ledger/slots.py`. */

import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, concatBytes, hexToBytes } from "@noble/hashes/utils.js";

import { InvalidProof } from "./errors.ts";
import { address, hash32 } from "./model.ts";
import { verifyAccount, verifySlot, type Header, type Proofs } from "./stateproof.ts";

const ENTRIES = 0;
const SUBJECTS = 1;

/**
 * What the chain says of a grant at a block; times in Unix seconds, 0 for never.
 *
 * `reason` is `granted`, `revoked`, `suspended`, `closed`, or `no_consent` for one that was not recorded by itself.
 */
export interface Standing {
  readonly grantedAt: number;
  readonly revokedAt: number;
  /** Everything granted until then is revoked. */
  readonly revokedBefore: number;
  readonly suspended: boolean;
  readonly closed: boolean;
  readonly reason: "granted" | "revoked" | "suspended" | "closed" | "no_consent";
  readonly block: number;
  readonly hash: string;
  readonly timestamp: number;
}

/** The position of a mapping's entry: keccak256(abi.encode(key, slot)). Nested mappings nest. */
export function mappingSlot(key: string, slot: number | string): string {
  const word = key.length === 42 ? concatBytes(new Uint8Array(12), hexToBytes(address(key, "key").slice(2))) : hexToBytes(hash32(key, "key").slice(2));
  const place = typeof slot === "number" ? slot.toString(16).padStart(64, "0") : hash32(slot, "slot").slice(2);
  return `0x${bytesToHex(keccak_256(concatBytes(word, hexToBytes(place))))}`;
}

/** Where it is kept what is recorded of one grant of one subject. */
export function entrySlot(subject: string, grant: string): string {
  return mappingSlot(grant, mappingSlot(subject, ENTRIES));
}

/** Where it is kept what is recorded of one subject as a whole. */
export function subjectSlot(subject: string): string {
  return mappingSlot(subject, SUBJECTS);
}

/**
 * What the chain says of a grant, proven from a header.
 *
 * @param header one whose hash is trusted.
 * @param registry the pinned ConsentRegistry: another code at its address proves nothing.
 * @param proofs of that address and of `entrySlot` and `subjectSlot` at that block.
 * @throws InvalidProof the proofs do not hold, are of another account, or the code is another.
 */
export function proveStanding(
  header: Header, registry: { readonly address: string; readonly codeHash: string }, proofs: Proofs, subject: string, grant: string,
): Standing {
  if (proofs.address !== registry.address) throw new InvalidProof("The proof is of another contract than the pinned one.");
  const account = verifyAccount(header.stateRoot, registry.address, proofs.account);
  if (account.codeHash !== registry.codeHash) throw new InvalidProof("Another code is at the contract's address than the pinned one.");
  const value = (position: string): bigint => {
    const nodes = proofs.slots.get(position);
    if (nodes === undefined) throw new InvalidProof("A slot that is needed was not proven.");
    return verifySlot(account.storageRoot, position, nodes);
  };
  const [grantedAt, revokedAt] = unpack(value(entrySlot(subject, grant)), [64, 64]);
  const [revokedBefore, , suspended, closed] = unpack(value(subjectSlot(subject)), [64, 64, 8, 8]);
  const facts = { grantedAt: grantedAt ?? 0, revokedAt: revokedAt ?? 0, revokedBefore: revokedBefore ?? 0, suspended: suspended !== 0, closed: closed !== 0 };
  return Object.freeze({ ...facts, reason: reasonOf(facts), block: header.number, hash: header.hash, timestamp: header.timestamp });
}

/** In the order of `standing` in `ledger/decisions.py`: what denies is said first. */
function reasonOf(facts: Pick<Standing, "grantedAt" | "revokedAt" | "revokedBefore" | "suspended" | "closed">): Standing["reason"] {
  if (facts.revokedAt > 0) return "revoked";
  if (facts.closed) return "closed";
  if (facts.grantedAt === 0) return "no_consent";
  if (facts.grantedAt <= facts.revokedBefore) return "revoked";
  return facts.suspended ? "suspended" : "granted";
}

/** Take a packed slot apart: the bits of each member in order of declaration, the first one lowest. Throws InvalidProof. */
export function unpack(value: bigint, widths: readonly number[]): readonly number[] {
  let rest = value;
  const found = widths.map((width) => {
    const member = rest & ((1n << BigInt(width)) - 1n);
    rest >>= BigInt(width);
    if (member > BigInt(Number.MAX_SAFE_INTEGER)) throw new InvalidProof("The slot holds a number that is too large.");
    return Number(member);
  });
  if (rest !== 0n) throw new InvalidProof("The slot holds more than it should; was another contract compiled?");
  return found;
}
