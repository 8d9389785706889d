/**
 * The page's own keystore: the entropy of the patient's words, sealed once for each way to unlock it.
 *
 * A slot is a way: her passphrase (Argon2id, RFC 9106) or a passkey (WebAuthn's PRF extension). Each slot seals the same
 * entropy with XChaCha20-Poly1305 under its own key, and what it says of itself is bound to the seal as associated data. The
 * keystore is JSON from a disk others may write to, so the cost it asks for is bounded before any work is done.
 */

import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { argon2idAsync } from "@noble/hashes/argon2.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes, randomBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { base64urlnopad } from "@scure/base";

import { canonical } from "./canonical.ts";
import { InvalidFile, InvalidInput, Refused } from "./errors.ts";

/** Characters a passphrase must have at least; it counts in Unicode form NFKD, as in `wallet/keystore.py`. */
export const MIN_PASSPHRASE = 8;
export const MAX_PASSPHRASE = 1024;
/** RFC 9106, section 4: the second recommended choice. `memory` is in KiB. */
export const COST: Cost = Object.freeze({ memory: 65536, passes: 3, lanes: 4 });
const LARGEST: Cost = Object.freeze({ memory: 262144, passes: 10, lanes: 8 });
const MAX_SLOTS = 16;
const MAX_NAME = 64;
const NONCE = 24;
const TAG = 16;
const PASSKEY_INFO = utf8ToBytes("volens/passkey/v1");

/** What Argon2id is asked to spend: memory in KiB, passes over it, lanes. */
export interface Cost {
  readonly memory: number;
  readonly passes: number;
  readonly lanes: number;
}

/** Bytes are in base64url without padding. `sealed` is nonce ‖ ciphertext ‖ tag. */
export interface PassphraseSlot extends Cost {
  readonly type: "passphrase";
  readonly salt: string;
  readonly sealed: string;
}

/** `credential` names the passkey, `salt` is what its pseudo-random function is asked, `name` is for the person. */
export interface PasskeySlot {
  readonly type: "passkey";
  readonly credential: string;
  readonly salt: string;
  readonly name: string;
  readonly sealed: string;
}

export interface Keystore {
  readonly version: 1;
  readonly slots: readonly (PassphraseSlot | PasskeySlot)[];
}

/** What a passkey said when it was made: its id (base64url), the 32 bytes it was asked and the 32 bytes it answered. */
export interface Passkey {
  readonly credential: string;
  readonly salt: Uint8Array;
  readonly secret: Uint8Array;
  readonly name: string;
}

type Header = Omit<PassphraseSlot, "sealed"> | Omit<PasskeySlot, "sealed">;

/**
 * Seal the entropy of words under a passphrase.
 *
 * @param entropy 32 bytes (or 16), see `wordsToEntropy`.
 * @param cost less than the default is for tests only.
 * @throws InvalidInput the passphrase is too short or too long.
 */
export async function createKeystore(entropy: Uint8Array, passphrase: string, cost: Cost = COST): Promise<Keystore> {
  return Object.freeze({ version: 1, slots: [await passphraseSlot(entropy, passphrase, cost)] });
}

/**
 * Read a keystore from parsed JSON.
 *
 * @throws InvalidFile it is not one, or asks for more memory or time than any of ours.
 */
export function readKeystore(value: unknown): Keystore {
  const { version, slots } = members(value, ["version", "slots"]);
  if (version !== 1 || !Array.isArray(slots) || slots.length < 1 || slots.length > MAX_SLOTS) throw damaged();
  const read = slots.map(readSlot);
  const ways = read.map((slot) => (slot.type === "passkey" ? slot.credential : ""));
  if (new Set(ways).size !== ways.length || !ways.includes("")) throw damaged();
  return Object.freeze({ version: 1, slots: Object.freeze(read) });
}

/**
 * Unlock with the passphrase: about two seconds here, more on a phone, given back to the page every few milliseconds.
 *
 * @param progress is told how much is done, from 0 to 1.
 * @returns the entropy.
 * @throws Refused the passphrase is wrong, or the keystore was changed.
 */
