import { hexToBytes } from "@noble/hashes/utils.js";
import fc from "fast-check";
import { expect, test } from "vitest";

import vectors from "../../../../tests/vectors/keystore.json";
import { InvalidFile, InvalidInput, Refused } from "./errors.ts";
import { COST, lockFile, unlockFile } from "./web3_keystore.ts";

const secret = hexToBytes(vectors.secret);
const [first] = vectors.python;

test.each([...vectors.python, ...vectors.page])("a $kind file written by $by opens", async ({ kind, file }) => {
  expect(await unlockFile(file, vectors.passphrase)).toEqual({ kind, secret });
});

test.each(["words", "key"] as const)("a %s file goes out and comes back; the secret is not in it", async (kind) => {
  const text = JSON.stringify(await lockFile(secret, vectors.passphrase, kind, 4096));
  expect(text).not.toContain(vectors.secret);
  const file = JSON.parse(text) as Record<string, unknown>;
  expect(file["address"]).toBe(kind === "key" ? vectors.address.slice(2).toLowerCase() : undefined);
  expect(file["id"]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(await unlockFile(file, vectors.passphrase)).toEqual({ kind, secret });
  await expect(unlockFile(file, `${vectors.passphrase}!`)).rejects.toThrow(Refused);
});

test.each(vectors.refused)("refused: $why", async ({ path, value }) => {
  const changed = JSON.parse(JSON.stringify(first?.file)) as Record<string, unknown>;
  let at = changed;
  for (const name of path.slice(0, -1)) at = at[name] as Record<string, unknown>;
  at[path.at(-1) ?? ""] = value;
  await expect(unlockFile(changed, vectors.passphrase)).rejects.toThrow(InvalidFile);
});

test("a key's address cannot be another's, and a kind cannot be taken for the other", async () => {
  const key = vectors.python[1]?.file as Record<string, unknown>;
  await expect(unlockFile({ ...key, address: "11".repeat(20) }, vectors.passphrase)).rejects.toThrow(InvalidFile);
  await expect(unlockFile({ ...key, volens: { kind: "words" } }, vectors.passphrase)).rejects.toThrow(InvalidFile);
});

test("pbkdf2 is read with hmac-sha256 only", async () => {
  const file = vectors.python[3]?.file as unknown as { Crypto: { kdfparams: object } };
  const other = { ...file, Crypto: { ...file.Crypto, kdfparams: { ...file.Crypto.kdfparams, prf: "hmac-sha512" } } };
  await expect(unlockFile(other, vectors.passphrase)).rejects.toThrow(InvalidFile);
});

test("anything else is refused and named", async () => {
  await fc.assert(fc.asyncProperty(fc.jsonValue(), async (value) => {
    await expect(unlockFile(value, "12345678")).rejects.toThrow(InvalidFile);
  }));
});

test.each([2 ** 11, 2 ** 20, 5000])("a cost of %d is not taken", async (n) => {
  await expect(lockFile(secret, vectors.passphrase, "key", n)).rejects.toThrow(InvalidInput);
});

test("a short passphrase and a secret that is no key are not taken; the real cost is that of other wallets", async () => {
  await expect(lockFile(secret, "1234567", "key", 4096)).rejects.toThrow(InvalidInput);
  await expect(lockFile(new Uint8Array(32), vectors.passphrase, "words", 4096)).rejects.toThrow(InvalidInput);
  await expect(lockFile(secret.slice(1), vectors.passphrase, "words", 4096)).rejects.toThrow(InvalidInput);
  expect(COST).toBe(131072);
});
