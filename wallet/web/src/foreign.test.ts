/**
 * Every reader of what others wrote, with rubbish and with honest bytes that were changed: each gives a value or one of the
 * page's own errors. Another error would be one that no screen has words for.
 */

import { hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import dicom from "../../../tests/vectors/dicom.json";
import keystores from "../../../tests/vectors/keystore.json";
import logs from "../../../tests/vectors/log.json";
import proofs from "../../../tests/vectors/proofs.json";
import renewals from "../../../tests/vectors/renewal.json";
import shares from "../../../tests/vectors/slip39.json";
import standings from "../../../tests/vectors/standing.json";
import vectors from "../../../tests/vectors/wallet.json";
import { emptyBook, openBook, sealBook, type Contents } from "./core/book.ts";
import { canonical } from "./core/canonical.ts";
import { readVerifierKey, verifyCheckpoint } from "./core/checkpoint.ts";
import { consentRecord } from "./core/consent_record.ts";
import { domainOf, readDeployment } from "./core/deployment.ts";
import { drawSlice } from "./core/dicom.ts";
import { documentHash, readForm, readTerms } from "./core/documents.ts";
import { InvalidFile, VolensError } from "./core/errors.ts";
import { parse } from "./core/json.ts";
import { PatientKeys, checkWords, wordsToEntropy } from "./core/keys.ts";
import { createKeystore, readKeystore, unlockWithPassphrase } from "./core/keystore.ts";
import { checkpointOf, entryHash, first, follow, readSeen, verifyEntry } from "./core/log.ts";
import { TYPES, read, type TypeName } from "./core/model.ts";
import { readOffer, readRecord, readWraps } from "./core/offer.ts";
import { readReceipt, verifyReceipt } from "./core/receipts.ts";
import { compare } from "./core/renewal.ts";
import { openItemKey, openSealed, subjectInfo } from "./core/sealing.ts";
import { fromFile, isSigned, readSigned } from "./core/signed_message.ts";
import { readShare, restoreShares } from "./core/slip39.ts";
import { WORDS } from "./core/slip39_words.ts";
import { proveStanding } from "./core/slots.ts";
import { own, stateOf } from "./core/standing.ts";
import { readProof, verifyHeader } from "./core/stateproof.ts";
import { summary } from "./core/summary.ts";
import { unlockFile } from "./core/web3_keystore.ts";
import { linkIn } from "./page/screens/invitation.ts";
import { broughtBy } from "./page/screens/start.ts";
import { Client } from "./shell/client.ts";
import { standingByNodes } from "./shell/node.ts";

type Read = (value: unknown) => unknown;
type Json = Record<string, unknown>;

const names = new Map(Object.entries(vectors.names));
const deployment = readDeployment(vectors.deployment);
const domain = domainOf(deployment);
const keys = new PatientKeys(vectors.words);
const key = keys.subject(vectors.index);
const { record } = vectors.offer;
const contents: Contents = {
  ...emptyBook(),
  cases: [{
    index: vectors.index, subject: vectors.subject, title: record.title, controller: record.controller, record: null, grants: [],
  }],
};
const signed = vectors.signed.map(({ file }) => fromFile(file));
const { publicKey } = readVerifierKey(logs.key);
const notes = logs.valid.map(({ note }) => note);
const seen = first({ origin: logs.origin, key: logs.key }, notes.at(-1) ?? "");

// ------------------------------------------------------------------------------------------------------ what is given

/** Values at which careless readers stumble, each made anew wherever it is put. */
const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(
    ...[null, true, -1, 0.5, 2 ** 31, 2 ** 53, 1e308, "", " ", "0x", `0x${"0".repeat(64)}`, `0x${"g".repeat(40)}`, "\ud800", "\u202e",
      "__proto__", "constructor", "9".repeat(400), "e".repeat(70_000), "é", "2026-13-45", [], {}, [[]], [null], Array(300).fill(1)]
      .map((value) => JSON.stringify(value)),
    "-0", '{"__proto__": {"toString": 1}, "constructor": null, "length": -1}', `${"[".repeat(500)}${"]".repeat(500)}`,
  ).map((text) => JSON.parse(text) as unknown),
);

/** Where the values of a value are, each as the way from the top. */
function places(value: unknown, way: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof value !== "object" || value === null || way.length > 8) return [way];
  const found = Object.keys(value).flatMap((name) => places((value as Json)[name], [...way, Array.isArray(value) ? Number(name) : name]));
  return [way, ...found];
}

