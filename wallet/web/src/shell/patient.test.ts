import { Chacha20Poly1305 } from "@hpke/chacha20poly1305";
import { CipherSuite, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";
import { ed25519 } from "@noble/curves/ed25519.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { beforeEach, describe, expect, test, vi } from "vitest";

import logs from "../../../../tests/vectors/log.json";
import vectors from "../../../../tests/vectors/wallet.json";
import { grantHash, openBook, type Case, type Named } from "../core/book.ts";
import { canonical } from "../core/canonical.ts";
import { domainOf, readDeployment } from "../core/deployment.ts";
import { InvalidFile, InvalidInput, Refused, Unavailable, WrongChain } from "../core/errors.ts";
import { PatientKeys, SigningKey } from "../core/keys.ts";
import { documentHash } from "../core/documents.ts";
import type { Message } from "../core/model.ts";
import { LogAlarm } from "../core/log.ts";
import { narrow } from "../core/offer.ts";
import { renewed } from "../core/renewal.ts";
import { PATHS, isSigned, readSigned, type RelayedType, type SignedMessage } from "../core/signed_message.ts";
import { openItemKey, subjectInfo } from "../core/sealing.ts";
import { hashStruct, recover } from "../core/typed_data.ts";
import { personalDigest } from "../core/siwe.ts";
import { Client, Problem, part } from "./client.ts";
import { GAP, Patient, type OpenedOffer } from "./patient.ts";
import { MemoryStorage } from "./storage.ts";
import { Wallet, entropyOf, eraseWallet, keepKeystore, keystoreOf } from "./wallet.ts";

const CHEAP = { memory: 64, passes: 1, lanes: 1 };
const NOW = 1_795_428_100;
const PASSPHRASE = "a passphrase only she knows";
const keys = new PatientKeys(vectors.words);
const deployment = readDeployment(vectors.deployment);
const domain = domainOf(deployment);
const [narrative] = vectors.items;

const nameOf = (grant: Message<"Grant">): Named => ({ subject: vectors.subject, grant: grantHash(grant) });

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly body: Record<string, unknown>;
  readonly headers: Headers;
  readonly init: RequestInit;
}

/** A service in memory that answers as docs/api.md says; tests break one thing at a time. */
class FakeService {
  readonly seen: Seen[] = [];
  readonly messages: SignedMessage[] = [];
  readonly sessions = new Map<string, string>();
  readonly claimed = new Map<string, string>();
  records: unknown[] = [];
  /** The item keys that are wrapped to the vectors' pseudonym. */
  wraps: readonly string[] = vectors.items.map(({ wrap }) => wrap);
  log = { note: "", entries: [] as unknown[], proof: [] as unknown[] };
  deployment: object = vectors.deployment;
  readonly secret = new Uint8Array(32).fill(9);
  down = false;
  break: (path: string) => Response | undefined = () => undefined;

  readonly fetch = async (url: string, init: RequestInit): Promise<Response> => {
    await Promise.resolve();
    if (this.down) throw new TypeError("network");
    const path = url.replace(vectors.url, "");
    const body = init.body === undefined ? {} : (JSON.parse(init.body as string) as Record<string, unknown>);
    this.seen.push({ method: init.method ?? "GET", path, body, headers: new Headers(init.headers), init });
    return this.break(path) ?? this.#answer(path, body, new Headers(init.headers));
  };

