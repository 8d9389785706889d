import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { InvalidFile, InvalidInput, Refused } from "./errors.ts";
import {
  COST, addPasskey, changePassphrase, createKeystore, passkeys, readKeystore, removePasskey, unlockWithPasskey,
  unlockWithPassphrase, type Keystore, type Passkey,
} from "./keystore.ts";

const cheap = { memory: 64, passes: 1, lanes: 1 };
const entropy = Uint8Array.from({ length: 32 }, (_, i) => i);
const passphrase = "a cat on a mat";
const stored = async (): Promise<Keystore> => readKeystore(JSON.parse(JSON.stringify(await createKeystore(entropy, passphrase, cheap))));
const passkey = (fill: number, name = "phone"): Passkey => ({
  credential: `cred${fill}A`.slice(0, 6), salt: new Uint8Array(32).fill(fill), secret: new Uint8Array(32).fill(fill + 100), name,
});

test("a passphrase opens what it locked, after JSON and in any Unicode spelling", async () => {
  for (const secret of [entropy, entropy.slice(0, 16)]) {
    const keystore = readKeystore(JSON.parse(JSON.stringify(await createKeystore(secret, "Zürich ﬁsh", cheap))));
    expect(await unlockWithPassphrase(keystore, "Zu\u0308rich fish")).toEqual(secret);
  }
});

test("the entropy is nowhere to be read, and two keystores share nothing", async () => {
  const [one, other] = [JSON.stringify(await stored()), JSON.stringify(await stored())];
  expect(one).not.toBe(other);
  expect(one).not.toContain("AAECAwQFBgcICQ");
  expect(one).not.toContain("00010203040506");
});

test("a wrong passphrase is refused", async () => {
  await expect(unlockWithPassphrase(await stored(), "a cat on a hat")).rejects.toThrow(Refused);
});

test.each([["short", "1234567"], ["half a character", "12345678\ud800"], ["very long", "x".repeat(1025)]])(
  "a passphrase is not taken: %s", async (_, wrong) => {
    await expect(createKeystore(entropy, wrong, cheap)).rejects.toThrow(InvalidInput);
  },
);

test("what is no entropy of words is not locked", async () => {
  await expect(createKeystore(entropy.slice(0, 20), passphrase, cheap)).rejects.toThrow(InvalidInput);
});

test("the real cost is the one RFC 9106 recommends", () => {
  expect(COST).toEqual({ memory: 64 * 1024, passes: 3, lanes: 4 });
});

test("progress ends at 1", async () => {
  const seen: number[] = [];
  await unlockWithPassphrase(await stored(), passphrase, (done) => seen.push(done));
  expect(seen.at(-1)).toBe(1);
});

test("a new passphrase opens and the old one no longer does; passkeys stay", async () => {
  const changed = await changePassphrase(addPasskey(await stored(), entropy, passkey(1)), entropy, "another one", cheap);
  expect(await unlockWithPassphrase(changed, "another one")).toEqual(entropy);
  await expect(unlockWithPassphrase(changed, passphrase)).rejects.toThrow(Refused);
  expect(unlockWithPasskey(changed, passkey(1).credential, passkey(1).secret)).toEqual(entropy);
});

