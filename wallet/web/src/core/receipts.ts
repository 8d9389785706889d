/** Relay receipts: the operator's signed word that it received a message. The reading half of `ledger/receipts.py`. */

import { ed25519 } from "@noble/curves/ed25519.js";
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";

import { canonical } from "./canonical.ts";
import { InvalidProof, VolensError } from "./errors.ts";
import { exactly } from "./json.ts";
import { InvalidMessage, address, hash32, integer } from "./model.ts";
import { PATHS, type SignedMessage } from "./signed_message.ts";
import type { Domain } from "./typed_data.ts";

/** What is signed begins with this, so that no signature of the key over anything else passes for one. */
const CONTEXT = utf8ToBytes("volens/relay-receipt/v1\n");
const NAMES = ["v", "chainId", "registry", "type", "digest", "subject", "signer", "id", "receivedAt"] as const;

/** What the operator says it received; `receivedAt` in Unix seconds. As in docs/receipts.md. */
export interface Receipt {
  readonly v: 1;
  readonly chainId: number;
  readonly registry: string;
  readonly type: string;
  readonly digest: string;
  readonly subject: string;
  readonly signer: string;
  readonly id: string;
  readonly receivedAt: number;
}

/** A receipt as it is handed out, kept and written. */
export interface SignedReceipt {
  readonly receipt: Receipt;
  readonly key: string;
  readonly signature: string;
}

/**
 * A receipt, once it is shown to be the operator's and of this message.
 *
 * @param publicKey 64 hex digits without 0x: the operator's key from a source that is trusted, never from the receipt.
 * @throws InvalidProof malformed, of another ledger or message, or not signed by this key.
 */
export function verifyReceipt(value: unknown, publicKey: string, sent: SignedMessage, domain: Domain): SignedReceipt {
  const signed = readReceipt(value);
  if (signed.key !== `0x${publicKey}`) throw new InvalidProof("The receipt is signed with another key than the operator's.");
  const told = concatBytes(CONTEXT, utf8ToBytes(canonical(signed.receipt)));
  let holds = false;
  try {
    // RFC 8032 strictly, as in Python; not ZIP 215, which takes more.
    holds = ed25519.verify(hexToBytes(signed.signature.slice(2)), told, hexToBytes(publicKey), { zip215: false });
  } catch {
    // not a point, or not 64 bytes
  }
  if (!holds) throw new InvalidProof("The receipt's signature is wrong.");
  const { receipt } = signed;
  if (receipt.chainId !== domain.chainId || receipt.registry !== domain.registry) {
    throw new InvalidProof("The receipt is of another ledger.");
  }
  const digest = `0x${bytesToHex(domain.digest(sent.type, sent.message))}`;
  const same = receipt.type === sent.type && receipt.digest === digest && receipt.signer === sent.signer &&
    receipt.subject === sent.message.subject;
  if (!same) throw new InvalidProof("The receipt is of another message than the one that was sent.");
  return signed;
}

/** Read a receipt in its one form. Its signature is not looked at. Throws InvalidProof. */
export function readReceipt(value: unknown): SignedReceipt {
  try {
    const { receipt, key, signature } = exactly(value, "a signed receipt", ["receipt", "key", "signature"]);
    const given = exactly(receipt, "a receipt", NAMES);
    if (given.v !== 1) throw new InvalidMessage("v", "must be 1");
    if (typeof given.type !== "string" || !Object.hasOwn(PATHS, given.type)) {
      throw new InvalidMessage("type", "is not the type of a message that is relayed");
    }
    if (typeof given.id !== "string" || !/^rly_[0-9a-f]{32}$/.test(given.id)) {
      throw new InvalidMessage("id", "is not the id of a relay");
    }
    if (typeof signature !== "string" || !/^0x[0-9a-f]{128}$/.test(signature)) {
      throw new InvalidMessage("signature", "must be 64 bytes in hexadecimal");
    }
    const found: Receipt = Object.freeze({
      v: 1, chainId: integer(given.chainId, "chainId"), registry: address(given.registry, "registry"), type: given.type,
      digest: hash32(given.digest, "digest"), subject: address(given.subject, "subject"),
      signer: address(given.signer, "signer"), id: given.id, receivedAt: integer(given.receivedAt, "receivedAt"),
    });
    if (canonical(found) !== canonical(receipt)) {
      throw new InvalidMessage("receipt", "must have its addresses with their checksums");
    }
    return Object.freeze({ receipt: found, key: hash32(key, "key"), signature });
  } catch (error) {
    if (!(error instanceof VolensError)) throw error;
    throw new InvalidProof(`The receipt is malformed: ${error.message}.`);
  }
}
