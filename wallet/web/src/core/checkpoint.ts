/** The signed head of the access log (C2SP tlog-checkpoint in a signed-note): the reading half of `ledger/checkpoint.py`. */

import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { base64 } from "@scure/base";

import { InvalidProof } from "./errors.ts";
import { EMPTY_LOG } from "./merkle.ts";

/** Bytes of the longest checkpoint we read. */
export const MAX_NOTE = 16384;
export const MAX_SIGNATURES = 16;
const ED25519 = 1;
/** Printable ASCII without space and plus: what a key name and an origin may be. */
const NAME = /^[!-*,-~]{1,255}$/;
const SIZE = /^(?:0|[1-9][0-9]{0,15})$/;
const LINE = /^\u2014 ([^ +]+) ([A-Za-z0-9+/]+={0,2})$/u;
const UNPRINTABLE = /(?![ \n])[\p{C}\p{Z}]/u;

/** How long a log is and what its root is. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
}

interface Signature {
  readonly name: string;
  readonly keyId: string;
  readonly signature: Uint8Array;
}

/** Base64 in its one canonical form (the library takes no other), so that every signed text has one spelling. */
function unbase64(text: string): Uint8Array {
  try {
    const data = base64.decode(text);
    if (data.length > 0) return data;
  } catch {
    // refused below, without repeating what was given
  }
  throw new InvalidProof("The checkpoint has a line that is not base64.");
}

/** The four bytes, in hex, by which a signature line names an Ed25519 key. A hint, not an identity. */
function keyId(name: string, publicKey: Uint8Array): string {
  return bytesToHex(sha256(concatBytes(utf8ToBytes(`${name}\n`), Uint8Array.of(ED25519), publicKey)).slice(0, 4));
}

/** Read a log's public key from `name+keyid+base64`, in its one form. Throws InvalidProof. */
export function readVerifierKey(stated: unknown): { name: string; publicKey: Uint8Array } {
  const [name = "", id = "", encoded = ""] = typeof stated === "string" ? stated.split(/\+(.*?)\+(.*)/su) : [];
  const data = NAME.test(name) && encoded !== "" ? unbase64(encoded) : new Uint8Array();
  const publicKey = data.slice(1);
  if (data[0] !== ED25519 || publicKey.length !== 32 || id !== keyId(name, publicKey)) {
    throw new InvalidProof("The service does not say how its access log is signed.");
  }
  return { name, publicKey };
}

function parse(note: unknown): { checkpoint: Checkpoint; body: string; signatures: readonly Signature[] } {
  if (typeof note !== "string" || UNPRINTABLE.test(note)) throw new InvalidProof("A checkpoint must be plain text.");
  if (utf8ToBytes(note).length > MAX_NOTE) {
    throw new InvalidProof(`A checkpoint must not be longer than ${MAX_NOTE} bytes.`);
  }
  const end = note.indexOf("\n\n");
  const [origin = "", size = "", encoded = "", ...more] = note.slice(0, Math.max(end, 0)).split("\n");
  if (end < 0 || encoded === "" || more.length > 0 || !note.endsWith("\n")) {
    throw new InvalidProof("A checkpoint must be three lines, an empty one, and signatures.");
  }
  const lines = note.slice(end + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) {
    throw new InvalidProof(`A checkpoint must end in at most ${MAX_SIGNATURES} lines of signatures.`);
  }
  const signatures = lines.map((line) => {
    const [, name = "", data = ""] = LINE.exec(line) ?? [];
    if (name === "") throw new InvalidProof("A checkpoint must end in lines of signatures.");
    const bytes = unbase64(data);
    if (bytes.length < 5) throw new InvalidProof("A signature of the checkpoint is too short.");
    return { name, keyId: bytesToHex(bytes.slice(0, 4)), signature: bytes.slice(4) };
  });
  const root = unbase64(encoded);
  if (!NAME.test(origin) || !SIZE.test(size) || !Number.isSafeInteger(Number(size)) || root.length !== 32) {
    throw new InvalidProof("The name, the size or the root in the checkpoint is malformed.");
  }
  const checkpoint = Object.freeze({ origin, size: Number(size), root: `0x${bytesToHex(root)}` });
  if (checkpoint.size === 0 && checkpoint.root !== EMPTY_LOG) {
    throw new InvalidProof("The checkpoint of an empty log has another root.");
  }
  return { checkpoint, body: note.slice(0, end + 1), signatures };
}

/**
 * The checkpoint in a text, once it is shown to be signed.
 *
 * @param note the signed note, at most 16 KiB.
 * @param name of the key that must have signed: the log's origin, or a witness.
 * @param publicKey the 32 bytes of that key.
 * @returns the checkpoint. Whether its origin is the log that was meant is for the caller to compare.
 * @throws InvalidProof malformed, not signed by this key, or with a line that claims so and is wrong.
 */
export function verifyCheckpoint(note: unknown, name: string, publicKey: Uint8Array): Checkpoint {
  const { checkpoint, body, signatures } = parse(note);
  if (publicKey.length !== 32) throw new InvalidProof("A checkpoint key must be 32 bytes.");
  const id = keyId(name, publicKey);
  const mine = signatures.filter((line) => line.name === name && line.keyId === id);
  if (mine.length === 0) throw new InvalidProof("The checkpoint is not signed by the expected key.");
  for (const { signature } of mine) {
    if (!verified(signature, utf8ToBytes(body), publicKey)) {
      throw new InvalidProof("The checkpoint's signature is wrong.");
    }
  }
  return checkpoint;
}

function verified(signature: Uint8Array, body: Uint8Array, publicKey: Uint8Array): boolean {
  try {
    // RFC 8032 as OpenSSL verifies it, not the laxer rules of ZIP 215.
    return ed25519.verify(signature, body, publicKey, { zip215: false });
  } catch {
    return false;
  }
}