  #answer(path: string, body: Record<string, unknown>, headers: Headers): Response {
    const as = this.sessions.get(headers.get("Authorization")?.replace("Bearer ", "") ?? "");
    const own = path.startsWith("/v1/records") || path.startsWith("/v1/items");
    if (own && as === undefined) return problem(401, "not_authorised", "Sign in first.");
    const relayed = Object.entries(PATHS).find(([, at]) => at === path)?.[0];
    if (relayed !== undefined) return this.#take(relayed as RelayedType, body);
    if (path.startsWith("/v1/log/proof")) return json({ proof: this.log.proof });
    if (path.startsWith("/v1/items/")) {
      const found = vectors.items.find(({ sealed }) => path.endsWith(sealed));
      return new Response(new Uint8Array(hexToBytes(found?.bytes ?? "")));
    }
    switch (path) {
      case "/v1/ledger":
        return json({ deployment: this.deployment, receiptKey: `0x${bytesToHex(ed25519.getPublicKey(this.secret))}`, more: 1 });
      case "/v1/parties":
        return json(Object.entries(vectors.names).map(([address, name]) => ({ address, did: "", name, roles: ["recipient"], suspended: false })));
      case "/v1/auth/nonce":
        return json({ nonce: "0123456789abcdef", expires_at: NOW + 300 });
      case "/v1/auth/verify": {
        const signer = recover(personalDigest(body["message"] as string), body["signature"]);
        const token = `token-of-${signer}-${this.sessions.size}`;
        this.sessions.set(token, signer);
        return json({ access_token: token, token_type: "Bearer", expires_in: 900 });
      }
      case "/v1/invitations/abc":
        return json({
          controller: vectors.offer.record.controller, controllerName: "Example Hospital", title: vectors.offer.record.title,
          expiresAt: NOW + 300, claimed: false, subject: null,
        });
      case "/v1/invitations/abc/claim":
        this.claimed.set("abc", recover(personalDigest(body["message"] as string), body["signature"]));
        return json({});
      case "/v1/offers/xyz":
        return json(vectors.offer);
      case "/v1/records":
        return json(as === vectors.subject ? this.records : []);
      case `/v1/records/${vectors.offer.id}`:
        return json({ ...vectors.offer, wraps: as === vectors.subject ? this.wraps : [] });
      case `/v1/records/${vectors.offer.id}/grants`:
        return json(vectors.offer.grants.map((grant, i) => ({
          id: `0x${String(i).repeat(64)}`, grant, subject: vectors.subject, recipientName: "Example Journal", standing: "granted",
        })));
      case `/v1/records/${vectors.offer.id}/accesses`:
        return json(this.log.entries);
      case "/v1/log":
        return json({ origin: logs.origin, key: logs.key });
      case "/v1/log/checkpoint":
        return new Response(this.log.note);
      default: {
        const found = vectors.documents.find(({ hash }) => path === `/v1/documents/${hash}`);
        return found ? json(found.document) : problem(404, "not_found", "There is no such thing.");
      }
    }
  }

  #take(type: RelayedType, body: Record<string, unknown>): Response {
    const sent = readSigned({ v: 1, chainId: domain.chainId, registry: domain.registry, type, ...body });
    if (!isSigned(sent, domain)) return problem(403, "bad_signature", "Signed by another key.");
    this.messages.push(sent);
    const id = `rly_${String(this.messages.length).padStart(32, "0")}`;
    const receipt = {
      v: 1, chainId: domain.chainId, registry: domain.registry, type, digest: `0x${bytesToHex(domain.digest(type, sent.message))}`,
      subject: sent.message.subject, signer: sent.signer, id, receivedAt: NOW,
    };
    const told = concatBytes(utf8ToBytes("volens/relay-receipt/v1\n"), utf8ToBytes(canonical(receipt)));
    const signed = {
      receipt, key: `0x${bytesToHex(ed25519.getPublicKey(this.secret))}`, signature: `0x${bytesToHex(ed25519.sign(told, this.secret))}`,
    };
    return json({ id, status: "accepted", token: null, transaction: null, block: null, problem: null, receipt: signed }, 202);
  }
}

function json(value: unknown, status = 200): Response {
  return new Response(JSON.stringify(value), { status, headers: { "Content-Type": "application/json" } });
}

function problem(status: number, code: string, detail: string, more: object = {}, headers: Record<string, string> = {}): Response {
  const body = { type: `urn:volens:error:${code}`, title: "No", status, detail, instance: "urn:volens:request:r1", ...more };
  return new Response(JSON.stringify(body), { status, headers });
}

let service: FakeService;
let storage: MemoryStorage;
let wallet: Wallet;
let patient: Patient;

const client = (): Client =>
  new Client(vectors.url, { fetch: service.fetch, now: () => NOW * 1000, pinned: wallet.contents.deployment });

beforeEach(async () => {
  service = new FakeService();
  storage = new MemoryStorage();
  wallet = await Wallet.create(storage, vectors.words, PASSPHRASE, { cost: CHEAP });
  // The vectors' offer is for the pseudonym of a certain number.
  await wallet.change((contents) => ({ ...contents, used: vectors.index }));
  patient = new Patient(wallet, client());
});

async function opened(): Promise<OpenedOffer> {
  await patient.join("abc");
  return patient.offer("xyz");
}

const reopened = async (): Promise<Wallet> => Wallet.open(storage, { passphrase: PASSPHRASE });
const theCase = (): Case => {
  const [first] = wallet.contents.cases;
  if (first === undefined) throw new Error("There is no case.");
  return first;
};

