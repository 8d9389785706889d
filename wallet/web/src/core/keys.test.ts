import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { describe, expect, test } from "vitest";

import vectors from "../../../../tests/vectors/keys.json";
import { InvalidInput } from "./errors.ts";
import {
  MAX_INDEX, PatientKeys, SigningKey, checkWords, entropyToWords, newWords, partyEncryptionKey,
  wordsToEntropy,
} from "./keys.ts";
import { Domain, recover } from "./typed_data.ts";

const domain = new Domain(vectors.domain.chainId, vectors.domain.verifyingContract);

describe.each(vectors.patients)("the patient of entropy $entropy", ({ words, entropy, vaultKey, subjects }) => {
  const keys = new PatientKeys(words);

  test("has these words and this vault key", () => {
    expect(bytesToHex(wordsToEntropy(words))).toBe(entropy);
    expect(entropyToWords(hexToBytes(entropy))).toBe(words);
    expect(bytesToHex(keys.vaultKey())).toBe(vaultKey);
  });

  test.each(subjects)("subject $index", async (subject) => {
    const signing = keys.subject(subject.index);
    expect(signing.address).toBe(subject.address);
    const closure = { subject: subject.address };
    expect(signing.signTyped(domain, "Closure", closure)).toBe(subject.closureSignature);
    expect(recover(domain.digest("Closure", closure), subject.closureSignature)).toBe(subject.address);
    expect(bytesToHex(keys.encryptionSeed(subject.index))).toBe(subject.encryptionSeed);
    const encryption = await keys.encryptionKey(subject.index);
    expect(encryption.length).toBe(1216);
    expect(bytesToHex(sha256(encryption))).toBe(subject.publicKeySha256);
  });

  test.each([-1, MAX_INDEX + 1, 0.5, NaN])("there is no subject %d", (index) => {
    expect(() => keys.subject(index)).toThrow(InvalidInput);
    expect(() => keys.encryptionSeed(index)).toThrow(InvalidInput);
  });
});

test.each(vectors.parties)("the party $address", async (party) => {
  const secret = hexToBytes(party.secret);
  const signing = new SigningKey(secret);
  expect(signing.address).toBe(party.address);
  expect(signing.signTyped(domain, "Closure", { subject: party.address })).toBe(party.closureSignature);
  expect(bytesToHex(sha256(await partyEncryptionKey(secret)))).toBe(party.publicKeySha256);
  expect(JSON.stringify(signing)).toBe(JSON.stringify({ address: party.address }));
});

test.each(vectors.invalidWords)("words are refused, and not repeated: $why", ({ words }) => {
  expect(() => new PatientKeys(words)).toThrow(InvalidInput);
  expect(() => checkWords(words)).toThrow(/^(?!.*aband).*$/s);
});

test("words are read in any case and with any white space, and fresh ones are 24", () => {
  const [patient] = vectors.patients;
  expect(checkWords(`  ${patient?.words.toUpperCase().replaceAll(" ", "\n\t ")} `)).toBe(patient?.words);
  expect(checkWords(newWords()).split(" ")).toHaveLength(24);
  expect(newWords()).not.toBe(newWords());
});

test.each(["00".repeat(32), "ff".repeat(32), "01".repeat(31), "01".repeat(33)])("%s is no private key", async (secret) => {
  expect(() => new SigningKey(hexToBytes(secret))).toThrow(InvalidInput);
  await expect(partyEncryptionKey(hexToBytes(secret))).rejects.toThrow(InvalidInput);
});

test("only a digest of 32 bytes is signed", () => {
  expect(() => new SigningKey(new Uint8Array(32).fill(1)).sign(new Uint8Array(31))).toThrow(InvalidInput);
});