/** An honest value with one to three places changed: another value, none, or one more. */
function near(honest: readonly unknown[]): fc.Arbitrary<unknown> {
  const edit = fc.record({ at: fc.nat(), how: fc.constantFrom("replace", "replace", "remove", "add"), value: odd, name: fc.constantFrom("more", "__proto__", "0") });
  return fc.tuple(fc.constantFrom(...honest), fc.array(edit, { minLength: 1, maxLength: 3 })).map(([chosen, edits]) => {
    let top: unknown = structuredClone(chosen);
    for (const { at, how, value, name } of edits) {
      const all = places(top);
      const way = all[at % all.length] ?? [];
      const last = way.at(-1);
      const owner = way.slice(0, -1).reduce<unknown>((of, step) => (of as Json)[step], top) as Json;
      if (last === undefined) top = how === "replace" ? value : top;
      else if (how === "replace") owner[last] = value;
      else if (how === "remove") Array.isArray(owner) ? owner.splice(Number(last), 1) : delete owner[last];
      else if (Array.isArray(owner)) owner.push(value);
      else Object.defineProperty(owner, name, { value, enumerable: true, configurable: true, writable: true });
    }
    return top;
  });
}

/** An honest text with letters changed, cut short, or something put into it. */
const nearText = (honest: readonly string[]): fc.Arbitrary<string> => fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.tuple(fc.constantFrom(...honest), fc.nat(), fc.nat(12), fc.string({ unit: "binary", maxLength: 6 }))
    .map(([text, at, cut, put]) => text.slice(0, at % (text.length + 1)) + put + text.slice((at % (text.length + 1)) + cut)),
  fc.tuple(fc.constantFrom(...honest), fc.nat()).map(([text, at]) => text.slice(0, at % (text.length + 1))),
);