describe("the wallet in a browser", () => {
  test("is made once, and opens with its passphrase only", async () => {
    await expect(Wallet.create(storage, vectors.words, PASSPHRASE, { cost: CHEAP })).rejects.toThrow(InvalidInput);
    await expect(Wallet.open(storage, { passphrase: "another passphrase" })).rejects.toThrow(Refused);
    expect((await reopened()).contents).toEqual(wallet.contents);
    expect(await Wallet.exists(storage)).toBe(true);
    await eraseWallet(storage);
    expect(await Wallet.exists(storage)).toBe(false);
    await expect(reopened()).rejects.toThrow(InvalidInput);
  });

  test("keeps nothing readable", async () => {
    await opened();
    for (const name of ["keystore", "book"]) {
      const text = new TextDecoder().decode(await storage.get(name));
      for (const secret of [vectors.subject, "Example", vectors.words.split(" ")[0] ?? "", vectors.offer.record.title]) {
        expect(text).not.toContain(secret);
      }
    }
  });

  test("does not open when one of its two parts is gone, damaged or another's", async () => {
    const [keystore, book] = [await storage.get("keystore"), await storage.get("book")];
    await storage.remove("book");
    await expect(reopened()).rejects.toThrow(InvalidFile);
    await storage.set("book", new Uint8Array(100));
    await expect(reopened()).rejects.toThrow(InvalidFile);
    await storage.set("book", book ?? new Uint8Array());
    await storage.set("keystore", Uint8Array.of(1));
    await expect(reopened()).rejects.toThrow(InvalidFile);
    await storage.set("keystore", keystore ?? new Uint8Array());
    expect((await reopened()).contents.used).toBe(vectors.index);
  });

  test("goes on from an exported book of the same words, and of no others", async () => {
    await opened();
    const [elsewhere, file] = [new MemoryStorage(), wallet.sealed()];
    const moved = await Wallet.create(elsewhere, vectors.words, "another passphrase", { book: file, cost: CHEAP });
    expect(moved.contents).toEqual(wallet.contents);
    const others = `${"abandon ".repeat(23)}art`;
    await expect(Wallet.create(new MemoryStorage(), others, PASSPHRASE, { book: file, cost: CHEAP })).rejects.toThrow(InvalidFile);
  });

  test("two windows do not undo each other's changes", async () => {
    const other = await reopened();
    await other.change((contents) => ({ ...contents, used: 20 }));
    await wallet.change((contents) => ({ ...contents, service: "https://a.example" }));
    expect((await reopened()).contents).toMatchObject({ used: 20, service: "https://a.example" });
    await expect(wallet.change(() => { throw new Error("no"); })).rejects.toThrow("no");
    expect((await reopened()).contents.used).toBe(20);
  });

  test("its keystore can be replaced by another of the same words", async () => {
    const entropy = await entropyOf(storage, { passphrase: PASSPHRASE });
    const { changePassphrase } = await import("../core/keystore.ts");
    await keepKeystore(storage, await changePassphrase(await keystoreOf(storage), entropy, "a new passphrase", CHEAP));
    await expect(reopened()).rejects.toThrow(Refused);
    expect((await Wallet.open(storage, { passphrase: "a new passphrase" })).contents).toEqual(wallet.contents);
  });
});

