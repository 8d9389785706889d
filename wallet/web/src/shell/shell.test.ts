import { describe, expect, test } from "vitest";

import { Refused } from "../core/errors.ts";
import { addPasskey, createKeystore, passkeys, unlockWithPasskey } from "../core/keystore.ts";
import { AutoLock, type Clock } from "./autolock.ts";
import { createPasskey, usePasskey, type Credentials } from "./passkey.ts";
import { MemoryStorage } from "./storage.ts";

class FakeClock implements Clock {
  time = 0;
  #waiting: { at: number; act: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(milliseconds: number, act: () => void): () => void {
    const entry = { at: this.time + milliseconds, act };
    this.#waiting.push(entry);
    return () => (this.#waiting = this.#waiting.filter((one) => one !== entry));
  }

  pass(milliseconds: number): void {
    this.time += milliseconds;
    for (const one of this.#waiting.filter(({ at }) => at <= this.time)) {
      this.#waiting = this.#waiting.filter((other) => other !== one);
      one.act();
    }
  }
}

describe("the lock", () => {
  const locked = (): { clock: FakeClock; lock: AutoLock; times: () => number } => {
    let count = 0;
    const clock = new FakeClock();
    return { clock, lock: new AutoLock(1000, () => count++, clock), times: () => count };
  };

  test("comes once, after the time without a touch", () => {
    const { clock, lock, times } = locked();
    clock.pass(999);
    lock.touch();
    clock.pass(999);
    expect(times()).toBe(0);
    clock.pass(1);
    expect(times()).toBe(1);
    clock.pass(5000);
    lock.touch();
    expect(lock.check()).toBe(false);
    expect(times()).toBe(1);
  });

  test("comes before a touch that is too late, since timers stand still while a device sleeps", () => {
    const { clock, lock, times } = locked();
    clock.time = 5000;
    lock.touch();
    expect(times()).toBe(1);
  });

  test("comes when the clock is set back", () => {
    const { clock, lock, times } = locked();
    clock.time = -1;
    expect(lock.check()).toBe(false);
    expect(times()).toBe(1);
  });

  test("does not come after it was stopped", () => {
    const { clock, lock, times } = locked();
    lock.stop();
    clock.pass(2000);
    expect(times()).toBe(0);
  });
});

test("what is stored is a copy, and is gone when removed", async () => {
  const storage = new MemoryStorage();
  const bytes = Uint8Array.of(1, 2);
  await storage.set("book", bytes);
  bytes[0] = 9;
  expect(await storage.get("book")).toEqual(Uint8Array.of(1, 2));
  await storage.remove("book");
  expect(await storage.get("book")).toBeUndefined();
});

/** A device with one passkey whose pseudo-random function adds 1 to each byte it is asked. */
function device({ prf = true, atOnce = true, refuses = false } = {}): Credentials & { asked: PublicKeyCredentialCreationOptions[] } {
  const rawId = Uint8Array.of(1, 2, 3).buffer;
  const answer = (first: Uint8Array): { results: { first: ArrayBuffer } } => ({ results: { first: first.map((byte) => byte + 1).slice().buffer } });
  const asked: PublicKeyCredentialCreationOptions[] = [];
  const credential = (results: object): Credential => ({ rawId, getClientExtensionResults: () => results }) as unknown as Credential;
  return {
    asked,
    create: (options) => {
      if (refuses) return Promise.reject(new DOMException("no", "NotAllowedError"));
      const first = options?.publicKey?.extensions?.prf?.eval?.first as Uint8Array;
      if (options?.publicKey) asked.push(options.publicKey);
      return Promise.resolve(credential(prf ? { prf: { enabled: true, ...(atOnce ? answer(first) : {}) } } : {}));
    },
    get: (options) => {
      if (refuses) return Promise.resolve(null);
      const first = options?.publicKey?.extensions?.prf?.evalByCredential?.["AQID"]?.first as Uint8Array;
      return Promise.resolve(credential(prf ? { prf: answer(first) } : {}));
    },
  };
}

describe("a passkey", () => {
  const entropy = new Uint8Array(32).fill(7);

  test.each([true, false])("unlocks the keystore it was added to (answers when made: %s)", async (atOnce) => {
    const phone = device({ atOnce });
    const made = await createPasskey("My phone", phone);
    const keystore = addPasskey(
      await createKeystore(entropy, "a passphrase", { memory: 64, passes: 1, lanes: 1 }), entropy, made,
    );
    const used = await usePasskey(passkeys(keystore), phone);
    expect(unlockWithPasskey(keystore, used.credential, used.secret)).toEqual(entropy);
    expect(phone.asked[0]?.authenticatorSelection?.userVerification).toBe("required");
  });

  test("without the extension is not taken", async () => {
    await expect(createPasskey("Old phone", device({ prf: false }))).rejects.toThrow(Refused);
    await expect(usePasskey([{ credential: "AQID", salt: "A".repeat(43) }], device({ prf: false }))).rejects.toThrow(Refused);
  });

  test("that the person declines is a refusal, not a fault", async () => {
    await expect(createPasskey("Phone", device({ refuses: true }))).rejects.toThrow(Refused);
    await expect(usePasskey([{ credential: "AQID", salt: "A".repeat(43) }], device({ refuses: true }))).rejects.toThrow(Refused);
  });
});
