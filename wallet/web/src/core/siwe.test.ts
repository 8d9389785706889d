import { bytesToHex } from "@noble/hashes/utils.js";
import { expect, test } from "vitest";

import vectors from "../../../../tests/vectors/wallet.json";
import { readDeployment, sameDeployment } from "./deployment.ts";
import { documentHash, inLanguage, readForm, readTerms } from "./documents.ts";
import { InvalidInput } from "./errors.ts";
import { PatientKeys } from "./keys.ts";
import { InvalidMessage } from "./model.ts";
import { invitationAnswer, personalDigest, signInMessage, signInText } from "./siwe.ts";

const keys = new PatientKeys(vectors.words);
const [signIn] = vectors.signIns;
const said = signIn?.said ?? ({} as never);

test.each(vectors.signIns)("a sign-in message is the one Python writes, and so is its signature", ({ said, text, digest, signature }) => {
  expect(signInText(said)).toBe(text);
  expect(`0x${bytesToHex(personalDigest(text))}`).toBe(digest);
  expect(keys.subject(vectors.index).sign(personalDigest(text))).toBe(signature);
});

test("the page's own sign-in message is that message, and the answer to an invitation is Python's", async () => {
  const place = { url: vectors.url, chainId: vectors.deployment.chainId, nonce: said.nonce, at: said.issuedAt };
  expect(signInMessage(vectors.subject, place)).toBe(signIn?.text);
  const { token, nonce, at, text } = vectors.answer;
  const key = await keys.encryptionKey(vectors.index);
  expect(invitationAnswer(token, vectors.subject, key, { ...place, nonce, at })).toBe(text);
});

test("an answer without a whole encryption key is not written", () => {
  const place = { url: vectors.url, chainId: 1, nonce: said.nonce, at: said.issuedAt };
  expect(() => invitationAnswer("abc", vectors.subject, new Uint8Array(32), place)).toThrow(InvalidInput);
});

test.each([
  ["a line break in the domain", { domain: "volens.example\nevil.example" }],
  ["a space in the uri", { uri: "https://a b" }],
  ["a line break in the statement", { statement: "Sign in.\nURI: https://evil.example" }],
  ["letters of another script", { statement: "Sign in tо Volens." }],
  ["a nonce of one letter", { nonce: "a" }],
  ["a line break in a resource", { resources: ["urn:a\n- urn:b"] }],
  ["no address", { address: "0x1" }],
  ["a time that does not exist", { issuedAt: 2 ** 52 }],
])("is not written: %s", (_, change) => {
  expect(() => signInText({ ...said, ...change })).toThrow(InvalidInput);
});

test("deployment facts are read, and differ in every fact", () => {
  const facts = readDeployment(vectors.deployment);
  expect(facts).toEqual(vectors.deployment);
  expect(sameDeployment(facts, readDeployment(vectors.deployment))).toBe(true);
  const registry = facts.contracts.ConsentRegistry;
  const other = (change: object): object => ({ ...facts, contracts: { ...facts.contracts, ConsentRegistry: { ...registry, ...change } } });
  const others = [
    { ...facts, chainId: 1 }, { ...facts, genesis: registry.codeHash }, other({ address: vectors.subject }),
    other({ codeHash: facts.genesis }), other({ block: 9 }),
  ];
  for (const changed of others) expect(sameDeployment(facts, readDeployment(changed))).toBe(false);
});

test.each([null, {}, { ...vectors.deployment, more: 1 }, { ...vectors.deployment, contracts: {} }, { ...vectors.deployment, chainId: "1" }])(
  "is no deployment: %j", (value) => {
    expect(() => readDeployment(value)).toThrow(InvalidMessage);
  },
);

test("documents have Python's names, and are read only under them", () => {
  const [form, terms] = vectors.documents;
  for (const { document, hash } of vectors.documents) expect(documentHash(document)).toBe(hash);
  const read = readForm(form?.document, form?.hash ?? "");
  expect(read.statements.length).toBeGreaterThan(5);
  expect([...read.channels.keys()]).toContain("social:mastodon");
  expect(readTerms(terms?.document, terms?.hash ?? "").channel).toBe("social:mastodon");
  expect(() => readForm({ ...form?.document, version: 2 }, form?.hash ?? "")).toThrow(InvalidMessage);
  expect(() => readForm(terms?.document, terms?.hash ?? "")).toThrow(InvalidMessage);
  expect(() => readTerms(form?.document, form?.hash ?? "")).toThrow(InvalidMessage);
});

test.each([
  ["another type", { type: "VolensTerms" }],
  ["no English", { title: { de: "Einwilligung" } }],
  ["text that changes the direction", { title: { en: "Consent\u202e" } }],
  ["no statements", { statements: [] }],
  ["a statement twice", { statements: [0, 0].map(() => (vectors.documents[0]?.document as { statements: unknown[] }).statements[0]) }],
  ["a language that is none", { title: { en: "Consent", "x y": "?" } }],
  ["version 0", { version: 0 }],
  ["nobody issued it", { issuer: `0x${"0".repeat(40)}` }],
  ["one more field", { more: 1 }],
])("is no form, whatever its hash: %s", (_, change) => {
  const changed = { ...vectors.documents[0]?.document, ...change };
  expect(() => readForm(changed, documentHash(changed))).toThrow(InvalidMessage);
});

test.each([["another type", { type: "VolensForm" }], ["no day", { asOf: "soon" }], ["no day of the calendar", { asOf: "2026-02-30" }], ["no channel", { channel: "a b" }]])(
  "is no terms document, whatever its hash: %s", (_, change) => {
    const changed = { ...vectors.documents[1]?.document, ...change };
    expect(() => readTerms(changed, documentHash(changed))).toThrow(InvalidMessage);
  },
);

test("a text without words in a language is in English, and says so", () => {
  const texts = new Map([["en", "Yes"], ["de", "Ja"]]);
  expect(inLanguage(texts, "de")).toEqual({ text: "Ja", language: "de" });
  expect(inLanguage(texts, "ar")).toEqual({ text: "Yes", language: "en" });
});
