import { ed25519 } from "@noble/curves/ed25519.js";
import { bytesToHex, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import vectors from "../../../../tests/vectors/wallet.json";
import {
  caseOf, emptyBook, freshIndex, grantHash, grantOf, openBook, sealBook, withCase, withGrants, type Contents,
} from "./book.ts";
import { canonical } from "./canonical.ts";
import { domainOf, readDeployment } from "./deployment.ts";
import { InvalidFile, InvalidInput, InvalidProof, WrongChain } from "./errors.ts";
import { PatientKeys } from "./keys.ts";
import { InvalidMessage } from "./model.ts";
import { readReceipt, verifyReceipt } from "./receipts.ts";
import { bodyOf, fromFile, isSigned, readSigned, sign, toFile, type RelayedType } from "./signed_message.ts";
import { Domain } from "./typed_data.ts";

const keys = new PatientKeys(vectors.words);
const vaultKey = keys.vaultKey();
const domain = domainOf(readDeployment(vectors.deployment));
const python = openBook(vaultKey, hexToBytes(vectors.books.python));

describe("a signed message", () => {
  test.each(vectors.signed)("$type is the file that Python writes, signature and all", ({ type, file, digest }) => {
    const read = fromFile(file);
    expect(read.type).toBe(type);
    expect(toFile(read)).toBe(file);
    expect(`0x${bytesToHex(domain.digest(read.type, read.message))}`).toBe(digest);
    expect(isSigned(read, domain)).toBe(true);
    expect(toFile(sign(domain, type as RelayedType, read.message, keys.subject(vectors.index)))).toBe(file);
    expect(Object.keys(bodyOf(read))).toEqual(["message", "signer", "signature"]);
  });

  test.each([
    ["no JSON", (text: string) => text.slice(1)],
    ["a space", (text: string) => text.replace(",", ", ")],
    ["a field more", (text: string) => text.replace("{", '{"a":1,')],
    ["another version", (text: string) => text.replace('"v":1', '"v":2')],
    ["a type that is not relayed", (text: string) => text.replace('"type":"Closure"', '"type":"Record"')],
    ["a member of every object", (text: string) => text.replace('"type":"Closure"', '"type":"constructor"')],
    ["no signature", (text: string) => text.replace(/"signature":"[^"]*"/, '"signature":"0x"')],
    ["a signature in capitals", (text: string) => text.replace(/"signature":"0x../, '"signature":"0xAB')],
  ])("is not read: %s", (_, change) => {
    const file = vectors.signed.find(({ type }) => type === "Closure")?.file ?? "";
    expect(() => fromFile(change(file))).toThrow(InvalidFile);
  });

  test("longer than a message can be is not even parsed", () => {
    expect(() => fromFile("x".repeat(2 ** 20 + 1))).toThrow(/too long/);
  });

  test("of a type that nobody relays is not kept either", () => {
    const closure = JSON.parse(vectors.signed.find(({ type }) => type === "Closure")?.file ?? "") as object;
    for (const type of ["Witness", "toString", 7]) expect(() => readSigned({ ...closure, type })).toThrow(/must be one of Consent/);
  });

  test("of another ledger is refused, and another signer's is not hers", () => {
    const [first] = vectors.signed;
    const read = fromFile(first?.file ?? "");
    expect(() => isSigned(read, new Domain(1, domain.registry))).toThrow(WrongChain);
    expect(isSigned({ ...read, signer: domain.registry }, domain)).toBe(false);
    expect(isSigned({ ...read, signature: "0x00" }, domain)).toBe(false);
  });
});

describe("a receipt", () => {
  const sent = vectors.signed.map(({ file }) => fromFile(file));
  const [receipt] = vectors.receipts;
  const [message, other] = sent;
  const check = (value: unknown, of = message): unknown => {
    if (of === undefined) throw new Error("The vectors have no message.");
    return verifyReceipt(value, vectors.receiptKey, of, domain);
  };

  test.each(vectors.receipts.map((value, i) => [value.receipt.type, value, i] as const))("of a %s holds", (_, value, i) => {
    expect(check(value, sent[i])).toEqual(value);
  });

  test.each<[string, unknown]>([
    ["another time", { ...receipt, receipt: { ...receipt?.receipt, receivedAt: 5 } }],
    ["another signature", { ...receipt, signature: `0x${"00".repeat(64)}` }],
    ["another key", { ...receipt, key: `0x${"11".repeat(32)}` }],
    ["a field more", { ...receipt, more: 1 }],
    ["no receipt", null],
    ["an address without its checksum", { ...receipt, receipt: { ...receipt?.receipt, subject: vectors.subject.toLowerCase() } }],
    ["an id that is none", { ...receipt, receipt: { ...receipt?.receipt, id: "rly_1" } }],
  ])("is refused: %s", (_, value) => {
    expect(() => check(value)).toThrow(InvalidProof);
  });

  /** A receipt with a change, signed by a key of ours, so that only the change is wrong with it. */
  const signedAgain = (change: object): unknown => {
    const secret = new Uint8Array(32).fill(3);
    const told = { ...receipt?.receipt, ...change };
    const signature = ed25519.sign(utf8ToBytes(`volens/relay-receipt/v1\n${canonical(told)}`), secret);
    const key = bytesToHex(ed25519.getPublicKey(secret));
    if (message === undefined) throw new Error("The vectors have no message.");
    return verifyReceipt({ receipt: told, key: `0x${key}`, signature: `0x${bytesToHex(signature)}` }, key, message, domain);
  };

  test("that is signed again holds, with its change", () => {
    expect(signedAgain({ receivedAt: 5 })).toMatchObject({ receipt: { receivedAt: 5 } });
  });

  test.each<[string, object, RegExp]>([
    ["another chain", { chainId: 1 }, /another ledger/],
    ["another contract", { registry: vectors.subject }, /another ledger/],
    ["another type", { type: "Revocation" }, /another message/],
    ["another digest", { digest: `0x${"11".repeat(32)}` }, /another message/],
    ["another subject", { subject: domain.registry }, /another message/],
    ["another signer", { signer: domain.registry }, /another message/],
    ["another version", { v: 2 }, /must be 1/],
    ["a type that is not relayed", { type: "Record" }, /type of a message that is relayed/],
    ["an id that is none", { id: "rly_1" }, /id of a relay/],
    ["a time that is none", { receivedAt: -1 }, /receivedAt/],
    ["a field more", { more: 1 }, /not a field/],
    ["an address without its checksum", { subject: vectors.subject.toLowerCase() }, /checksums/],
  ])("signed by the operator is refused for %s", (_, change, said) => {
    expect(() => signedAgain(change)).toThrow(said);
    expect(() => signedAgain(change)).toThrow(InvalidProof);
  });

  test("whose signature has another form is malformed", () => {
    expect(() => readReceipt({ ...receipt, signature: "0x00" })).toThrow(/64 bytes/);
  });

  test("of another message, or under the key it names itself, is refused", () => {
    expect(() => check(receipt, other)).toThrow(InvalidProof);
    if (message === undefined) return;
    expect(() => verifyReceipt(receipt, "11".repeat(32), message, domain)).toThrow(InvalidProof);
    const elsewhere = new Domain(1, domain.registry);
    expect(() => verifyReceipt(receipt, vectors.receiptKey, message, elsewhere)).toThrow(InvalidProof);
  });
});

describe("the book", () => {
  test("that Python wrote is read whole, and the page writes the same", () => {
    expect(python.cases.map(({ index, subject }) => ({ index, subject }))).toEqual([
      { index: vectors.index, subject: vectors.subject }, { index: 7, subject: keys.subject(7).address },
    ]);
    expect(python.cases[0]?.grants).toEqual(vectors.offer.grants);
    expect(python.handed.map(({ receipt }) => receipt)).toEqual(vectors.receipts.slice(0, 2));
    expect(python.deployment).toEqual(vectors.deployment);
    expect(python.receiptKey).toBe(vectors.receiptKey);
    expect(openBook(vaultKey, hexToBytes(vectors.books.page))).toEqual(python);
    expect(openBook(vaultKey, sealBook(vaultKey, python))).toEqual(python);
  });

  test("keeps what it does not know", () => {
    const more: Contents = { ...python, rest: { fromALaterVersion: [1, { a: "b" }] } };
    expect(openBook(vaultKey, sealBook(vaultKey, more)).rest).toEqual(more.rest);
  });

  test("keeps what waits, and for whom it may act", () => {
    const acting = { index: 9, subject: vectors.subject, title: "His case", rights: 1, validUntil: 2e9, grants: python.cases[0]?.grants ?? [] };
    const more: Contents = { ...emptyBook(true), waiting: vectors.signed.map(({ file }) => fromFile(file)), acting: [acting] };
    expect(openBook(vaultKey, sealBook(vaultKey, more))).toEqual(more);
    expect(freshIndex(more)).toBe(10);
  });

  test("opens with no other words, nor changed, nor cut short", () => {
    const sealed = sealBook(vaultKey, python);
    expect(sealed).not.toEqual(sealBook(vaultKey, python));
    expect(() => openBook(new Uint8Array(32), sealed)).toThrow(InvalidFile);
    fc.assert(fc.property(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = sealed.slice();
      changed[at] = (changed[at] ?? 0) ^ flip;
      expect(() => openBook(vaultKey, changed)).toThrow(InvalidFile);
    }), { numRuns: 25 });
    for (const size of [0, 11, 28, sealed.length - 1]) expect(() => openBook(vaultKey, sealed.slice(0, size))).toThrow(InvalidFile);
  });

  test.each([
    ["a case without a title", { cases: [{ ...python.cases[0], title: undefined }] }],
    ["a grant that is none", { cases: [{ ...python.cases[0], grants: [{}] }] }],
    ["a number below zero", { used: -1 }],
    ["a log that is none", { log: {} }],
    ["another key", { receiptKey: "zz" }],
    ["a receipt that is none", { handed: [{ sent: {}, receipt: {} }] }],
  ])("is not read when its own words wrote nonsense: %s", (_, change) => {
    const nonsense = { ...python, ...change } as unknown as Contents;
    expect(() => openBook(vaultKey, sealBook(vaultKey, nonsense))).toThrow(InvalidFile);
  });

  test("finds a case and a grant, and adds none twice", () => {
    const [first] = python.cases;
    if (first === undefined) throw new Error("The vector has no case.");
    const [grant, ...rest] = first.grants;
    if (grant === undefined) throw new Error("The vector has no grant.");
    const name = { subject: first.subject, grant: grantHash(grant) };
    expect(grantOf(python, name)).toEqual({ case: first, grant });
    // Of two pseudonyms that gave the same grant each is found by itself.
    const [, second] = python.cases;
    const both = { ...python, cases: [first, { ...second, grants: [grant] }] } as Contents;
    expect(both.cases.map(({ subject }) => grantOf(both, { ...name, subject }).case.subject)).toEqual([first.subject, second?.subject]);
    expect(caseOf(python, vectors.subject)).toBe(first);
    expect(() => caseOf(python, domain.registry)).toThrow(InvalidInput);
    expect(() => grantOf(python, { ...name, grant: `0x${"0".repeat(64)}` })).toThrow(InvalidInput);
    expect(() => grantOf(python, { ...name, subject: domain.registry })).toThrow(InvalidInput);
    const empty = { ...first, grants: [] };
    expect(withGrants(withGrants(empty, [grant, grant]), [grant, ...rest]).grants).toEqual(first.grants);
    expect(withCase(python, { ...first, title: "Changed" }).cases).toHaveLength(2);
    expect(withCase(python, { ...first, record: `0x${"1".repeat(64)}` }).cases).toHaveLength(3);
    expect(freshIndex(python)).toBe(8);
    expect(freshIndex(emptyBook())).toBe(0);
    expect(() => grantHash({ ...grant, salt: "" })).toThrow(InvalidMessage);
  });
});
