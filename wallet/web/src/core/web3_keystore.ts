/**
 * A secret in a file under a passphrase: Web3 Secret Storage, version 3. The twin of `wallet/keystore.py`.
 *
 * The page exports this file and reads it back; eth-account and other Ethereum wallets read those of kind `key`. Its cost
 * parameters are bounded before any work is done: a keystore is a file from anywhere.
 */

import { ctr } from "@noble/ciphers/aes.js";
import { pbkdf2Async } from "@noble/hashes/pbkdf2.js";
import { scryptAsync } from "@noble/hashes/scrypt.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, concatBytes, hexToBytes, randomBytes } from "@noble/hashes/utils.js";

import { InvalidFile, InvalidInput, Refused } from "./errors.ts";
import { SigningKey } from "./keys.ts";
import { checkPassphrase, passphraseBytes } from "./keystore.ts";

/** `words`: the entropy of a patient's 24 words; the file has no address. `key`: a private key. */
export type Kind = "words" | "key";

/** scrypt's n of a file we write: what most Ethereum wallets use in a browser (128 MiB). */
export const COST = 2 ** 17;
const MAX_R = 8;
const MAX_P = 8;
/** Largest n·r·p: half a gigabyte of memory (128·n·r bytes), half of what the Python wallet accepts. */
const MAX_BLOCKS = 2 ** 22;
const MAX_ROUNDS = 10_000_000;
const HEX = /^(?:0x)?((?:[0-9a-fA-F]{2})+)$/;

interface Kdf {
  (password: Uint8Array, progress?: (done: number) => void): Promise<Uint8Array>;
}

/**
 * Encrypt a secret under a passphrase.
 *
 * @param secret 32 bytes: the entropy of 24 words, or a private key.
 * @param n scrypt's cost, a power of two from 2^12 to 2^19; less than the default is for tests only.
 * @returns the keystore, ready for JSON.
 * @throws InvalidInput the secret, passphrase or cost is not acceptable.
 */
export async function lockFile(
  secret: Uint8Array, passphrase: string, kind: Kind, n = COST, progress?: (done: number) => void,
): Promise<object> {
  checkPassphrase(passphrase);
  if (!powerOfTwo(n) || n < 2 ** 12 || 8 * n > MAX_BLOCKS) {
    throw new InvalidInput("The cost n must be a power of two from 2^12 to 2^19.");
  }
  const { address } = new SigningKey(secret); // every secret of ours could be a private key
  const [salt, iv] = [randomBytes(32), randomBytes(16)];
  const key = await scrypt(n, 8, 1, salt)(passphraseBytes(passphrase), progress);
  const ciphertext = ctr(key.slice(0, 16), iv).encrypt(secret);
  return {
    volens: { kind },
    ...(kind === "key" ? { address: address.slice(2).toLowerCase() } : {}),
    crypto: {
      cipher: "aes-128-ctr",
      cipherparams: { iv: bytesToHex(iv) },
      ciphertext: bytesToHex(ciphertext),
      kdf: "scrypt",
      kdfparams: { dklen: 32, n, r: 8, p: 1, salt: bytesToHex(salt) },
      mac: bytesToHex(mac(key, ciphertext)),
    },
    id: uuid(),
    version: 3,
  };
}

/**
 * Decrypt a keystore: one of ours, or a version 3 account file of another wallet (kind `key`).
 *
 * @param keystore parsed JSON.
 * @param progress is told how much is done, from 0 to 1.
 * @throws InvalidFile not such a keystore, or one whose cost would exhaust the device.
 * @throws Refused the passphrase is wrong.
 */
export async function unlockFile(
  keystore: unknown, passphrase: string, progress?: (done: number) => void,
): Promise<{ kind: Kind; secret: Uint8Array }> {
  const top = object(keystore, "keystore");
  if (top.get("version") !== 3) throw new InvalidFile("The keystore must be of version 3 (Web3 Secret Storage).");
  const kind = kindOf(top);
  const address = kind === "key" ? bytesToHex(hex(top, "address", 20)) : undefined;
  const crypto = object(top.get("crypto"), "crypto");
  if (crypto.get("cipher") !== "aes-128-ctr") throw new InvalidFile("The keystore's cipher must be aes-128-ctr.");
  const iv = hex(object(crypto.get("cipherparams"), "cipherparams"), "iv", 16);
  const ciphertext = hex(crypto, "ciphertext", 32);
  const expected = bytesToHex(hex(crypto, "mac", 32));
  const key = await kdfOf(crypto)(passphraseBytes(passphrase), progress);
  if (bytesToHex(mac(key, ciphertext)) !== expected) {
    throw new Refused("The passphrase is wrong, or the keystore was changed.");
  }
  const secret = ctr(key.slice(0, 16), iv).decrypt(ciphertext);
  let own: string;
  try {
    own = new SigningKey(secret).address;
  } catch {
    throw new InvalidFile("The keystore does not hold a usable secret.");
  }
  // The MAC does not cover the kind. The address does: it cannot be written without knowing the secret.
  if (address !== undefined && address !== own.slice(2).toLowerCase()) {
    throw new InvalidFile("The address in the keystore is not that of its key.");
  }
  return { kind, secret };
}