describe("the main job", () => {
  test("joins with a fresh pseudonym, pins the ledger, opens what is offered and agrees", async () => {
    const joined = await patient.join("abc");
    expect(joined).toMatchObject({ index: vectors.index, subject: vectors.subject, record: null });
    expect(service.claimed.get("abc")).toBe(vectors.subject);
    expect(wallet.contents.deployment).toEqual(deployment);
    expect(wallet.contents.service).toBe(vectors.url);

    const offer = await patient.offer("xyz");
    expect(theCase().record).toBe(vectors.offer.id);
    expect([...offer.forms.keys()]).toEqual([vectors.documents[0]?.hash]);
    const form = [...offer.forms.values()][0];
    if (form === undefined) throw new Error("There is no form.");
    expect((await patient.terms(form, "social:mastodon")).channel).toBe("social:mastodon");
    for (const [i, [, content]] of Object.entries(vectors.files).entries()) {
      expect(new TextDecoder().decode(await patient.open(offer, i))).toBe(content);
    }

    const [proposal] = offer.grants;
    if (proposal === undefined) throw new Error("There is no grant.");
    const chosen = narrow(proposal, { channels: ["journal"] }, Object.keys(vectors.files), offer.names, "en");
    const sent = await patient.agree(offer, [chosen]);
    expect(sent).toMatchObject({ doubt: null, relayed: { status: "accepted" } });
    expect(service.messages.map(({ type }) => type)).toEqual(["Consent"]);
    expect(service.messages[0]?.message).toMatchObject({ subject: vectors.subject, deadline: NOW + 900 });
    const kept = (await reopened()).contents;
    expect(kept.cases[0]?.grants).toEqual([chosen]);
    expect(kept.handed).toHaveLength(1);
    expect(kept.waiting).toEqual([]);
  });

  test("opens the files for a steward with her own key, wrapped for her part in this record and no other", async () => {
    const hospital = new SigningKey(keccak_256(utf8ToBytes("volens world: hospital")));
    const record = { ...vectors.offer.record, subject: keys.subject(7).address, stewards: [vectors.subject] };
    const hash = `0x${bytesToHex(hashStruct("Record", record))}`;
    const suite = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Chacha20Poly1305() });
    const seed = keys.encryptionSeed(vectors.index);
    const { publicKey } = await new XWing().generateKeyPairDerand(seed.slice());
    const context = { chainId: domain.chainId, registry: domain.registry, subject: vectors.subject };
    const wrapFor = async (subject: string): Promise<string[]> => Promise.all(vectors.items.map(async ({ item, wrap }) => {
      const place = { ...context, item: `0x${bytesToHex(hashStruct("Item", item))}` };
      const identity = await openItemKey(hexToBytes(wrap.slice(2)), seed, subjectInfo({ ...place, record: vectors.offer.id }));
      const info = new Uint8Array(subjectInfo({ ...place, record: hash, subject })).buffer;
      const { enc, ct } = await suite.seal({ recipientPublicKey: publicKey, info }, new Uint8Array(utf8ToBytes(identity)).buffer);
      return `0x${bytesToHex(new Uint8Array(enc))}${bytesToHex(new Uint8Array(ct))}`;
    }));
    const shown = {
      ...vectors.offer, record, id: hash, signature: hospital.signTyped(domain, "Record", record),
      grants: vectors.offer.grants.map((grant) => ({ ...grant, record: hash })),
    };
    let wraps = await wrapFor(vectors.subject);
    service.break = (path) =>
      path === "/v1/offers/xyz" ? json(shown) : path === `/v1/records/${hash}` ? json({ ...shown, wraps }) : undefined;
    const offer = await opened();
    for (const [i, [, content]] of Object.entries(vectors.files).entries()) {
      expect(new TextDecoder().decode(await patient.open(offer, i))).toBe(content);
    }
    for (const other of [await wrapFor(record.subject), vectors.items.map(({ wrap }) => wrap)]) {
      wraps = other;
      await expect(patient.open(await patient.offer("xyz"), 0)).rejects.toThrow(Refused);
    }
  });

  test("reads an offer whose files are closed to her, and opens none of them", async () => {
    service.wraps = [];
    const offer = await opened();
    expect(offer.wraps).toEqual([]);
    expect(offer.grants).toHaveLength(2);
    await expect(patient.open(offer, 0)).rejects.toThrow(InvalidInput);
    expect(service.seen.some(({ path }) => path.startsWith("/v1/items/"))).toBe(false);
  });

  test("signs nothing whose sentence is not its own, or of another record", async () => {
    const offer = await opened();
    const [grant] = offer.grants;
    if (grant === undefined) throw new Error("There is no grant.");
    await expect(patient.agree(offer, [{ ...grant, purposes: ["press"] }])).rejects.toThrow(InvalidInput);
    await expect(patient.agree(offer, [{ ...grant, record: `0x${"1".repeat(64)}` }])).rejects.toThrow(InvalidInput);
    expect(service.messages).toEqual([]);
  });

  test("sends no secret, no cookie and no referrer, and each request at most one pseudonym", async () => {
    const offer = await opened();
    await patient.open(offer, 0);
    await patient.agree(offer, offer.grants);
    await patient.restore();
    const other = keys.subject(0).address;
    for (const { body, headers, init, path } of service.seen) {
      const told = JSON.stringify(body) + JSON.stringify([...headers]) + path;
      expect(told).not.toMatch(/AGE-SECRET|passphrase/i);
      for (const word of [bytesToHex(keys.encryptionSeed(vectors.index)), bytesToHex(keys.vaultKey())]) expect(told).not.toContain(word);
      expect(told.includes(other) && told.includes(vectors.subject)).toBe(false);
      expect(init).toMatchObject({ credentials: "omit", referrerPolicy: "no-referrer", redirect: "error", cache: "no-store" });
    }
    expect(service.seen.some(({ headers }) => (headers.get("Authorization") ?? "").includes(other))).toBe(true);
  });

  test("what the service serves in place of a part is refused", async () => {
    const offer = await opened();
    service.break = (path) => (path.startsWith("/v1/items/") ? new Response(new Uint8Array(narrative?.sealedSize ?? 0)) : undefined);
    await expect(patient.open(offer, 0)).rejects.toThrow(/not the one that was announced/);
    service.break = (path) => (path.startsWith("/v1/items/") ? new Response(new Uint8Array(5000)) : undefined);
    await expect(patient.open(offer, 0)).rejects.toThrow(Unavailable);
    service.break = (path) => (path.startsWith("/v1/documents/") ? json({ type: "VolensForm" }) : undefined);
    await expect(patient.offer("xyz")).rejects.toThrow(InvalidInput);
  });

  test("an invitation from nobody in the Directory is not answered", async () => {
    service.break = (path) => (path === "/v1/invitations/abc" ? json({
      controller: vectors.offer.record.controller, controllerName: null, title: "x", expiresAt: 1, claimed: false, subject: null,
    }) : undefined);
    await expect(patient.join("abc")).rejects.toThrow(InvalidInput);
    expect(service.claimed.size).toBe(0);
  });

  test("a pseudonym that may have been seen is never used again", async () => {
    service.break = (path) => (path.endsWith("/claim") ? problem(503, "unavailable", "Later.") : undefined);
    await expect(patient.join("abc")).rejects.toThrow(Problem);
    service.break = () => undefined;
    expect((await patient.join("abc")).index).toBe(vectors.index + 1);
  });
});

