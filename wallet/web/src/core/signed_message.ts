/** A signed message that anybody may relay, as it is kept and as a file: the twin of `ledger/signed_message.py`. */

import { canonical } from "./canonical.ts";
import { InvalidFile, VolensError, WrongChain } from "./errors.ts";
import { exactly, parse } from "./json.ts";
import type { SigningKey } from "./keys.ts";
import { InvalidMessage, address, integer, read } from "./model.ts";
import { Domain, recover } from "./typed_data.ts";

/** Characters of the longest file we read: as long as the longest request a service takes. */
export const MAX_MESSAGE = 2 ** 20;

/** Where a service takes each of the messages that anybody may relay. */
export const PATHS = Object.freeze({
  Consent: "/v1/consents",
  Revocation: "/v1/revocations",
  RevokeAll: "/v1/revocations/all",
  Suspension: "/v1/suspensions",
  Closure: "/v1/closures",
  Delegation: "/v1/delegations",
} as const);
export type RelayedType = keyof typeof PATHS;

/** As it is kept and written; `message` has exactly the fields of its type. `signer` is the subject or a delegate. */
export interface SignedMessage {
  readonly v: 1;
  readonly chainId: number;
  readonly registry: string;
  readonly type: RelayedType;
  readonly message: Readonly<Record<string, unknown>> & { readonly subject: string };
  readonly signer: string;
  readonly signature: string;
}

/** Sign a message in the pinned domain. Throws InvalidMessage for one that is not valid. */
export function sign(domain: Domain, type: RelayedType, message: unknown, key: SigningKey): SignedMessage {
  const checked = read(type, message);
  return Object.freeze({
    v: 1, chainId: domain.chainId, registry: domain.registry, type, message: checked,
    signer: key.address, signature: key.signTyped(domain, type, checked),
  });
}

/** As a service takes it. */
export function bodyOf({ message, signer, signature }: SignedMessage): object {
  return { message, signer, signature };
}

/** Read a signed message from parsed JSON. Whether the signature is right is not looked at. Throws InvalidMessage. */
export function readSigned(value: unknown): SignedMessage {
  const names = ["v", "chainId", "registry", "type", "message", "signer", "signature"] as const;
  const given = exactly(value, "a signed message", names);
  if (given.v !== 1) throw new InvalidMessage("v", "must be 1");
  if (typeof given.type !== "string" || !Object.hasOwn(PATHS, given.type)) {
    throw new InvalidMessage("type", `must be one of ${Object.keys(PATHS).join(", ")}`);
  }
  const type = given.type as RelayedType;
  if (typeof given.signature !== "string" || !/^0x(?:[0-9a-f]{2})+$/.test(given.signature)) {
    throw new InvalidMessage("signature", "must be bytes: 0x and lower-case hexadecimal digits");
  }
  return Object.freeze({
    v: 1, chainId: integer(given.chainId, "chainId"), registry: address(given.registry, "registry"), type,
    message: read(type, given.message), signer: address(given.signer, "signer"), signature: given.signature,
  });
}

/** The file: canonical JSON (RFC 8785), which `volens relay FILE` and any relayer take. */
export function toFile(signed: SignedMessage): string {
  return canonical(signed);
}

/** Read a file. Throws InvalidFile: it holds no signed message; says what is wrong. */
export function fromFile(text: string): SignedMessage {
  if (text.length > MAX_MESSAGE) throw new InvalidFile("This file is too long to hold a signed message.");
  try {
    const value = parse(text, "file");
    if (canonical(value) !== text) throw new InvalidMessage("file", "is not in canonical form (RFC 8785)");
    return readSigned(value);
  } catch (error) {
    if (!(error instanceof VolensError)) throw error;
    throw new InvalidFile(`This file does not hold a signed message. ${error.message}.`);
  }
}

/**
 * Whether the signer's own key signed this, rather than perhaps its contract.
 *
 * @throws WrongChain it is for another ledger.
 */
export function isSigned(signed: SignedMessage, domain: Domain): boolean {
  if (signed.chainId !== domain.chainId || signed.registry !== domain.registry) {
    throw new WrongChain("This message was signed for another ledger. It is worth nothing here.");
  }
  try {
    return recover(domain.digest(signed.type, signed.message), signed.signature) === signed.signer;
  } catch (error) {
    if (error instanceof InvalidMessage) return false;
    throw error;
  }
}