function mac(key: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  return keccak_256(concatBytes(key.slice(16, 32), ciphertext));
}

function scrypt(n: number, r: number, p: number, salt: Uint8Array): Kdf {
  return (password, progress) =>
    scryptAsync(password, salt, {
      N: n, r, p, dkLen: 32, maxmem: 2 ** 30, ...(progress ? { onProgress: progress } : {}),
    });
}

function kdfOf(crypto: ReadonlyMap<string, unknown>): Kdf {
  const values = object(crypto.get("kdfparams"), "kdfparams");
  if (values.get("dklen") !== 32) throw new InvalidFile("The keystore's dklen must be 32.");
  const salt = salted(values);
  if (crypto.get("kdf") === "scrypt") {
    const [n, r, p] = [number(values, "n", MAX_BLOCKS), number(values, "r", MAX_R), number(values, "p", MAX_P)];
    if (!powerOfTwo(n) || n < 2) throw new InvalidFile("The keystore's n must be a power of two.");
    if (n * r * p > MAX_BLOCKS) throw new InvalidFile("The keystore asks for more memory than is given to one.");
    return scrypt(n, r, p, salt);
  }
  if (crypto.get("kdf") !== "pbkdf2" || values.get("prf") !== "hmac-sha256") {
    throw new InvalidFile("The keystore's kdf must be scrypt, or pbkdf2 with hmac-sha256.");
  }
  const rounds = number(values, "c", MAX_ROUNDS);
  return (password) => pbkdf2Async(sha256, password, salt, { c: rounds, dkLen: 32 });
}

function salted(values: ReadonlyMap<string, unknown>): Uint8Array {
  const salt = values.get("salt");
  const found = typeof salt === "string" && salt.length <= 130 ? HEX.exec(salt)?.[1] : undefined;
  if (found === undefined || found.length > 128) {
    throw new InvalidFile("The keystore's salt must be 1 to 64 bytes in hexadecimal.");
  }
  return hexToBytes(found);
}

function kindOf(top: ReadonlyMap<string, unknown>): Kind {
  if (!top.has("volens")) return "key";
  const kind = object(top.get("volens"), "volens").get("kind");
  if (kind === "key" || (kind === "words" && !top.has("address"))) return kind;
  throw new InvalidFile("The keystore's kind must be words (then it has no address) or key.");
}

function object(value: unknown, name: string): ReadonlyMap<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidFile(
      name === "keystore" ? "The file is not a keystore (Web3 Secret Storage, version 3)."
        : `The ${name} of the keystore must be an object.`,
    );
  }
  // Some wallets write "Crypto": names are read without regard to case, but never two of one name.
  const entries = Object.entries(value).map(([key, entry]): [string, unknown] => [key.toLowerCase(), entry]);
  const found = new Map(entries);
  if (found.size !== entries.length) throw new InvalidFile(`The ${name} of the keystore says the same thing twice.`);
  return found;
}

function hex(values: ReadonlyMap<string, unknown>, name: string, size: number): Uint8Array {
  const value = values.get(name);
  const found = typeof value === "string" && value.length <= 2 + 2 * size ? HEX.exec(value)?.[1] : undefined;
  if (found?.length !== 2 * size) throw new InvalidFile(`The keystore's ${name} must be ${size} bytes in hexadecimal.`);
  return hexToBytes(found);
}

function number(values: ReadonlyMap<string, unknown>, name: string, largest: number): number {
  const value = values.get(name);
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1 || value > largest) {
    throw new InvalidFile(`The keystore's ${name} must be a whole number from 1 to ${largest}.`);
  }
  return value;
}

function powerOfTwo(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0 && Number.isInteger(Math.log2(value));
}

/** A random identifier (UUID version 4, RFC 9562), as the format asks for one. */
function uuid(): string {
  const bytes = randomBytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytesToHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
