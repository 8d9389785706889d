import { Chacha20Poly1305 } from "@hpke/chacha20poly1305";
import { CipherSuite, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { describe, expect, test } from "vitest";

import shared from "../../../../tests/vectors/sealing.json";
import vectors from "../../../../tests/vectors/wallet.json";
import { emptyBook, type Contents } from "./book.ts";
import { domainOf, readDeployment } from "./deployment.ts";
import { InvalidFile, InvalidInput, Refused } from "./errors.ts";
import { PatientKeys, SigningKey } from "./keys.ts";
import { InvalidMessage, type Message } from "./model.ts";
import { narrow, readOffer, readWraps } from "./offer.ts";
import { openItemKey, openSealed, subjectInfo } from "./sealing.ts";
import { summary } from "./summary.ts";
import { Domain, hashStruct } from "./typed_data.ts";

const keys = new PatientKeys(vectors.words);
const seed = keys.encryptionSeed(vectors.index);
const domain = domainOf(readDeployment(vectors.deployment));
const names = new Map(Object.entries(vectors.names));
const { record } = vectors.offer;
const contents: Contents = {
  ...emptyBook(),
  cases: [{
    index: vectors.index, subject: vectors.subject, title: record.title, controller: record.controller, record: null, grants: [],
  }],
};
type Json = Record<string, unknown>;
const offered = (edit: (offer: Json) => void = () => undefined): unknown => {
  const copy = JSON.parse(JSON.stringify(vectors.offer)) as Json;
  edit(copy);
  return copy;
};
const read = (value: unknown, book = contents, called = names): ReturnType<typeof readOffer> => readOffer(value, book, called, domain);
const of = (value: unknown, ...path: (string | number)[]): Json =>
  path.reduce((at, name) => (at as Record<string | number, unknown>)[name], value) as Json;

test("an offer is read as it will be signed, and nothing else is taken from it", () => {
  const offer = read(offered());
  expect(offer.hash).toBe(vectors.offer.id);
  expect(offer.grants).toEqual(vectors.offer.grants);
  expect(offer.items.map(({ item }) => item.name)).toEqual(Object.keys(vectors.files));
  expect(JSON.stringify(offer)).not.toContain("a name the page does not read");
});

/** The offer after a change, signed again by its controller, so that only the change is wrong with it. */
const signedAgain = (edit: (offer: Json) => void, controller = "hospital"): unknown => offered((offer) => {
  edit(offer);
  const key = new SigningKey(keccak_256(utf8ToBytes(`volens world: ${controller}`)));
  const said = of(offer, "record");
  said["controller"] = key.address;
  said["items"] = [...new Set((offer["items"] as Json[]).map((one) => `0x${bytesToHex(hashStruct("Item", one["item"]))}`))];
  offer["signature"] = key.signTyped(domain, "Record", said);
  const record = `0x${bytesToHex(hashStruct("Record", said))}`;
  for (const grant of offer["grants"] as Json[]) grant["record"] = record;
});
const worded = (offer: Json, change: Json): void => {
  const grant = Object.assign(of(offer, "grants", 0), change);
  grant["summary"] = summary(grant, names, "en");
};

describe("an offer is refused, with the reason", () => {
  const refused = (value: unknown, book = contents): string => {
    try {
      read(value, book);
    } catch (error) {
      if (error instanceof InvalidInput || error instanceof Refused) return error.message;
      throw error;
    }
    return "it was not";
  };

  test("while one that is signed again is read", () => {
    expect(refused(signedAgain(() => undefined))).toBe("it was not");
  });

  test.each<[string, unknown, RegExp]>([
    ["for another wallet", signedAgain((offer) => (of(offer, "record")["subject"] = domain.registry)), /another wallet/],
    ["with another title", signedAgain((offer) => (of(offer, "record")["title"] = "Another")), /not from the institution/],
    ["from another institution", signedAgain(() => undefined, "stranger"), /not from the institution/],
    ["changed after it was signed", offered((offer) => (of(offer, "record")["createdAt"] = 5)), /not signed by its controller/],
    ["with another's signature", offered((offer) => (offer["signature"] = `0x${"11".repeat(64)}1b`)), /not signed by its controller/],
    ["without a signature", offered((offer) => delete offer["signature"]), /not signed by its controller/],
    ["that does not show every part", offered((offer) => (offer["items"] as unknown[]).pop()), /exactly those of the record/],
    ["that shows a part twice", offered((offer) => (offer["items"] = [0, 0, 1].map((i) => (offer["items"] as unknown[])[i]))), /different names/],
    ["that has two parts of one name", signedAgain((offer) => (of(offer, "items", 1, "item")["name"] = "narrative.md")), /different names/],
    ["whose part has another digest", offered((offer) => (of(offer, "items", 0, "item")["sha256"] = `0x${"11".repeat(32)}`)), /exactly those/],
    ["whose grant is of another record", offered((offer) => (of(offer, "grants", 0)["record"] = `0x${"11".repeat(32)}`)), /mixes records/],
    ["whose grant names a part it has not", offered((offer) => worded(offer, { items: ["secret.md"] })), /“secret.md”, which is not part/],
    ["whose recipient is not listed", offered((offer) => (of(offer, "grants", 0)["recipient"] = domain.registry)), /not listed/],
    ["whose sentence says less than is asked", offered((offer) => (of(offer, "grants", 0)["purposes"] = ["case-report", "press"])), /does not say/],
    ["whose sentence is for longer", offered((offer) => (of(offer, "grants", 0)["validUntil"] = 1_900_000_000)), /does not say/],
    ["whose sentence is empty", offered((offer) => (of(offer, "grants", 0)["summary"] = "")), /does not say/],
    ["with no grant", offered((offer) => (offer["grants"] = [])), /must not be empty/],
    ["with a field of a grant more", offered((offer) => (of(offer, "grants", 0)["more"] = 1)), /not a field/],
    ["that is none", null, /must be an object/],
  ])("%s", (_, value, said) => {
    expect(refused(value)).toMatch(said);
  });

  test("that is signed for another ledger", () => {
    expect(() => readOffer(offered(), contents, names, new Domain(1, domain.registry))).toThrow(Refused);
  });

  test("that is about another record than the case's", () => {
    const [one] = contents.cases;
    if (one === undefined) return;
    const other = { ...contents, cases: [{ ...one, record: `0x${"11".repeat(32)}` }] };
    expect(() => read(offered(), other)).toThrow(InvalidInput);
    expect(() => read(offered(), emptyBook())).toThrow(InvalidInput);
  });

  test("when the Directory calls the recipient something else", () => {
    const called = new Map([...names].map(([party, name]) => [party, `${name} Ltd`]));
    expect(() => read(offered(), contents, called)).toThrow(InvalidInput);
  });
});

describe("a choice", () => {
  const [proposal] = vectors.offer.grants as unknown as readonly Message<"Grant">[];
  if (proposal === undefined) throw new Error("The vector has no grant.");
  const parts = Object.keys(vectors.files);
  const choose = (choice: Parameters<typeof narrow>[1], from = proposal): Message<"Grant"> => narrow(from, choice, parts, names, "en");

  test("makes a grant narrower, with its own sentence and salt", () => {
    const chosen = choose({ items: ["ct.dcm"], channels: ["journal"], onward: "none", validUntil: proposal.validUntil - 86_400 });
    expect(chosen.items).toEqual(["ct.dcm"]);
    expect(chosen.summary).toBe(summary(chosen, names, "en"));
    expect(chosen.summary).not.toContain("narrative.md");
    expect(chosen.salt).not.toBe(proposal.salt);
    expect(choose({}).salt).not.toBe(choose({}).salt);
    expect(chosen.record).toBe(proposal.record);
  });

  test.each([
    ["an item more", { items: ["photo.jpg"] }],
    ["every item", { items: ["*"] }],
    ["a purpose more", { purposes: ["case-report", "press"] }],
    ["a channel more", { channels: ["journal", "social:x"] }],
    ["passing on", { onward: "reshare" }],
    ["nonsense", { onward: "" }],
    ["a longer time", { validUntil: proposal.validUntil + 1 }],
    ["no items", { items: [] }],
    ["no purposes", { purposes: [] }],
    ["no channels, which would mean another use", { channels: [] }],
    ["no time", { validUntil: proposal.validFrom }],
  ])("cannot widen, nor leave nothing: %s", (_, choice) => {
    expect(() => choose(choice)).toThrow(InvalidInput);
  });

  test("cannot take away a condition, which would widen the rest", () => {
    const conditional = { ...proposal, purposes: ["DUO:0000042", "DUO:0000046"], channels: [] };
    expect(() => choose({ purposes: ["DUO:0000042"] }, conditional)).toThrow(InvalidInput);
    expect(choose({}, conditional).purposes).toEqual(conditional.purposes);
  });

  test("of the whole record can name its parts, and no others", () => {
    const whole = { ...proposal, items: ["*"] };
    expect(choose({ items: ["photo.jpg"] }, whole).items).toEqual(["photo.jpg"]);
    expect(() => choose({ items: ["secret.md"] }, whole)).toThrow(InvalidInput);
    expect(choose({}, whole).items).toEqual(["*"]);
  });
});

describe("a sealed part", () => {
  const offer = read(offered());
  const bytes = vectors.items.map((one) => hexToBytes(one.bytes));
  const wraps = readWraps({ wraps: vectors.items.map(({ wrap }) => wrap) }, offer.items.length);
  const context = (position: number): Uint8Array =>
    subjectInfo({
      chainId: domain.chainId, registry: domain.registry, record: offer.hash, item: offer.items[position]?.hash ?? "", subject: vectors.subject,
    });

  test.each(offer.items.map((part, i) => [part.item.name, part, i] as const))("%s opens with her key, and is what the record names", async (name, part, i) => {
    const identity = await openItemKey(wraps[i] ?? new Uint8Array(), seed, context(i));
    const plain = await openSealed(bytes[i] ?? new Uint8Array(), identity, part.item);
    expect(new TextDecoder().decode(plain)).toBe((vectors.files as Record<string, string>)[name]);
  });

  test("the wraps that Python recorded open here", async () => {
    const { seed: of, info, identity, wrapped } = shared.hpke[1] ?? shared.hpke[0] ?? ({} as never);
    const told = subjectInfo(info as never);
    expect(new TextDecoder().decode(told)).toBe(shared.contexts[1]?.canonical);
    expect(await openItemKey(hexToBytes(wrapped), hexToBytes(of), told)).toBe(identity);
  });

  test("its key opens in no other place, for nobody else, and not when changed", async () => {
    const wrap = wraps[0] ?? new Uint8Array();
    const changed = wrap.slice();
    changed[1200] = (changed[1200] ?? 0) ^ 1;
    await expect(openItemKey(wrap, seed, context(1))).rejects.toThrow(Refused);
    await expect(openItemKey(wrap, keys.encryptionSeed(4), context(0))).rejects.toThrow(Refused);
    await expect(openItemKey(changed, seed, context(0))).rejects.toThrow(Refused);
    await expect(openItemKey(wrap.slice(1), seed, context(0))).rejects.toThrow(Refused);
    await expect(openItemKey(wrap, seed.slice(1), context(0))).rejects.toThrow(InvalidInput);
    expect(() => subjectInfo({ chainId: 1, registry: "0x1", record: offer.hash, item: offer.hash, subject: vectors.subject })).toThrow(InvalidMessage);
  });

  test.each([
    ["cut short", ["0x00", vectors.items[1]?.wrap], /1,210 bytes/],
    ["of one part only", [vectors.items[0]?.wrap], /one for each item/],
    ["of more parts than there are", Array.from({ length: 3 }, () => vectors.items[0]?.wrap), /at most 2/],
    ["that are none", undefined, /must be a list/],
  ])("keys %s are refused", (_, given, said) => {
    expect(() => readWraps({ wraps: given }, 2)).toThrow(said);
  });

  test("may be closed to her", () => {
    expect(readWraps({ wraps: [] }, 2)).toEqual([]);
  });

  test("a wrap of something that is no item key is refused", async () => {
    const suite = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Chacha20Poly1305() });
    const { publicKey } = await new XWing().generateKeyPairDerand(seed.slice());
    const { ct, enc } = await suite.seal({ recipientPublicKey: publicKey, info: new Uint8Array(context(0)).buffer }, new Uint8Array(74).fill(65).buffer);
    await expect(openItemKey(concatBytes(new Uint8Array(enc), new Uint8Array(ct)), seed, context(0))).rejects.toThrow(/no item key/);
  });

  test("its content is refused when cut short, changed, another's, or other than the record names", async () => {
    const [part] = offer.items;
    const [sealed] = bytes;
    if (part === undefined || sealed === undefined) throw new Error("The vector has no part.");
    const identity = await openItemKey(wraps[0] ?? new Uint8Array(), seed, context(0));
    const changed = sealed.slice();
    changed[sealed.length - 1] = (changed[sealed.length - 1] ?? 0) ^ 1;
    const header = sealed.slice();
    header[60] = (header[60] ?? 0) ^ 1;
    await expect(openSealed(sealed.slice(0, -1), identity, part.item)).rejects.toThrow(InvalidFile);
    await expect(openSealed(changed, identity, part.item)).rejects.toThrow(InvalidFile);
    await expect(openSealed(header, identity, part.item)).rejects.toThrow(Refused);
    await expect(openSealed(bytes[1] ?? new Uint8Array(), identity, part.item)).rejects.toThrow(Refused);
    await expect(openSealed(new Uint8Array(500), identity, part.item)).rejects.toThrow(InvalidFile);
    await expect(openSealed(sealed, identity, { ...part.item, sha256: `0x${"11".repeat(32)}` })).rejects.toThrow(InvalidFile);
    await expect(openSealed(sealed, identity, { ...part.item, size: part.item.size + 1 })).rejects.toThrow(InvalidFile);
    await expect(openSealed(sealed, "AGE-SECRET-KEY-1X", part.item)).rejects.toThrow(InvalidInput);
  });
});