const nearBytes = (honest: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> => fc.oneof(
  fc.uint8Array({ maxLength: 400 }),
  fc.tuple(fc.constantFrom(...honest), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat()).map(([bytes, spots, size]) => {
    const changed = bytes.slice(0, size % 3 === 0 ? size % (bytes.length + 1) : bytes.length);
    for (const [at, value] of spots) if (changed.length > 0) changed[at % changed.length] = value;
    return changed;
  }),
);

/** Reads values, and fails where another error than one of the page's own comes out. */
async function survives<T>(given: fc.Arbitrary<T>, act: (value: T) => unknown, numRuns = 150): Promise<void> {
  await fc.assert(fc.asyncProperty(given, async (value) => {
    try {
      await act(value);
    } catch (error) {
      if (!(error instanceof VolensError)) throw error;
      expect(error.message).not.toBe("");
    }
  }), { numRuns });
}

// ------------------------------------------------------------------------------------------------------------ readers

const VALUES: [name: string, honest: readonly unknown[], read: Read][] = [
  ["an offer", [vectors.offer], (value) => readOffer(value, contents, names, domain)],
  ["a record", [vectors.offer], (value) => readRecord(value, domain)],
  ["the keys of a record's files", [{ wraps: vectors.items.map(({ wrap }) => wrap) }], (value) => readWraps(value, vectors.items.length)],
  ["a form", vectors.documents.map(({ document }) => document), (value) => readForm(value, documentHash(value))],
  ["terms", vectors.documents.map(({ document }) => document), (value) => readTerms(value, documentHash(value))],
  ["a receipt", vectors.receipts, (value) => readReceipt(value)],
  ["a receipt of something", vectors.receipts, (value) => verifyReceipt(value, vectors.receiptKey, signed[0]!, domain)],
  ["a signed message", signed, (value) => isSigned(readSigned(value), domain)],
  ["deployment facts", [vectors.deployment], (value) => readDeployment(value)],
  ["what a log says of itself", [{ origin: logs.origin, key: logs.key }], (value) => first(value, notes[0] ?? "")],
  ["what was kept of a log", [seen], (value) => checkpointOf(readSeen(value))],
  ["an entry of a log", logs.entries.map(({ shown }) => shown), (value) => entryHash(value)],
  ["an entry of a log and its proof", logs.entries.map(({ shown, proof }) => ({ shown, proof })), async (value) => {
    const { shown, proof } = Object(value) as Json;
    await verifyEntry(seen, shown, () => Promise.resolve(proof));
  }],
  ["a log that went on", logs.follows.map(({ after, proof }) => ({ after, proof })), async (value) => {
    const { after, proof } = Object(value) as Json;
    await follow(first({ origin: logs.origin, key: logs.key }, notes[0] ?? ""), after as string, () => Promise.resolve(proof));
  }],
  ["a block", Object.values(proofs.nodes).map(({ block }) => block), (value) => verifyHeader(value)],
  ["a proof of a node", standings.cases.map(({ proof }) => proof), (value) => {
    const [told] = standings.cases;
    if (told === undefined) throw new Error("The vector has no case.");
    return proveStanding(verifyHeader(told.block), standings.registry, readProof(value), told.subject, told.grant);
  }],
  ["a keystore of the page", [{ version: 1, slots: [{ type: "passphrase", memory: 64, passes: 1, lanes: 1, salt: "A".repeat(22), sealed: "A".repeat(96) }] }], (value) => readKeystore(value)],
  ["a sentence", vectors.offer.grants, (value) => summary(value, names, "ar")],
  ["what a wallet keeps", [JSON.parse(JSON.stringify({ ...emptyBook(), ...contents, waiting: signed, handed: [{ sent: signed[0], receipt: vectors.receipts[0] }], log: seen }))],
    (value) => openBook(keys.vaultKey(), sealBook(keys.vaultKey(), Object(value) as Contents))],
  ["what a service says of a record's grants", standings.views, (value) => {
    const { views, subject, now } = Object(value) as { views: unknown; subject: unknown; now: unknown };
    if (!Array.isArray(views) || !views.every((one) => typeof one === "object" && one !== null)) return;
    for (const known of own(views as Parameters<typeof own>[0], String(subject)).values()) {
      stateOf(known, read("Grant", known.view.grant), Number(now));
    }
  }],
  ["two forms", renewals.forms.map(({ before, after }) => ({ before, after })), (value) => {
    const { before, after } = Object(value) as Json;
    return compare(readForm(before, documentHash(before)), readForm(after, documentHash(after)), "de");
  }],
  ["canonical JSON", [vectors.offer, logs.entries], (value) => canonical(value)],
  ...Object.keys(TYPES).map((type): [string, readonly unknown[], Read] => [
    `a message: ${type}`, [...signed.filter((one) => one.type === type).map(({ message }) => message), ...vectors.offer.grants],
    (value) => domain.digest(type as TypeName, read(type as TypeName, value)),
  ]),
];

describe("what is read from JSON", () => {
  test.each(VALUES)("%s", async (_, honest, act) => {
    await survives(near(honest), act);
    await survives(odd, act, 60);
  });

  test("a key file", async () => {
    const cheap = keystores.python.filter(({ file }) => (file as { crypto?: { kdfparams?: { n?: number } } }).crypto?.kdfparams?.n === 4096);
    await survives(near(cheap.map(({ file }) => file)), (value) => unlockFile(value, keystores.passphrase), 25);
  });

  test("a keystore of the page whose seal was changed", async () => {
    const keystore = await createKeystore(new Uint8Array(32), keystores.passphrase, { memory: 8, passes: 1, lanes: 1 });
    const text = JSON.stringify(keystore);
    await survives(nearText([text]), async (value) => {
      const changed = readKeystore(parse(value, "keystore"));
      const [slot] = changed.slots;
      if (slot?.type === "passphrase" && slot.memory < 1000 && slot.passes < 4) await unlockWithPassphrase(changed, keystores.passphrase);
    }, 100);
  });

  test("texts as long as an answer can be", () => {
    const long = `0x${"ab".repeat(8 * 2 ** 20)}`;
    const [one] = signed;
    for (const act of [
      () => readSigned({ ...one, signature: long }), () => read("Grant", { ...vectors.offer.grants[0], salt: long }),
      () => read("Grant", { ...vectors.offer.grants[0], summary: long }), () => readReceipt({ ...vectors.receipts[0], signature: long }),
      () => verifyHeader({ ...proofs.nodes.anvil.block, extraData: long }), () => readRecord({ ...vectors.offer, signature: long }, domain),
      () => readProof({ address: long, accountProof: [long], storageProof: [{ key: long, proof: [long] }] }),
      () => verifyCheckpoint(long, logs.origin, publicKey), () => readVerifierKey(`a+b+${long}`), () => linkIn(`#offer=${long}`, "https://a"),
      () => readSeen({ origin: long, key: long, note: long }), () => fromFile(long), () => checkWords(long), () => readShare(long),
    ]) {
      try {
        act();
      } catch (error) {
        expect(error).toBeInstanceOf(VolensError);
      }
    }
  });
});

describe("what is read from text and bytes", () => {
  const words = shares.python.flatMap((set) => set.shares);

  test("a stop file", () => survives(nearText(vectors.signed.map(({ file }) => file)), (text) => isSigned(fromFile(text), domain)));

  test("a checkpoint", () => survives(nearText(notes), (note) => verifyCheckpoint(note, logs.origin, publicKey)));

  test("a key of a log", () => survives(nearText([logs.key]), readVerifierKey));

  test("24 words", () => survives(nearText([vectors.words]), (text) => wordsToEntropy(checkWords(text))));

  test("a part of a key", async () => {
    await survives(nearText(words), readShare);
    await survives(fc.array(fc.constantFrom(...WORDS), { minLength: 20, maxLength: 33 }), (all) => readShare(all.join(" ")));
    await survives(fc.array(fc.oneof(fc.constantFrom(...words), nearText(words)), { maxLength: 4 }), restoreShares, 40);
  });

  test("a link", async () => {
    await survives(nearText(["https://a.example/wallet/#offer=off_0123456789", "#invitation=inv_0123456789"]), (text) => linkIn(text, "https://a.example"));
    const nobody = { invitation: () => Promise.reject(new VolensError("not_found", "No.")), offer: () => Promise.resolve({}) };
    await survives(nearText(["#offer=off_0123456789", "#invitation=inv_0123456789"]), (text) => broughtBy(text, nobody));
  });

  test("a scan", async () => {
    const files = [...dicom.cases, ...dicom.jpegs].map(({ file }) => hexToBytes(file));
    await fc.assert(fc.asyncProperty(nearBytes(files), fc.nat(3), async (file, frame) => {
      await Promise.resolve();
      try {
        drawSlice(file, { frame });
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidFile);
      }
    }), { numRuns: 200 });
  });

  test("a sealed file and the key in it", async () => {
    const [one] = vectors.items;
    if (one === undefined) throw new Error("The vector has no item.");
    const seed = keys.encryptionSeed(vectors.index);
    const place = { chainId: domain.chainId, registry: domain.registry, record: vectors.offer.id, item: record.items[0] ?? "", subject: vectors.subject };
    const wrap = hexToBytes(one.wrap.slice(2));
    const identity = await openItemKey(wrap, seed, subjectInfo(place));
    await survives(nearBytes([wrap]), (bytes) => openItemKey(bytes, seed, subjectInfo(place)), 20);
    await survives(nearBytes([hexToBytes(one.bytes)]), (bytes) => openSealed(bytes, identity, one.item), 40);
    await survives(nearText([identity]), (text) => openSealed(hexToBytes(one.bytes), text, one.item), 20);
  });

  test("what is stored in this browser", async () => {
    const book = sealBook(keys.vaultKey(), contents);
    await survives(nearBytes([book]), (bytes) => openBook(keys.vaultKey(), bytes), 60);
    await survives(nearBytes([utf8ToBytes("{}")]), (bytes) => parse(new TextDecoder().decode(bytes), "keystore"), 60);
  });
});