describe("a passkey", () => {
  test("unlocks, beside the passphrase and other passkeys, until it is removed", async () => {
    const both = addPasskey(addPasskey(await stored(), entropy, passkey(1)), entropy, passkey(2, "key"));
    const read = readKeystore(JSON.parse(JSON.stringify(both)));
    expect(passkeys(read).map(({ name }) => name)).toEqual(["phone", "key"]);
    expect(unlockWithPasskey(read, passkey(2).credential, passkey(2).secret)).toEqual(entropy);
    expect(await unlockWithPassphrase(read, passphrase)).toEqual(entropy);
    const one = removePasskey(read, passkey(2).credential);
    expect(() => unlockWithPasskey(one, passkey(2).credential, passkey(2).secret)).toThrow(Refused);
    expect(unlockWithPasskey(one, passkey(1).credential, passkey(1).secret)).toEqual(entropy);
  });

  test("added again replaces itself", async () => {
    const twice = addPasskey(addPasskey(await stored(), entropy, passkey(1)), entropy, passkey(1, "new phone"));
    expect(passkeys(twice).map(({ name }) => name)).toEqual(["new phone"]);
  });

  test("is one too many after fifteen, and has a name of at most 64 characters", async () => {
    let keystore = await stored();
    for (let i = 0; i < 15; i++) keystore = addPasskey(keystore, entropy, { ...passkey(i), credential: `A${"ABCDEFGHIJKLMNO"[i]}AA` });
    expect(() => addPasskey(keystore, entropy, passkey(99))).toThrow(InvalidInput);
    expect(passkeys(addPasskey(await stored(), entropy, passkey(1, "x".repeat(100))))[0]?.name).toHaveLength(64);
  });

  test("with another secret, or without PRF, is refused", async () => {
    const keystore = addPasskey(await stored(), entropy, passkey(1));
    expect(() => unlockWithPasskey(keystore, passkey(1).credential, passkey(2).secret)).toThrow(Refused);
    expect(() => addPasskey(keystore, entropy, { ...passkey(3), secret: new Uint8Array() })).toThrow(InvalidInput);
  });
});

describe("a keystore from anywhere", () => {
  const change = async (edit: (slot: Record<string, unknown>, top: Record<string, unknown>) => void): Promise<unknown> => {
    const top = JSON.parse(JSON.stringify(addPasskey(await stored(), entropy, passkey(1)))) as {
      slots: Record<string, unknown>[];
    } & Record<string, unknown>;
    edit(top.slots[0] ?? {}, top);
    return top;
  };

  test.each<[string, (slot: Record<string, unknown>, top: Record<string, unknown>) => void]>([
    ["another version", (_, top) => (top["version"] = 2)],
    ["no slots", (_, top) => (top["slots"] = [])],
    ["no passphrase", (_, top) => (top["slots"] = (top["slots"] as unknown[]).slice(1))],
    ["two passphrases", (slot, top) => (top["slots"] = [slot, slot])],
    ["one more field", (_, top) => (top["more"] = 1)],
    ["one more field of a slot", (slot) => (slot["more"] = 1)],
    ["a field less", (slot) => delete slot["salt"]],
    ["too much memory", (slot) => (slot["memory"] = 2 ** 20)],
    ["too many passes", (slot) => (slot["passes"] = 11)],
    ["too many lanes", (slot) => (slot["lanes"] = 9)],
    ["half a pass", (slot) => (slot["passes"] = 1.5)],
    ["memory as text", (slot) => (slot["memory"] = "64")],
    ["a short salt", (slot) => (slot["salt"] = "AAAA")],
    ["no base64", (slot) => (slot["sealed"] = "?".repeat(96))],
    ["another size", (slot) => (slot["sealed"] = "A".repeat(90))],
    ["a very long name", (_, top) => (((top["slots"] as Record<string, unknown>[])[1] ?? {})["name"] = "x".repeat(65))],
    ["an unknown way", (slot) => (slot["type"] = "pin")],
  ])("is not read: %s", async (_, edit) => {
    expect(() => readKeystore({})).toThrow(InvalidFile);
    const changed = await change(edit);
    expect(() => readKeystore(changed)).toThrow(InvalidFile);
  });

  test("does not open when what it says of itself was changed within the bounds", async () => {
    const keystore = readKeystore(await change((slot) => (slot["passes"] = 2)));
    await expect(unlockWithPassphrase(keystore, passphrase)).rejects.toThrow(Refused);
    const renamed = readKeystore(await change((_, top) => (((top["slots"] as Record<string, unknown>[])[1] ?? {})["name"] = "mine")));
    expect(() => unlockWithPasskey(renamed, passkey(1).credential, passkey(1).secret)).toThrow(Refused);
  });

  test("is refused, whatever it is, without another kind of error", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => readKeystore(value)).toThrow(InvalidFile);
      }),
    );
  });
});
