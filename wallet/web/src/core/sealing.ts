/**
 * Opening sealed items with the patient's own key: the reading half of `ledger/sealing.py`.
 *
 * The item key comes wrapped to her (HPKE, RFC 9180, with X-Wing), the item sealed to it (age v1). Nothing is handed on
 * before its size and digest are those the record names. Heavy: load it when an offer is opened.
 */

import { Chacha20Poly1305 } from "@hpke/chacha20poly1305";
import { CipherSuite, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { Decrypter } from "age-encryption";

import { canonical } from "./canonical.ts";
import { InvalidFile, InvalidInput, Refused } from "./errors.ts";
import { address, hash32, integer, type Message } from "./model.ts";

const AGE_HEADER = utf8ToBytes("age-encryption.org/v1\n");
const IDENTITY = /^AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}$/;
/** Bytes of the encapsulation of an X-Wing key: ML-KEM ciphertext (1,088) ‖ X25519 point (32). */
const ENCAPSULATION = 1120;

/** What the item key of an item was wrapped for, so that the wrap opens in no other place. */
export interface SubjectContext {
  readonly chainId: number;
  readonly registry: string;
  /** `hashStruct` of the Record and of the Item. */
  readonly record: string;
  readonly item: string;
  /** Whose consent it is: the record's subject, or a steward. */
  readonly subject: string;
}

/** The bytes a subject's wrap is bound to. Throws InvalidMessage naming a field that is wrong. */
export function subjectInfo({ chainId, registry, record, item, subject }: SubjectContext): Uint8Array {
  return utf8ToBytes(canonical({
    v: 1, use: "subject", chainId: integer(chainId, "chainId"), registry: address(registry, "registry"),
    record: hash32(record, "record"), item: hash32(item, "item"), subject: address(subject, "subject"),
  }));
}

/**
 * The item key of a wrap made for this seed and context.
 *
 * @param wrapped 1,210 bytes.
 * @param seed 32 bytes, `PatientKeys.encryptionSeed`.
 * @param info `subjectInfo`.
 * @returns an age identity, AGE-SECRET-KEY-1…
 * @throws Refused it was made for another key or context, or changed.
 */
export async function openItemKey(wrapped: Uint8Array, seed: Uint8Array, info: Uint8Array): Promise<string> {
  if (seed.length !== 32) throw new InvalidInput("The encryption seed must be 32 bytes.");
  const refusal = "The key of this file was wrapped for somebody else or another record, or was changed.";
  const suite = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Chacha20Poly1305() });
  const { privateKey } = await new XWing().generateKeyPairDerand(seed.slice());
  let identity: string;
  try {
    const opened = await suite.open(
      { recipientKey: privateKey, enc: own(wrapped.slice(0, ENCAPSULATION)), info: own(info) },
      own(wrapped.slice(ENCAPSULATION)),
    );
    identity = new TextDecoder("utf-8", { fatal: true }).decode(opened);
  } catch {
    throw new Refused(refusal);
  }
  if (!IDENTITY.test(identity)) throw new Refused("What was wrapped is no item key.");
  return identity;
}

/**
 * Open a sealed item.
 *
 * @param sealed an age v1 file, whole.
 * @param identity the item key.
 * @param item what the record says the content is.
 * @returns the content, which is exactly what the record names.
 * @throws InvalidFile no sealed item, cut short, changed, or other content than the record names.
 * @throws Refused the key does not open it.
 */
export async function openSealed(
  sealed: Uint8Array, identity: string, item: Pick<Message<"Item">, "size" | "sha256">,
): Promise<Uint8Array> {
  if (!IDENTITY.test(identity)) throw new InvalidInput("The item key must be an age identity.");
  if (!AGE_HEADER.every((byte, i) => sealed[i] === byte)) {
    throw new InvalidFile("The file is not a sealed item (age v1).");
  }
  let plain: Uint8Array;
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  try {
    await decrypter.decryptHeader(sealed);
  } catch {
    throw new Refused("The key does not open this sealed file, or the file's header was changed.");
  }
  try {
    plain = await decrypter.decrypt(sealed);
  } catch {
    throw new InvalidFile("The sealed file is cut short or was changed.");
  }
  if (plain.length !== item.size || `0x${bytesToHex(sha256(plain))}` !== item.sha256) {
    throw new InvalidFile("The sealed file opens, but its content is not what the record names.");
  }
  return plain;
}

/** Bytes in a buffer of their own, as HPKE wants them. */
function own(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