describe("another ledger", () => {
  test("than the pinned one: nothing is sent, nothing is signed", async () => {
    const offer = await opened();
    service.deployment = { ...vectors.deployment, genesis: `0x${"1".repeat(64)}` };
    const later = new Patient(await reopened(), client());
    await expect(later.join("abc")).rejects.toThrow(WrongChain);
    await expect(later.agree(offer, offer.grants)).rejects.toThrow(WrongChain);
    expect(service.messages).toEqual([]);
    expect(service.seen.at(-1)?.path).toBe("/v1/ledger");
  });

  test("than the one a message was signed for: it is not sent", async () => {
    await opened();
    const [file] = vectors.signed;
    const foreign = { ...readSigned(JSON.parse(file?.file ?? "")), chainId: 1 };
    await expect(client().send(foreign)).rejects.toThrow(WrongChain);
  });
});

describe("taking back", () => {
  const agreed = async (): Promise<readonly Named[]> => {
    const offer = await opened();
    await patient.agree(offer, offer.grants);
    service.messages.length = 0;
    return offer.grants.map(nameOf);
  };

  test("revokes one, several, everything; suspends, resumes and closes", async () => {
    const [one, other] = await agreed();
    if (one === undefined || other === undefined) throw new Error("There are two grants.");
    await patient.revoke([one]);
    await patient.revoke([one, other, one]);
    await patient.revokeAll([theCase()]);
    await patient.suspend(theCase(), true);
    await patient.suspend(theCase(), false);
    await patient.close(theCase());
    expect(service.messages.map(({ type, message }) => [type, (message["grants"] as unknown[] | undefined)?.length])).toEqual([
      ["Revocation", 1], ["Revocation", 2], ["RevokeAll", undefined], ["Revocation", 2], ["Suspension", undefined],
      ["Suspension", undefined], ["Closure", undefined],
    ]);
    expect(wallet.contents.waiting).toEqual([]);
    await expect(patient.revoke([{ ...one, grant: `0x${"0".repeat(64)}` }])).rejects.toThrow(InvalidInput);
  });

  test("says a word that gives once more where one that takes away came in the same second, and never waits with one refused", async () => {
    await agreed();
    const late = (): Response => problem(409, "conflict", "A word of now counts.");
    let refused = 1;
    service.break = (path) => (path === "/v1/suspensions" && refused-- > 0 ? late() : undefined);
    vi.useFakeTimers();
    try {
      const resumed = patient.suspend(theCase(), false);
      await vi.runAllTimersAsync();
      expect((await resumed).relayed).not.toBeNull();
      refused = 9;
      const never = expect(patient.suspend(theCase(), false)).rejects.toThrow("counts");
      await vi.runAllTimersAsync();
      await never;
    } finally {
      vi.useRealTimers();
    }
    expect(refused).toBe(7);
    expect(wallet.contents.waiting).toEqual([]);
    // A withdrawal is not said anew: it waits as it is.
    await expect(patient.suspend(theCase(), true)).rejects.toThrow("counts");
    expect(refused).toBe(6);
    expect(wallet.contents.waiting).toHaveLength(1);
  });

  test("works with the service down: it is signed, kept, and sent when the service is back, withdrawals first", async () => {
    const hashes = await agreed();
    service.down = true;
    const offline = new Patient(await reopened(), client());
    const [sent] = await offline.revoke(hashes);
    expect(sent).toMatchObject({ relayed: null });
    expect((await reopened()).contents.waiting).toHaveLength(1);
    service.down = false;
    const back = new Patient(await reopened(), client());
    expect(await back.sendWaiting()).toMatchObject([{ relayed: { status: "accepted" } }]);
    expect((await reopened()).contents.waiting).toEqual([]);
    expect((await reopened()).contents.handed.at(-1)?.sent.type).toBe("Revocation");
  });

  test("everything in a case also ends a consent that still waits", async () => {
    const offer = await opened();
    service.down = true;
    expect(await patient.agree(offer, offer.grants)).toMatchObject({ relayed: null });
    await patient.revokeAll([theCase()]);
    service.down = false;
    await patient.sendWaiting();
    expect(service.messages.map(({ type }) => type)).toEqual(["RevokeAll", "Revocation"]);
  });

  test("one refusal does not keep the others from being sent; a refused withdrawal waits, a refused consent does not", async () => {
    const hashes = await agreed();
    service.break = (path) => (path === PATHS.RevokeAll ? problem(404, "not_found", "Nothing is known of this subject.") : undefined);
    await expect(patient.revokeAll([theCase()])).rejects.toMatchObject({ code: "not_found", status: 404 });
    expect(service.messages.map(({ type }) => type)).toEqual(["Revocation"]);
    expect(wallet.contents.waiting.map(({ type }) => type)).toEqual(["RevokeAll"]);
    const [waits] = wallet.contents.waiting;
    if (waits !== undefined) await patient.forget(waits);
    expect(wallet.contents.waiting).toEqual([]);
    service.break = (path) => (path === PATHS.Consent ? problem(410, "expired", "Too late.") : undefined);
    const offer = await patient.offer("xyz");
    await expect(patient.agree(offer, offer.grants)).rejects.toMatchObject({ code: "expired" });
    expect(wallet.contents.waiting).toEqual([]);
    // It was signed, so it stays revocable.
    expect(theCase().grants.map(nameOf)).toEqual(hashes);
  });

  test("with a receipt that does not hold is done, but said, and waits for one that does", async () => {
    const hashes = await agreed();
    service.secret.fill(8); // another key than the pinned one
    const [sent] = await patient.revoke(hashes);
    expect(sent?.relayed?.status).toBe("accepted");
    expect(sent?.doubt).toMatch(/another key/);
    expect(wallet.contents.waiting).toHaveLength(1);
  });
});

