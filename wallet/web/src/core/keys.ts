/**
 * The patient's keys: 24 words, and everything derived from them. The twin of `wallet/keys.py`.
 *
 * One subject (one address) per record, derived with hardened steps only, so that no leaked child key and parent public
 * key together reveal another. Private keys are private fields: they appear in no JSON and no console.
 */

import { XWing } from "@hpke/hybridkem-x-wing";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { HDKey } from "@scure/bip32";
import { entropyToMnemonic, generateMnemonic, mnemonicToEntropy, mnemonicToSeedSync } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";

import { InvalidInput } from "./errors.ts";
import { address, type TypeName } from "./model.ts";
import type { Domain } from "./typed_data.ts";

export const MAX_INDEX = 2 ** 31 - 2;
/** The account number no subject may have: its key opens the wallet's own file. */
const VAULT_PATH = "m/44'/60'/2147483647'/0'/0'";
const ENCRYPTION_INFO = utf8ToBytes("volens/x-wing/v1");
const PARTY_ENCRYPTION_INFO = utf8ToBytes("volens/party/x-wing/v1");
const VAULT_INFO = utf8ToBytes("volens/wallet/v1");
const KNOWN = new Set(wordlist);

/** 24 fresh English BIP-39 words: 256 bits from the system's randomness. */
export function newWords(): string {
  return generateMnemonic(wordlist, 256);
}

/**
 * Check words a person typed, 24 (or 12) in any case, separated by any white space.
 *
 * @returns the words in lower case, separated by single spaces.
 * @throws InvalidInput how many there are, where the first unknown one stands, or that the checksum is wrong.
 */
export function checkWords(words: string): string {
  const found = words.toLowerCase().split(/\s+/u).filter((word) => word !== "");
  if (found.length !== 24 && found.length !== 12) {
    throw new InvalidInput(`There must be 24 words (or 12); these are ${found.length}.`);
  }
  const unknown = found.findIndex((word) => !KNOWN.has(word));
  if (unknown >= 0) {
    throw new InvalidInput(`Word ${unknown + 1} of ${found.length} is not in the word list; was it mistyped?`);
  }
  const normal = found.join(" ");
  try {
    mnemonicToEntropy(normal, wordlist);
  } catch {
    throw new InvalidInput("Every word is known but the checksum is wrong; is a word missing, or two exchanged?");
  }
  return normal;
}

/** The 32 bytes behind 24 words (16 behind 12). Throws what `checkWords` throws. */
export function wordsToEntropy(words: string): Uint8Array {
  return mnemonicToEntropy(checkWords(words), wordlist);
}

/** The words of 32 (or 16) bytes of entropy. Throws InvalidInput for another length. */
export function entropyToWords(entropy: Uint8Array): string {
  if (entropy.length !== 32 && entropy.length !== 16) {
    throw new InvalidInput("The entropy of words must be 32 or 16 bytes.");
  }
  return entropyToMnemonic(entropy, wordlist);
}

/** A secp256k1 key that signs for one address. */
export class SigningKey {
  readonly address: string;
  readonly #secret: Uint8Array;

  /** Throws InvalidInput unless `secret` is 32 bytes, above zero and below the order of the curve. */
  constructor(secret: Uint8Array) {
    if (!secp256k1.utils.isValidSecretKey(secret)) {
      throw new InvalidInput("A private key must be 32 bytes, above zero and below the order of secp256k1.");
    }
    this.#secret = secret.slice();
    const key = secp256k1.getPublicKey(this.#secret, false);
    this.address = address(`0x${bytesToHex(keccak_256(key.slice(1)).slice(12))}`, "address");
  }

  /** Sign 32 bytes, deterministically (RFC 6979): 0x and r ‖ s ‖ v in hex, with low s and v 27 or 28. */
  sign(digest: Uint8Array): string {
    if (digest.length !== 32) throw new InvalidInput("What is signed must be a digest of 32 bytes.");
    const signed = secp256k1.sign(digest, this.#secret, { prehash: false, lowS: true, format: "recovered" });
    const recovery = signed[0];
    if (recovery !== 0 && recovery !== 1) throw new InvalidInput("This digest has no signature of 65 bytes.");
    return `0x${bytesToHex(signed.slice(1))}${(27 + recovery).toString(16)}`;
  }

  /** Sign a message of a type in the pinned domain (EIP-712). Throws InvalidMessage for one that is not valid. */
  signTyped(domain: Domain, type: TypeName, message: unknown): string {
    return this.sign(domain.digest(type, message));
  }
}

/** The X-Wing public key of a seed of 32 bytes; 1,216 bytes: ML-KEM-768 (1,184) ‖ X25519 (32). */
async function publicKey(seed: Uint8Array): Promise<Uint8Array> {
  const kem = new XWing();
  // Not deriveKeyPair, which hashes once more: the seed is the decapsulation key itself, as in Python.
  const pair = await kem.generateKeyPairDerand(seed.slice());
  return new Uint8Array(await kem.serializePublicKey(pair.publicKey));
}

/** The X-Wing public key of an institution, publisher or researcher, from the 32 bytes that also sign. */
export async function partyEncryptionKey(secret: Uint8Array): Promise<Uint8Array> {
  new SigningKey(secret); // refuses what is no private key
  return publicKey(hkdf(sha256, secret, undefined, PARTY_ENCRYPTION_INFO, 32));
}

/** Everything that follows from the patient's words. */
export class PatientKeys {
  readonly #root: HDKey;

  /** Derived without BIP-39's passphrase (one more thing to lose for ever). Throws what `checkWords` throws. */
  constructor(words: string) {
    this.#root = HDKey.fromMasterSeed(mnemonicToSeedSync(checkWords(words)));
  }

  /** The key that signs for one subject. `index`: 0 to 2^31 - 2; a wallet never gives two records the same. */
  subject(index: number): SigningKey {
    return new SigningKey(this.#derive(`m/44'/60'/${checkIndex(index)}'/0'/0'`));
  }

  /** The X-Wing seed (32 bytes) of one subject, for vectors. */
  encryptionSeed(index: number): Uint8Array {
    return hkdf(sha256, this.#derive(`m/44'/60'/${checkIndex(index)}'/1'/0'`), undefined, ENCRYPTION_INFO, 32);
  }

  /** The X-Wing public key to which the keys of one subject's items are wrapped. */
  encryptionKey(index: number): Promise<Uint8Array> {
    return publicKey(this.encryptionSeed(index));
  }

  /** The key (32 bytes) of the wallet's own file, which no service ever sees. */
  vaultKey(): Uint8Array {
    return hkdf(sha256, this.#derive(VAULT_PATH), undefined, VAULT_INFO, 32);
  }

  #derive(path: string): Uint8Array {
    const { privateKey } = this.#root.derive(path);
    if (!privateKey) throw new InvalidInput("These words have no key there.");
    return privateKey;
  }
}

function checkIndex(index: number): number {
  if (!Number.isSafeInteger(index) || index < 0 || index > MAX_INDEX) {
    throw new InvalidInput(`The index of a subject must be a whole number from 0 to ${MAX_INDEX}.`);
  }
  return index;
}
