/** Passkeys that unlock the keystore: WebAuthn (level 3) with the PRF extension, which gives the same secret each time. */

import { randomBytes } from "@noble/hashes/utils.js";
import { base64urlnopad } from "@scure/base";

import { Refused } from "../core/errors.ts";
import type { Passkey, PasskeySlot } from "../core/keystore.ts";

/** The part of `navigator.credentials` that is used. */
export type Credentials = Pick<CredentialsContainer, "create" | "get">;

const MINUTE = 60_000;
/** Ed25519, ES256 and RS256. The signature is never looked at, but a passkey must have one. */
const ALGORITHMS = [-8, -7, -257];

/** Whether this device can make a passkey. Whether it has the PRF extension, only making one tells. */
export async function passkeyAvailable(): Promise<boolean> {
  if (typeof PublicKeyCredential === "undefined") return false;
  return PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable().catch(() => false);
}

/**
 * Make a passkey on this device.
 *
 * @param name what the device shows beside it.
 * @throws Refused the person said no, or the device's passkeys cannot unlock anything.
 */
export async function createPasskey(name: string, credentials: Credentials = navigator.credentials): Promise<Passkey> {
  const salt = randomBytes(32);
  const made = await asked(() =>
    credentials.create({
      publicKey: {
        rp: { name: "Volens" },
        // Random: nothing about the patient is told to whoever keeps the device's passkeys.
        user: { id: own(randomBytes(16)), name, displayName: name },
        challenge: own(randomBytes(32)),
        pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: "public-key", alg })),
        authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
        timeout: MINUTE,
        extensions: { prf: { eval: { first: own(salt) } } },
      },
    }),
  );
  const credential = base64urlnopad.encode(new Uint8Array(made.rawId));
  const { prf } = made.getClientExtensionResults();
  if (prf?.enabled !== true && prf?.results === undefined) {
    throw new Refused("This device's passkeys cannot unlock the wallet; go on using the passphrase.");
  }
  // Some devices answer only when they are asked again.
  const secret = secretOf(prf) ?? (await usePasskey([{ credential, salt: base64urlnopad.encode(salt) }], credentials)).secret;
  return { credential, salt, secret, name };
}

/**
 * Ask for one of the passkeys of a keystore.
 *
 * @throws Refused the person said no, or the device has none of them.
 */
export async function usePasskey(
  slots: readonly Pick<PasskeySlot, "credential" | "salt">[], credentials: Credentials = navigator.credentials,
): Promise<{ credential: string; secret: Uint8Array }> {
  const evalByCredential = Object.fromEntries(
    slots.map(({ credential, salt }) => [credential, { first: own(base64urlnopad.decode(salt)) }]),
  );
  const used = await asked(() =>
    credentials.get({
      publicKey: {
        challenge: own(randomBytes(32)),
        allowCredentials: slots.map(({ credential }) => ({
          type: "public-key", id: own(base64urlnopad.decode(credential)),
        })),
        userVerification: "required",
        timeout: MINUTE,
        extensions: { prf: { evalByCredential } },
      },
    }),
  );
  const secret = secretOf(used.getClientExtensionResults().prf);
  if (secret === undefined) throw new Refused("This passkey gave no secret to unlock with; use the passphrase.");
  return { credential: base64urlnopad.encode(new Uint8Array(used.rawId)), secret };
}

async function asked(ask: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  let found: Credential | null;
  try {
    found = await ask();
  } catch {
    throw new Refused("The passkey was not used. Try again, or use the passphrase.");
  }
  if (found === null) throw new Refused("The passkey was not used. Try again, or use the passphrase.");
  return found as PublicKeyCredential;
}

function secretOf(prf: AuthenticationExtensionsPRFOutputs | undefined): Uint8Array | undefined {
  const first = prf?.results?.first;
  if (first === undefined) return undefined;
  return first instanceof ArrayBuffer ? new Uint8Array(first) : new Uint8Array(first.buffer, first.byteOffset, first.byteLength);
}

/** Bytes in a buffer of their own, as the browser's functions want them. */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