describe("what was agreed to elsewhere", () => {
  const [grant] = vectors.offer.grants;
  const shows = (change: object): void => {
    const view = { id: grantHash(grant as never), grant, subject: vectors.subject, recipientName: null, standing: "granted", ...change };
    service.break = (path) => (path.endsWith("/grants") ? json([view, view]) : undefined);
  };

  test("is remembered, and can be stopped", async () => {
    await opened();
    shows({});
    expect(theCase().grants).toEqual([]);
    await Promise.all([patient.standings(theCase()), patient.standings(theCase())]);
    await patient.standings(theCase());
    expect(theCase().grants.map(grantHash)).toContain(grantHash(grant as never));
    await patient.revoke([nameOf(grant as never)]);
    expect(service.messages.at(-1)?.type).toBe("Revocation");
  });

  test.each([
    ["of somebody else who decides about the record", { subject: `0x${"11".repeat(20)}` }],
    ["that never was recorded", { standing: "no_consent" }],
    ["under another name", { id: `0x${"11".repeat(32)}` }],
  ])("is not hers: one %s", async (_, change) => {
    await opened();
    shows(change);
    await patient.standings(theCase());
    expect(theCase().grants).toEqual([]);
  });
});

describe("acting for another", () => {
  test("a delegate is named, remembers it, and may do what the rights say and no more", async () => {
    await opened();
    const { index, address } = await patient.offerToAct();
    expect(index).toBe(vectors.index + 1);
    const sent = await patient.delegate(theCase(), address, 1, NOW + 1000);
    expect(sent.signed.message).toMatchObject({ delegate: address, rights: 1, validUntil: NOW + 1000 });
    const acting = { index, subject: vectors.subject, title: "Her case", rights: 1, validUntil: NOW + 1000, grants: [] };
    await patient.actFor(acting);
    expect((await reopened()).contents.acting).toEqual([acting]);
    await patient.revokeAllFor(acting);
    await patient.suspendFor(acting, true);
    expect(service.messages.slice(1).map(({ type, signer, message }) => [type, signer, message.subject])).toEqual([
      ["RevokeAll", address, vectors.subject], ["Suspension", address, vectors.subject],
    ]);
    await expect(patient.suspendFor(acting, false)).rejects.toThrow(InvalidInput);
    await expect(patient.revokeAllFor({ ...acting, validUntil: NOW })).rejects.toThrow(InvalidInput);
  });
});

describe("restoring from words", () => {
  test("finds the cases, and no invitation is answered before", async () => {
    service.records = [vectors.offer];
    const elsewhere = await Wallet.create(new MemoryStorage(), vectors.words, PASSPHRASE, { again: true, cost: CHEAP });
    const again = new Patient(elsewhere, client());
    await expect(again.join("abc")).rejects.toThrow(InvalidInput);
    expect(await again.restore()).toBe(1);
    expect(elsewhere.contents.cases[0]).toMatchObject({ index: vectors.index, record: vectors.offer.id, grants: vectors.offer.grants });
    expect(elsewhere.contents.used).toBe(vectors.index + 1 + GAP);
    expect(elsewhere.contents.toRestore).toBe(false);
    expect(await again.restore()).toBe(0);
  });
});

