import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { describe, expect, test } from "vitest";

// As text: Vite's reader of JSON refuses half surrogate pairs, which are among the cases.
import invalid from "../../../../tests/vectors/invalid.json?raw";
import vectors from "../../../../tests/vectors/typed_data.json";
import { InvalidMessage, TYPES, read, type TypeName } from "./model.ts";
import { Domain, encodeType, hashStruct, recover } from "./typed_data.ts";

const hex = (bytes: Uint8Array) => `0x${bytesToHex(bytes)}`;
const domain = new Domain(vectors.domain.chainId, vectors.domain.verifyingContract);

function refusal(act: () => unknown): InvalidMessage {
  try {
    act();
  } catch (error) {
    if (error instanceof InvalidMessage) return error;
    throw error;
  }
  throw new Error("It was accepted.");
}

test("the types are those of the vectors, member by member", () => {
  const ours = Object.fromEntries(
    Object.entries(TYPES).map(([type, of]) => [type, Object.entries(of).map(([name, [kind]]) => ({ type: kind, name }))]),
  );
  expect(ours).toEqual(vectors.types);
  for (const [type, hash] of Object.entries(vectors.typeHashes)) {
    expect(hex(keccak_256(utf8ToBytes(encodeType(type as TypeName))))).toBe(hash);
  }
});

test.each(vectors.structs)("hashStruct of $type, $hash", ({ type, value, hash }) => {
  expect(read(type as TypeName, value)).toEqual(value);
  expect(hex(hashStruct(type as TypeName, value))).toBe(hash);
});

test.each(vectors.messages)("digest and signer of $primaryType, $digest", (vector) => {
  const type = vector.primaryType as TypeName;
  expect(hex(hashStruct(type, vector.message))).toBe(vector.structHash);
  expect(hex(domain.digest(type, vector.message))).toBe(vector.digest);
  expect(recover(hexToBytes(vector.digest.slice(2)), vector.signature)).toBe(vector.signer);
});

interface Case {
  type: TypeName;
  value: unknown;
  field: string;
  why: string;
  lostInJavaScript?: true;
}

const cases = (JSON.parse(invalid) as { cases: Case[] }).cases.filter((one) => !one.lostInJavaScript);

test("cases are lost in JavaScript only where JSON.parse itself loses the difference", () => {
  const all = (JSON.parse(invalid) as { cases: Case[] }).cases;
  expect(all.length).toBeGreaterThan(290);
  for (const lost of all.filter((one) => one.lostInJavaScript)) expect(lost.why).toBe("a float, although whole");
});

test.each(cases)("refused: $type.$field, $why", ({ type, value, field }) => {
  expect(refusal(() => read(type, value)).field).toBe(field);
  expect(refusal(() => hashStruct(type, value)).field).toBe(field);
});

test("what is read is a frozen copy", () => {
  const given = JSON.parse(JSON.stringify(vectors.messages[0]?.message)) as { grants: { items: string[] }[] };
  const consent = read("Consent", given);
  const first = given.grants[0];
  if (first === undefined) throw new Error("The vector has no grant.");
  first.items.push("another.png");
  expect(consent.grants[0]?.items).not.toContain("another.png");
  expect(Object.isFrozen(consent) && Object.isFrozen(consent.grants) && Object.isFrozen(consent.grants[0])).toBe(true);
  expect(Object.isFrozen(consent.grants[0]?.items)).toBe(true);
});

describe("the domain", () => {
  test("has the separator of the vectors, and accepts itself", () => {
    expect(hex(domain.separator)).toBe(vectors.domainSeparator);
    domain.check(vectors.domain);
  });

  test.each([
    ["name", { name: "volens" }],
    ["version", { version: "2" }],
    ["chainId", { chainId: 1 }],
    ["chainId", { chainId: "31337" }],
    ["verifyingContract", { verifyingContract: `0x${"11".repeat(20)}` }],
    ["verifyingContract", { verifyingContract: undefined }],
    ["salt", { salt: `0x${"00".repeat(32)}` }],
  ])("refuses another %s", (field, change) => {
    expect(refusal(() => domain.check({ ...vectors.domain, ...change })).field).toBe(field);
  });

  test.each([null, [], "Volens"])("refuses %j", (value) => {
    expect(refusal(() => domain.check(value)).field).toBe("domain");
  });
});

describe("a signature", () => {
  const { digest, signature } = vectors.messages[0] ?? { digest: "", signature: "" };
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const s = order - BigInt(`0x${signature.slice(66, 130)}`);
  const twin = `${signature.slice(0, 66)}${s.toString(16).padStart(64, "0")}${signature.endsWith("1b") ? "1c" : "1b"}`;

  test.each([
    ["its malleable twin", twin],
    ["v of 0", `${signature.slice(0, -2)}00`],
    ["64 bytes", signature.slice(0, -2)],
    ["no 0x", signature.slice(2)],
    ["zeros", `0x${"00".repeat(64)}1b`],
    ["no text", 5],
  ])("is refused: %s", (_, wrong) => {
    expect(refusal(() => recover(hexToBytes(digest.slice(2)), wrong)).field).toBe("signature");
  });
});