// ------------------------------------------------------------------------------------------------- answers of a service

const GRANTS = vectors.offer.grants.map((grant, i) => ({
  id: `0x${String(i).repeat(64)}`, grant, subject: vectors.subject, recipientName: "Example Journal", standing: "granted",
  newForm: null, endedChannels: ["journal"], newTerms: { journal: `0x${"1".repeat(64)}` },
}));
const RELAYED = { id: `rly_${"0".repeat(32)}`, status: "final", transaction: null, block: 3, problem: null, receipt: vectors.receipts[0] };
const ANSWERS: [name: string, honest: readonly unknown[], ask: (client: Client) => Promise<unknown>][] = [
  ["the ledger", [{ deployment: vectors.deployment, receiptKey: vectors.receiptKey }], (client) => client.receiptKey()],
  ["the Directory", [[{ address: record.controller, name: "A", roles: ["controller"], suspended: false }]], (client) => client.names()],
  ["an invitation", [{ controller: record.controller, controllerName: "A", title: "B", expiresAt: 1, claimed: false, subject: null }], (client) => client.invitation("inv_0123456789")],
  ["an offer", [vectors.offer], (client) => client.offer("off_0123456789")],
  ["messages", [[{ kind: "question", text: "A?", at: 1 }]], (client) => client.messages(key, "off_0123456789")],
  ["records", [[vectors.offer]], (client) => client.records(key)],
  ["grants", [GRANTS], (client) => client.grants(key, vectors.offer.id)],
  ["accesses", [logs.entries.map(({ shown }) => shown)], (client) => client.accesses(key, vectors.offer.id)],
  ["a relay", [RELAYED], (client) => client.relay("rly_0123456789")],
  ["a message that was handed in", [RELAYED], (client) => client.send(signed[0]!)],
  ["the log", [{ origin: logs.origin, key: logs.key }], (client) => client.log()],
  ["a checkpoint", notes, (client) => client.checkpoint()],
  ["a proof", [{ proof: logs.entries[0]?.proof }], (client) => client.inclusion(0, 1)],
  ["a token", [{ access_token: "abc", expires_in: 900 }], (client) => client.records(key)],
  ["a nonce", [{ nonce: "0123456789abcdef" }], (client) => client.records(key)],
];