describe("who looked", () => {
  test("is shown once it is proven, and what was seen is remembered", async () => {
    await opened();
    service.log.note = logs.valid.find(({ size }) => size === logs.entries.length)?.note ?? "";
    service.log.entries = [logs.entries[0]?.shown];
    service.log.proof = logs.entries[0]?.proof ?? [];
    expect(await patient.accesses(theCase())).toEqual([logs.entries[0]?.shown]);
    expect(wallet.contents.log?.note).toBe(service.log.note);

    const before = wallet.contents.log;
    service.log.note = logs.valid.find(({ size }) => size === 0)?.note ?? "";
    await expect(patient.accesses(theCase())).rejects.toThrow(LogAlarm);
    expect((await reopened()).contents.log).toEqual(before);
  });

  test("is not shown when an entry was changed", async () => {
    await opened();
    service.log.note = logs.valid.find(({ size }) => size === logs.entries.length)?.note ?? "";
    service.log.entries = [{ ...logs.entries[0]?.shown, reason: "permitted" }];
    service.log.proof = logs.entries[0]?.proof ?? [];
    await expect(patient.accesses(theCase())).rejects.toMatchObject({ code: "invalid_proof" });
    expect(wallet.contents.log).toBeNull();
  });
});

describe("the connection", () => {
  test.each(["", "ftp://a.example", "https://me:secret@a.example", "https://a.example/?q", "volens", "https://a.example/#x"])(
    "%j is not the address of a service", (url) => {
      expect(() => new Client(url)).toThrow(InvalidInput);
    },
  );

  test("problems keep their code, sentence, fields, reason, waiting time and request", async () => {
    const errors = [{ field: "grants[0].salt", problem: "is wrong" }, "nonsense"];
    service.break = () => problem(429, "too_many_requests", "Slower.", { errors, reason: "revoked" }, { "Retry-After": "7" });
    await expect(client().parties()).rejects.toMatchObject({
      code: "too_many_requests", status: 429, message: "Slower.", reason: "revoked", retryAfter: 7, request: "r1",
      fields: [{ field: "grants[0].salt", problem: "is wrong" }],
    });
  });

  test.each([
    ["not JSON", () => new Response("<html>")],
    ["not text", () => new Response(Uint8Array.of(0xff, 0xfe))],
    ["nothing", () => new Response(null)],
  ])("an answer that is %s is no answer", async (_, answer) => {
    service.break = answer;
    await expect(client().parties()).rejects.toThrow(Unavailable);
  });

  test("a status that no service of ours has is not taken for one", async () => {
    service.break = () => json({ id: "rly_1", status: "probably" });
    await expect(client().relay("rly_1")).rejects.toThrow(/none that this page knows/);
  });

  test("what is no Volens service says at least its status", async () => {
    service.break = () => new Response("<html>", { status: 502 });
    await expect(client().parties()).rejects.toMatchObject({ code: "unavailable", status: 502 });
  });

  test("an answer that never ends is cut off", async () => {
    service.break = () => new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(2 ** 20)) }));
    await expect(client().parties()).rejects.toThrow(Unavailable);
  });

  test("signs in once, again when the service forgot, and not a third time", async () => {
    const mine = client();
    const key = keys.subject(vectors.index);
    const signIns = (): number => service.seen.filter(({ path }) => path === "/v1/auth/verify").length;
    await mine.records(key);
    await mine.records(key);
    expect(signIns()).toBe(1);
    service.sessions.clear();
    await mine.records(key);
    expect(signIns()).toBe(2);
    service.break = (path) => (path === "/v1/records" ? problem(401, "not_authorised", "No.") : undefined);
    await expect(mine.records(key)).rejects.toMatchObject({ status: 401 });
    expect(signIns()).toBe(3);
    service.break = () => undefined;
    mine.signOut();
    await mine.records(key);
    expect(signIns()).toBe(4);
  });

  test("writes carry an idempotency key of their own", async () => {
    await opened();
    const written = service.seen.filter(({ method }) => method === "POST").map(({ headers }) => headers.get("Idempotency-Key"));
    expect(new Set(written).size).toBe(written.length);
    expect(written.every((one) => /^[0-9a-f]{32}$/.test(one ?? ""))).toBe(true);
  });

  test.each(["", "a/b", "../x", "a?b", "a b", "x".repeat(201), "%2e"])("%j is no code of a service", (code) => {
    expect(() => part(code)).toThrow(expect.objectContaining({ code: "not_found" }));
  });

  test("the book that was exported is Python's", () => {
    expect(openBook(keys.vaultKey(), wallet.sealed())).toEqual(wallet.contents);
  });
});

