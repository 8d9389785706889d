/** Sign-In with Ethereum (ERC-4361): the messages the page writes, in the one spelling that `ledger/siwe.py` reads. */

import { keccak_256 } from "@noble/hashes/sha3.js";
import { concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { base64urlnopad } from "@scure/base";

import { InvalidInput } from "./errors.ts";
import { ENCRYPTION_KEY_SIZE, address, integer } from "./model.ts";

/** Seconds a sign-in message lasts. */
export const SIGN_IN_LIFE = 300;
const DOMAIN = /^[a-zA-Z0-9.:[\]-]{1,255}$/;
const PRINTABLE = /^[ -~]{1,1000}$/;
const URI = /^[!-~]{1,2048}$/;
const NONCE = /^[a-zA-Z0-9]{8,64}$/;
const RESOURCE = /^[!-~]{1,4096}$/;
const SIGN_IN = "Sign in to Volens.";
const ANSWER = "Answer an invitation with a fresh pseudonym for one record.";

/** What a message says. Times are Unix seconds; `domain` is the host and port of the service, `uri` what it is for. */
export interface SignIn {
  readonly domain: string;
  readonly address: string;
  readonly statement: string;
  readonly uri: string;
  readonly chainId: number;
  readonly nonce: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly resources?: readonly string[];
}

/** Where the page talks to, and when: what every message to a service has in common. `url` has no slash at its end. */
export interface Place {
  readonly url: string;
  readonly chainId: number;
  readonly nonce: string;
  readonly at: number;
}

/**
 * The message as it is signed and sent.
 *
 * @throws InvalidInput a part has characters that could be taken for another part of the message.
 */
export function signInText(said: SignIn): string {
  const resources = said.resources ?? [];
  const wrong =
    (!DOMAIN.test(said.domain) && "domain") || (!PRINTABLE.test(said.statement) && "statement") ||
    (!URI.test(said.uri) && "uri") || (!NONCE.test(said.nonce) && "nonce") ||
    (!resources.every((resource) => RESOURCE.test(resource)) && "resources");
  if (wrong) throw new InvalidInput(`The sign-in message cannot carry this ${wrong}.`);
  return [
    `${said.domain} wants you to sign in with your Ethereum account:`,
    address(said.address, "address"),
    "",
    said.statement,
    "",
    `URI: ${said.uri}`,
    "Version: 1",
    `Chain ID: ${integer(said.chainId, "chainId")}`,
    `Nonce: ${said.nonce}`,
    `Issued At: ${rfc3339(said.issuedAt)}`,
    `Expiration Time: ${rfc3339(said.expiresAt)}`,
    ...(resources.length > 0 ? ["Resources:", ...resources.map((resource) => `- ${resource}`)] : []),
  ].join("\n");
}

/** The message that signs an address in at a service. */
export function signInMessage(subject: string, { url, chainId, nonce, at }: Place): string {
  return signInText({
    domain: new URL(url).host, address: subject, statement: SIGN_IN, uri: url, chainId, nonce,
    issuedAt: at, expiresAt: at + SIGN_IN_LIFE,
  });
}

/**
 * The message with which a fresh pseudonym answers an invitation: the twin of `answer` in `ledger/invitations.py`.
 *
 * @param encryptionKey 1,216 bytes, the X-Wing public key to which item keys will be wrapped.
 */
export function invitationAnswer(
  token: string, subject: string, encryptionKey: Uint8Array, { url, chainId, nonce, at }: Place,
): string {
  if (encryptionKey.length !== ENCRYPTION_KEY_SIZE) {
    throw new InvalidInput("The answer must carry an X-Wing public key of 1,216 bytes.");
  }
  return signInText({
    domain: new URL(url).host, address: subject, statement: ANSWER, uri: `${url}/v1/invitations/${token}/claim`,
    chainId, nonce, issuedAt: at, expiresAt: at + SIGN_IN_LIFE,
    resources: [`urn:volens:x-wing:${base64urlnopad.encode(encryptionKey)}`],
  });
}

/** The 32 bytes signed for a text by `personal_sign` (ERC-191, version 0x45). */
export function personalDigest(text: string): Uint8Array {
  const bytes = utf8ToBytes(text);
  return keccak_256(concatBytes(utf8ToBytes(`\x19Ethereum Signed Message:\n${bytes.length}`), bytes));
}

function rfc3339(seconds: number): string {
  return new Date(integer(seconds, "time", 253_402_300_799) * 1000).toISOString().replace(/\.000Z$/, "Z");
}