/** A service that is honest but in one answer. */
function service(part: string, given: unknown, status: number): Client {
  const honest = (path: string): unknown => {
    if (path === "/v1/ledger") return part === "the ledger" ? given : { deployment: vectors.deployment };
    if (path === "/v1/auth/nonce") return part === "a nonce" ? given : { nonce: "0123456789abcdef" };
    if (path === "/v1/auth/verify") return part === "a token" ? given : { access_token: "abc", expires_in: 900 };
    return given;
  };
  const fetch = (url: string): Promise<Response> => {
    const path = new URL(url).pathname;
    const told = honest(path);
    const refused = told === given && status !== 200;
    return Promise.resolve(new Response(JSON.stringify(told) ?? "undefined", { status: refused ? status : 200, headers: { "Retry-After": "soon" } }));
  };
  return new Client(vectors.url, { fetch, pinned: part === "the ledger" ? null : deployment });
}

describe("what a service answers", () => {
  test.each(ANSWERS)("%s", async (name, honest, ask) => {
    await survives(fc.tuple(fc.oneof(near(honest), odd), fc.constantFrom(200, 200, 200, 400, 401, 404, 500)),
      ([given, status]) => ask(service(name, given, status)), 120);
  });

  test("problems", async () => {
    const honest = [{ type: "urn:volens:error:not_found", title: "No", status: 404, detail: "No.", reason: "revoked", instance: "urn:volens:request:r", errors: [{ field: "a", problem: "b" }] }];
    await survives(fc.tuple(near(honest), fc.constantFrom(400, 403, 404, 409, 429, 503)), ([given, status]) => service("all", given, status).offer("off_0123456789"));
  });

  test("a refusal without words has some", async () => {
    await expect(service("all", { type: "urn:volens:error:not_found", detail: " " }, 404).offer("off_0123456789")).rejects.toThrow("The service refused (404).");
  });

  test("bytes that are no JSON, and no text", async () => {
    await survives(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      const client = new Client(vectors.url, { fetch: () => Promise.resolve(new Response(new Uint8Array(bytes))), pinned: deployment });
      await client.offer("off_0123456789");
    });
  });

  test("a node", async () => {
    const [told] = standings.cases;
    if (told === undefined) throw new Error("The vector has no case.");
    const known = readDeployment(standings.deployment);
    const honest = { eth_chainId: `0x${known.chainId.toString(16)}`, genesis: { hash: known.genesis }, latest: told.block, eth_getProof: told.proof };
    await survives(fc.oneof(near([honest]), odd), (value) => {
      const answers = Object(value) as Json;
      const ask = (_: string, { body }: RequestInit): Promise<Response> => {
        const { method, params } = JSON.parse(body as string) as { method: string; params: unknown[] };
        const result = answers[method === "eth_getBlockByNumber" ? (params[0] === "latest" ? "latest" : "genesis") : method];
        return Promise.resolve(new Response(JSON.stringify({ jsonrpc: "2.0", id: 1, result })));
      };
      return standingByNodes(["https://node.example/"], known, told.subject, told.grant, ask);
    }, 100);
  });
});

test("a consent record is made of whatever grant was read", async () => {
  await survives(near(vectors.offer.grants), (value) => consentRecord(read("Grant", value), {
    subject: vectors.subject, controller: record.controller, names, language: "en", domain, service: vectors.url, at: 1_795_428_100, handed: [],
  }));
});