describe("a form that changed", () => {
  const NONE: ReadonlyMap<string, string> = new Map();
  const text = vectors.documents.find(({ document }) => document.type === "VolensForm")?.document as Record<string, unknown>;
  const next = (more: object) => {
    const document = { ...text, version: 2, title: { en: "A new title" }, ...more };
    const hash = documentHash(document);
    service.break = (path) => (path === `/v1/documents/${hash}` ? json(document) : undefined);
    return hash;
  };
  const given = async () => {
    const offer = await opened();
    const [grant] = offer.grants;
    if (grant === undefined) throw new Error("There is no grant.");
    await patient.agree(offer, [grant]);
    return { offer, grant };
  };

  test("is told with both texts, which are those of their hashes", async () => {
    const { grant } = await given();
    const { before, after, terms } = await patient.changedForm(grant, next({}), NONE);
    expect([before.version, after?.version, after?.title.get("en"), terms]).toEqual([1, 2, "A new title", []]);
    const hash = next({});
    service.break = (path) => (path === `/v1/documents/${hash}` ? json({ ...text, version: 3 }) : undefined);
    await expect(patient.changedForm(grant, hash, NONE)).rejects.toThrow("another than the one");
  });

  test("is not believed to be replaced by another issuer's", async () => {
    const { grant } = await given();
    await expect(patient.changedForm(grant, next({ issuer: vectors.subject }), NONE)).rejects.toThrow("not from who made the old one");
  });

  test("is also one whose terms alone were replaced, by who wrote the old ones", async () => {
    const { grant } = await given();
    const mastodon = vectors.documents.find(({ document }) => document.type === "VolensTerms")?.document as Record<string, unknown>;
    const shown = (more: object) => {
      const document = { ...mastodon, version: 2, asOf: "2027-01-01", ...more };
      const hash = documentHash(document);
      service.break = (path) => (path === `/v1/documents/${hash}` ? json(document) : undefined);
      return new Map([["social:mastodon", hash]]);
    };
    const { after, terms } = await patient.changedForm(grant, null, shown({ text: { en: "Anybody may copy it." } }));
    expect(after).toBeNull();
    expect(terms.map(({ channel, before, after }) => [channel, before.version, after.version, after.text.get("en")]))
      .toEqual([["social:mastodon", 1, 2, "Anybody may copy it."]]);
    await expect(patient.changedForm(grant, null, shown({ issuer: vectors.subject }))).rejects.toThrow("not from who made the old ones");
  });

  test("is agreed to again, and the old consent is taken back at once where it does not count itself", async () => {
    const { offer, grant } = await given();
    const renewal = renewed(grant, next({}), offer.names, "en");
    expect(await patient.renew(theCase(), grant, renewal, offer.names, "form_superseded")).toEqual({ consent: "sent", ended: "sent", refusal: null });
    expect(service.messages.map(({ type }) => type)).toEqual(["Consent", "Consent", "Revocation"]);
    const [, consent, revocation] = service.messages.map(({ message }) => message["grants"] as object[]);
    expect([consent, revocation]).toEqual([[renewal], [grant]]);
    expect(theCase().grants.map(grantHash)).toContain(grantHash(renewal));
  });

  test("is agreed to again, and the old consent that counts goes on until the new one does", async () => {
    const { offer, grant } = await given();
    const renewal = renewed(grant, next({}), offer.names, "en");
    expect(await patient.renew(theCase(), grant, renewal, offer.names, "granted")).toEqual({ consent: "sent", ended: null, refusal: null });
    expect(service.messages.map(({ type }) => type)).toEqual(["Consent", "Consent"]);
  });

  test("leaves the old consent alone while the new one is not taken, and is finished later", async () => {
    const { offer, grant } = await given();
    const renewal = renewed(grant, next({}), offer.names, "en");
    const renew = () => patient.renew(theCase(), grant, renewal, offer.names, "form_superseded");
    service.down = true;
    expect(await renew()).toEqual({ consent: "waits", ended: null, refusal: null });
    expect(await renew()).toMatchObject({ consent: "waits" });
    expect(wallet.contents.waiting.map(({ type }) => type), "signed anew, not twice").toEqual(["Consent"]);
    service.down = false;
    service.break = (path) => (path === PATHS.Consent ? problem(400, "invalid_message", "form: has ended") : undefined);
    expect(await renew()).toMatchObject({ consent: "refused", ended: null, refusal: { message: "form: has ended" } });
    expect([service.messages.map(({ type }) => type), wallet.contents.waiting]).toEqual([["Consent"], []]);
    service.break = () => undefined;
    expect(await renew()).toMatchObject({ consent: "sent", ended: "sent" });
  });

  test("keeps the end of the old consent that the service does not take, and says so", async () => {
    const { offer, grant } = await given();
    const renewal = renewed(grant, next({}), offer.names, "en");
    service.break = (path) => (path === PATHS.Revocation ? problem(403, "not_authorised", "No.") : undefined);
    expect(await patient.renew(theCase(), grant, renewal, offer.names, "form_superseded"))
      .toMatchObject({ consent: "sent", ended: "waits", refusal: { message: "No." } });
    expect(wallet.contents.waiting.map(({ type }) => type)).toEqual(["Revocation"]);
    service.break = () => undefined;
    await patient.sendWaiting();
    expect(service.messages.map(({ type }) => type)).toEqual(["Consent", "Consent", "Revocation"]);
  });
});