export async function unlockWithPassphrase(
  keystore: Keystore, passphrase: string, progress?: (done: number) => void,
): Promise<Uint8Array> {
  const slot = keystore.slots.find((one) => one.type === "passphrase");
  if (slot === undefined) throw damaged();
  const key = await stretch(passphrase, slot, decoded(slot.salt), progress);
  return open(slot, key, "The passphrase is wrong, or the keystore was changed.");
}

/** The keystore with another passphrase; passkeys stay. The old passphrase no longer opens it. */
export async function changePassphrase(
  keystore: Keystore, entropy: Uint8Array, passphrase: string, cost: Cost = COST,
): Promise<Keystore> {
  const slot = await passphraseSlot(entropy, passphrase, cost);
  return Object.freeze({ version: 1, slots: [slot, ...keystore.slots.filter((one) => one.type !== "passphrase")] });
}

/** The passkeys that unlock a keystore. */
export function passkeys(keystore: Keystore): readonly PasskeySlot[] {
  return keystore.slots.filter((slot) => slot.type === "passkey");
}

/**
 * The keystore with one more way to unlock it.
 *
 * @throws InvalidInput the passkey answered with other than 32 bytes, or there are too many.
 */
export function addPasskey(keystore: Keystore, entropy: Uint8Array, passkey: Passkey): Keystore {
  if (passkey.secret.length !== 32 || passkey.salt.length !== 32) {
    throw new InvalidInput("This passkey gives no secret to unlock with; use the passphrase.");
  }
  const rest = keystore.slots.filter((slot) => slot.type !== "passkey" || slot.credential !== passkey.credential);
  if (rest.length >= MAX_SLOTS) throw new InvalidInput("There are too many passkeys; remove one first.");
  const header: Omit<PasskeySlot, "sealed"> = {
    type: "passkey",
    credential: passkey.credential,
    salt: base64urlnopad.encode(passkey.salt),
    name: passkey.name.slice(0, MAX_NAME),
  };
  const slot: PasskeySlot = { ...header, sealed: seal(header, passkeyKey(passkey.secret), entropy) };
  return readKeystore({ version: 1, slots: [...rest, slot] });
}

/** The keystore without a passkey. */
export function removePasskey(keystore: Keystore, credential: string): Keystore {
  const slots = keystore.slots.filter((slot) => slot.type !== "passkey" || slot.credential !== credential);
  return Object.freeze({ version: 1, slots });
}

/**
 * Unlock with what a passkey answered to the `salt` of its slot.
 *
 * @returns the entropy.
 * @throws Refused it is not a passkey of this keystore, or the keystore was changed.
 */
export function unlockWithPasskey(keystore: Keystore, credential: string, secret: Uint8Array): Uint8Array {
  const slot = passkeys(keystore).find((one) => one.credential === credential);
  const said = "This passkey does not unlock this wallet; use the passphrase.";
  if (slot === undefined || secret.length !== 32) throw new Refused(said);
  return open(slot, passkeyKey(secret), said);
}

/** A passphrase as bytes: Unicode form NFKD in UTF-8 (as ERC-2335). Throws InvalidInput for one that is no text or too long. */
export function passphraseBytes(passphrase: string): Uint8Array {
  if (!passphrase.isWellFormed()) throw new InvalidInput("The passphrase is not valid Unicode.");
  const bytes = utf8ToBytes(passphrase.normalize("NFKD"));
  if (bytes.length > MAX_PASSPHRASE) {
    throw new InvalidInput(`The passphrase must not be longer than ${MAX_PASSPHRASE} bytes.`);
  }
  return bytes;
}

/** Throws InvalidInput for a passphrase that is too short to protect anything. */
export function checkPassphrase(passphrase: string): void {
  if ([...passphrase].length < MIN_PASSPHRASE) {
    throw new InvalidInput(`The passphrase must have at least ${MIN_PASSPHRASE} characters.`);
  }
  passphraseBytes(passphrase);
}

async function passphraseSlot(entropy: Uint8Array, passphrase: string, cost: Cost): Promise<PassphraseSlot> {
  checkPassphrase(passphrase);
  if (entropy.length !== 32 && entropy.length !== 16) {
    throw new InvalidInput("The entropy of words must be 32 or 16 bytes.");
  }
  const salt = randomBytes(16);
  const header = { type: "passphrase", ...cost, salt: base64urlnopad.encode(salt) } as const;
  return { ...header, sealed: seal(header, await stretch(passphrase, cost, salt), entropy) };
}

function stretch(passphrase: string, cost: Cost, salt: Uint8Array, progress?: (done: number) => void): Promise<Uint8Array> {
  return argon2idAsync(passphraseBytes(passphrase), salt, {
    m: cost.memory,
    t: cost.passes,
    p: cost.lanes,
    dkLen: 32,
    maxmem: 2 ** 30,
    ...(progress ? { onProgress: progress } : {}),
  });
}

function passkeyKey(secret: Uint8Array): Uint8Array {
  return hkdf(sha256, secret, undefined, PASSKEY_INFO, 32);
}

/** What a slot says of itself, so that none of it can be changed without the seal breaking. */
function bound(header: Header): Uint8Array {
  return utf8ToBytes(canonical({ volens: "keystore", version: 1, ...header }));
}

function seal(header: Header, key: Uint8Array, entropy: Uint8Array): string {
  const nonce = randomBytes(NONCE);
  return base64urlnopad.encode(concatBytes(nonce, xchacha20poly1305(key, nonce, bound(header)).encrypt(entropy)));
}

function open(slot: PassphraseSlot | PasskeySlot, key: Uint8Array, refusal: string): Uint8Array {
  const { sealed, ...header } = slot;
  const bytes = decoded(sealed);
  try {
    return xchacha20poly1305(key, bytes.slice(0, NONCE), bound(header)).decrypt(bytes.slice(NONCE));
  } catch {
    throw new Refused(refusal);
  }
}

// ---------------------------------------------------------------------------- reading what anybody may have written

function readSlot(value: unknown): PassphraseSlot | PasskeySlot {
  const type = typeof value === "object" && value !== null && "type" in value ? value.type : undefined;
  if (type === "passphrase") {
    const slot = members(value, ["type", "memory", "passes", "lanes", "salt", "sealed"]);
    const lanes = number(slot["lanes"], 1, LARGEST.lanes);
    return Object.freeze({
      type,
      memory: number(slot["memory"], 8 * lanes, LARGEST.memory),
      passes: number(slot["passes"], 1, LARGEST.passes),
      lanes,
      salt: bytes(slot["salt"], 16, 64),
      sealed: sealedBytes(slot["sealed"]),
    });
  }
  if (type !== "passkey") throw damaged();
  const { credential, salt, name, sealed } = members(value, ["type", "credential", "salt", "name", "sealed"]);
  if (typeof name !== "string" || name.length > MAX_NAME || !name.isWellFormed()) throw damaged();
  return Object.freeze({
    type, credential: bytes(credential, 1, 1023), salt: bytes(salt, 32, 32), name, sealed: sealedBytes(sealed),
  });
}

function sealedBytes(value: unknown): string {
  const text = bytes(value, NONCE + 16 + TAG, NONCE + 32 + TAG);
  const size = decoded(text).length - NONCE - TAG;
  if (size !== 16 && size !== 32) throw damaged();
  return text;
}

function bytes(value: unknown, least: number, most: number): string {
  if (typeof value !== "string" || value.length > 2 * most + 4) throw damaged();
  const { length } = decoded(value);
  if (length < least || length > most) throw damaged();
  return value;
}

function decoded(text: string): Uint8Array {
  try {
    return base64urlnopad.decode(text);
  } catch {
    throw damaged();
  }
}

function number(value: unknown, least: number, most: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) throw damaged();
  return value;
}

function members(value: unknown, names: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw damaged();
  const found = new Map<string, unknown>(Object.entries(value));
  if (found.size !== names.length || !names.every((name) => found.has(name))) throw damaged();
  return Object.fromEntries(found);
}

function damaged(): InvalidFile {
  return new InvalidFile("This is not a keystore of this page, or it was damaged.");
}
