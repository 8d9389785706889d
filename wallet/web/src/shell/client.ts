/**
 * One connection to a Volens service: problems become our own errors, and the ledger is the pinned one or nothing is signed.
 *
 * Signing in is per pseudonym, and a request carries the token of at most one: the service is not told by a request which of
 * them belong together. No secret is ever an argument of anything here.
 */

import { bytesToHex, randomBytes } from "@noble/hashes/utils.js";
import { sha256 } from "@noble/hashes/sha2.js";

import { readDeployment, sameDeployment, type Deployment } from "../core/deployment.ts";
import { InvalidFile, InvalidInput, InvalidProof, Unavailable, VolensError, WrongChain } from "../core/errors.ts";
import { boolean, list, members, nullable, parse, string } from "../core/json.ts";
import type { SigningKey } from "../core/keys.ts";
import { InvalidMessage, address, hash32, integer } from "../core/model.ts";
import { PATHS, bodyOf, type SignedMessage } from "../core/signed_message.ts";
import { invitationAnswer, personalDigest, signInMessage } from "../core/siwe.ts";

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Bytes of the longest answer that is JSON or text. */
const MAX_ANSWER = 16 * 2 ** 20;
const MAX_PROBLEM = 64 * 2 ** 10;
const CODE = /^[A-Za-z0-9_-]{1,200}$/;
const PROBLEM = /^urn:volens:error:([a-z_]{1,64})$/;
/** A token is used until this many seconds before it ends. */
const MARGIN = 30;

/** What a service answered instead: `code` is the problem's type, `status` the HTTP status. docs/errors.md lists them. */
export class Problem extends VolensError {
  readonly status: number;
  readonly reason: string | undefined;
  readonly fields: readonly { readonly field: string; readonly problem: string }[];
  /** In how many seconds to try again. */
  readonly retryAfter: number | undefined;
  /** The name of the request, for the operator. */
  readonly request: string | undefined;

  constructor(
    code: string, message: string, status: number,
    more: { reason?: string | undefined; fields?: Problem["fields"]; retryAfter?: number | undefined; request?: string | undefined } = {},
  ) {
    super(code, message);
    this.status = status;
    this.reason = more.reason;
    this.fields = more.fields ?? [];
    this.retryAfter = more.retryAfter;
    this.request = more.request;
  }
}

/** A party as the Directory lists it. */
export interface Party {
  readonly address: string;
  readonly name: string | null;
  readonly roles: readonly string[];
  readonly suspended: boolean;
}

/** An invitation, with the name the Directory gives who invites (null: not listed). */
export interface Invitation {
  readonly controller: string;
  readonly controllerName: string | null;
  readonly title: string;
  readonly expiresAt: number;
  readonly claimed: boolean;
  readonly subject: string | null;
}

/** How far a message is on its way to the chain; `receipt` (unverified) only right after it was handed in. */
export interface Relayed {
  readonly id: string;
  readonly status: "accepted" | "sent" | "recorded" | "final" | "failed";
  readonly transaction: string | null;
  readonly block: number | null;
  readonly problem: string | null;
  readonly receipt: unknown;
}

/**
 * Whether a grant stands, as the service sees it now; `grant` is unchecked. `standing` is `granted` or a reason.
 * `newForm`: the hash of what took the place of its form; `endedChannels`: for which its form or terms do not count any more.
 */
export interface Standing {
  readonly id: string;
  readonly grant: unknown;
  readonly subject: string;
  readonly recipientName: string | null;
  readonly standing: string;
  readonly newForm: string | null;
  readonly endedChannels: readonly string[];
  /** By channel, what took the place of the terms that the form names for it. */
  readonly newTerms: ReadonlyMap<string, string>;
}

/** What one side said about an offer: `question` and `decline` are the patient's, `answer` the institution's. */
export interface OfferMessage {
  readonly kind: string;
  readonly text: string;
  readonly at: number;
}

interface Options {
  /** Deployment facts from elsewhere; the service must be on exactly this ledger. */
  readonly pinned?: Deployment | null;
  readonly fetch?: Fetch;
  /** Milliseconds. */
  readonly timeout?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export class Client {
  /** Of the service, without a slash at its end. */
  readonly url: string;
  readonly #fetch: Fetch;
  readonly #timeout: number;
  readonly #now: () => number;
  #deployment: Deployment | null;
  #receiptKey: string | null = null;
  #checked = false;
  readonly #tokens = new Map<string, { value: string; until: number }>();

  /** Throws InvalidInput when `url` is not the address of a service. */
  constructor(url: string, { pinned = null, fetch: ask = (to, init) => fetch(to, init), timeout = 30_000, now = Date.now }: Options = {}) {
    const parsed = URL.canParse(url) ? new URL(url) : null;
    if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.username !== "" || parsed.search !== "" || parsed.hash !== "") {
      throw new InvalidInput("This is not the address of a service.");
    }
    this.url = (parsed.origin + parsed.pathname).replace(/\/+$/, "");
    this.#fetch = ask;
    this.#timeout = timeout;
    this.#now = now;
    this.#deployment = pinned;
  }

  /** Unix seconds. */
  now(): number {
    return Math.floor(this.#now() / 1000);
  }

  // ---------------------------------------------------------------------------------------------- the ledger and its names

  /** The ledger the service is on. Throws WrongChain when it is not the pinned one. */
  async deployment(): Promise<Deployment> {
    if (!this.#checked || this.#deployment === null) {
      const answer = members(await this.#json("GET", "/v1/ledger"), "ledger");
      const stated = readDeployment(answer.get("deployment"));
      if (this.#deployment !== null && !sameDeployment(stated, this.#deployment)) {
        throw new WrongChain("The service is on another ledger than the one this wallet knows. Nothing was signed.");
      }
      const key = answer.get("receiptKey");
      this.#receiptKey = typeof key === "string" ? key : null;
      this.#deployment = stated;
      this.#checked = true;
    }
    return this.#deployment;
  }

  /** The key (64 hex digits) with which the service says that it signs receipts; pin it. Throws InvalidProof: it names none. */
  async receiptKey(): Promise<string> {
    await this.deployment();
    try {
      return hash32(this.#receiptKey, "receiptKey").slice(2);
    } catch {
      throw new InvalidProof("The service does not say how it signs receipts.");
    }
  }

  /** Everybody the Directory lists. */
  async parties(): Promise<readonly Party[]> {
    return list(await this.#json("GET", "/v1/parties"), "parties", (value, field) => {
      const party = members(value, field);
      return Object.freeze({
        address: address(party.get("address"), `${field}.address`),
        name: nullable(party.get("name") ?? null, `${field}.name`, string),
        roles: list(party.get("roles"), `${field}.roles`, string, 16),
        suspended: boolean(party.get("suspended"), `${field}.suspended`),
      });
    });
  }

  /** The Directory's names by address; who has none is left out. */
  async names(): Promise<ReadonlyMap<string, string>> {
    const named = (await this.parties()).flatMap(({ address: party, name }) => (name === null ? [] : [[party, name] as const]));
    return new Map(named);
  }

  /** A form or terms document, unchecked: give it to `readForm` or `readTerms` with its hash. */
  document(hash: string): Promise<unknown> {
    return this.#json("GET", `/v1/documents/${hash32(hash, "document")}`);
  }

  // ---------------------------------------------------------------------------------------------- the patient's own things

  /** Who invites, and to what. */
  async invitation(token: string): Promise<Invitation> {
    const found = members(await this.#json("GET", `/v1/invitations/${part(token)}`), "invitation");
    return Object.freeze({
      controller: address(found.get("controller"), "controller"),
      controllerName: nullable(found.get("controllerName") ?? null, "controllerName", string),
      title: string(found.get("title"), "title"),
      expiresAt: integer(found.get("expiresAt"), "expiresAt"),
      claimed: boolean(found.get("claimed"), "claimed"),
      subject: nullable(found.get("subject") ?? null, "subject", address),
    });
  }

  /** Answer an invitation as this pseudonym. `encryptionKey`: its X-Wing public key. */
  async claim(token: string, key: SigningKey, encryptionKey: Uint8Array): Promise<void> {
    const text = invitationAnswer(part(token), key.address, encryptionKey, await this.#place());
    const body = { message: text, signature: key.sign(personalDigest(text)) };
    await this.#json("POST", `/v1/invitations/${part(token)}/claim`, { body });
  }

  /** An offer, unchecked: give it to `readOffer`. */
  offer(token: string): Promise<unknown> {
    return this.#json("GET", `/v1/offers/${part(token)}`);
  }

  /** What was said about an offer, for its two sides. */
  async messages(key: SigningKey, token: string): Promise<readonly OfferMessage[]> {
    return readMessages(await this.#json("GET", `/v1/offers/${part(token)}/messages`, { as: key }));
  }

  /** Ask about an offer, or decline it; gives everything that was said. */
  async say(key: SigningKey, token: string, kind: "question" | "decline", text: string): Promise<readonly OfferMessage[]> {
    return readMessages(await this.#json("POST", `/v1/offers/${part(token)}/messages`, { as: key, body: { kind, text } }));
  }

  /** The records of a pseudonym, unchecked: give each to `readRecord`. */
  async records(key: SigningKey): Promise<readonly unknown[]> {
    return list(await this.#json("GET", "/v1/records", { as: key }), "records", (value) => value);
  }

  /** A record, unchecked: give it to `readRecord`, and the keys in it that are wrapped to this pseudonym to `readWraps`. */
  record(key: SigningKey, record: string): Promise<unknown> {
    return this.#json("GET", `/v1/records/${hash32(record, "record")}`, { as: key });
  }

  /** Every grant of a record, and whether it stands now. */
  async grants(key: SigningKey, record: string): Promise<readonly Standing[]> {
    const answer = await this.#json("GET", `/v1/records/${hash32(record, "record")}/grants`, { as: key });
    return list(answer, "grants", (value, field) => {
      const view = members(value, field);
      return Object.freeze({
        id: hash32(view.get("id"), `${field}.id`),
        grant: view.get("grant"),
        subject: address(view.get("subject"), `${field}.subject`),
        recipientName: nullable(view.get("recipientName") ?? null, `${field}.recipientName`, string),
        standing: string(view.get("standing"), `${field}.standing`),
        newForm: nullable(view.get("newForm") ?? null, `${field}.newForm`, hash32),
        endedChannels: list(view.get("endedChannels") ?? [], `${field}.endedChannels`, string, 64),
        newTerms: new Map([...members(view.get("newTerms") ?? {}, `${field}.newTerms`)]
          .map(([code, terms]) => [code, hash32(terms, `${field}.newTerms.${code}`)])),
      });
    });
  }

  /** Who asked about a record and who received its keys, unchecked: give each to `verifyEntry`. */
  async accesses(key: SigningKey, record: string): Promise<readonly unknown[]> {
    const answer = await this.#json("GET", `/v1/records/${hash32(record, "record")}/accesses`, { as: key });
    return list(answer, "accesses", (value) => value);
  }

  /** The sealed bytes of an item. Throws InvalidFile: they are others than the digest names. */
  async sealed(key: SigningKey, digest: string, size: number): Promise<Uint8Array> {
    const answer = await this.#ask("GET", `/v1/items/${hash32(digest, "sealed")}`, { as: key });
    const bytes = await taken(answer, size);
    if (`0x${bytesToHex(sha256(bytes))}` !== digest) {
      throw new InvalidFile("The sealed file that came is not the one that was announced.");
    }
    return bytes;
  }

  /** Hand a signed message in, to be recorded on chain; anybody may. */
  async send(signed: SignedMessage): Promise<Relayed> {
    const { chainId, contracts } = await this.deployment();
    if (signed.chainId !== chainId || signed.registry !== contracts.ConsentRegistry.address) {
      throw new WrongChain("This message was signed for another ledger. It was not sent.");
    }
    return readRelayed(await this.#json("POST", PATHS[signed.type], { body: bodyOf(signed) }));
  }

  /** How far a message is on its way to the chain. */
  async relay(id: string): Promise<Relayed> {
    return readRelayed(await this.#json("GET", `/v1/relays/${part(id)}`));
  }

  // ---------------------------------------------------------------------------------------------- the access log

  /** How the log is signed: give it to `first`. */
  log(): Promise<unknown> {
    return this.#json("GET", "/v1/log");
  }

  /** The log's signed head, for `first` and `follow`. */
  async checkpoint(): Promise<string> {
    return decoded(await taken(await this.#ask("GET", "/v1/log/checkpoint"), MAX_ANSWER));
  }

  /** That the log of one size begins with the log of another, for `follow`. */
  async consistency(first: number, second: number): Promise<unknown> {
    const query = `first=${integer(first, "first")}&second=${integer(second, "second")}`;
    return members(await this.#json("GET", `/v1/log/proof?${query}`), "proof").get("proof");
  }

  /** That an entry is in the log of a size, for `verifyEntry`. */
  async inclusion(index: number, size: number): Promise<unknown> {
    const query = `index=${integer(index, "index")}&size=${integer(size, "size")}`;
    return members(await this.#json("GET", `/v1/log/proof?${query}`), "proof").get("proof");
  }

  // ---------------------------------------------------------------------------------------------- signing in and asking

  /** Forget every token: the wallet is locked. */
  signOut(): void {
    this.#tokens.clear();
  }

  async #place(): Promise<{ url: string; chainId: number; nonce: string; at: number }> {
    const { chainId } = await this.deployment(); // before a nonce is used up, and before anything is signed
    const nonce = string(members(await this.#json("POST", "/v1/auth/nonce", { body: {} }), "nonce").get("nonce"), "nonce");
    return { url: this.url, chainId, nonce, at: this.now() };
  }

  async #token(key: SigningKey, again: boolean): Promise<string> {
    const known = this.#tokens.get(key.address);
    if (known !== undefined && !again && known.until > this.now() + MARGIN) return known.value;
    const text = signInMessage(key.address, await this.#place());
    const body = { message: text, signature: key.sign(personalDigest(text)) };
    const answer = members(await this.#json("POST", "/v1/auth/verify", { body }), "token");
    const value = string(answer.get("access_token"), "access_token");
    this.#tokens.set(key.address, { value, until: this.now() + integer(answer.get("expires_in"), "expires_in") });
    return value;
  }

  async #json(method: string, path: string, options: { body?: object; as?: SigningKey } = {}): Promise<unknown> {
    const text = decoded(await taken(await this.#ask(method, path, options), MAX_ANSWER));
    try {
      return parse(text, "answer");
    } catch {
      throw new Unavailable("The service answered with something that is not JSON.");
    }
  }

  async #ask(method: string, path: string, options: { body?: object; as?: SigningKey } = {}): Promise<Response> {
    const answer = await this.#once(method, path, options, false);
    if (answer.ok) return answer;
    if (answer.status === 401 && options.as !== undefined) {
      // The service may have forgotten the token before its time: sign in once more.
      const second = await this.#once(method, path, options, true);
      if (second.ok) return second;
      throw await problemOf(second);
    }
    throw await problemOf(answer);
  }

  async #once(method: string, path: string, { body, as }: { body?: object; as?: SigningKey }, again: boolean): Promise<Response> {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (method !== "GET") headers["Idempotency-Key"] = bytesToHex(randomBytes(16));
    if (as !== undefined) headers["Authorization"] = `Bearer ${await this.#token(as, again)}`;
    try {
      return await this.#fetch(this.url + path, {
        method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(this.#timeout), cache: "no-store", credentials: "omit", redirect: "error",
        referrerPolicy: "no-referrer",
      });
    } catch {
      throw new Unavailable("The service does not answer. Nothing was lost; try again.");
    }
  }
}

function readMessages(value: unknown): readonly OfferMessage[] {
  return list(value, "messages", (entry, field) => {
    const message = members(entry, field);
    return Object.freeze({
      kind: string(message.get("kind"), `${field}.kind`), text: string(message.get("text"), `${field}.text`),
      at: integer(message.get("at"), `${field}.at`),
    });
  });
}

function readRelayed(value: unknown): Relayed {
  const found = members(value, "relay");
  const status = found.get("status");
  if (status !== "accepted" && status !== "sent" && status !== "recorded" && status !== "final" && status !== "failed") {
    throw new InvalidMessage("status", "is none that this page knows");
  }
  return Object.freeze({
    id: relayId(found.get("id")),
    status,
    transaction: nullable(found.get("transaction") ?? null, "transaction", string),
    block: nullable(found.get("block") ?? null, "block", integer),
    problem: nullable(found.get("problem") ?? null, "problem", string),
    receipt: found.get("receipt") ?? null,
  });
}

/** A code that a person brought, as a piece of a path. Throws VolensError: no service knows such a code. */
export function part(text: string): string {
  if (!CODE.test(text)) throw new VolensError("not_found", "This is not a code that a service gave out; was it copied in full?");
  return text;
}

function relayId(value: unknown): string {
  if (typeof value !== "string" || !CODE.test(value)) throw new InvalidMessage("id", "is not the id of a relay");
  return value;
}

/** The body of an answer, at most `limit` bytes. */
async function taken(answer: Response, limit: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    const reader = answer.body?.getReader();
    for (let read = await reader?.read(); read !== undefined && !read.done; read = await reader?.read()) {
      size += read.value.length;
      if (size > limit) {
        await reader?.cancel();
        break;
      }
      pieces.push(read.value);
    }
  } catch {
    throw new Unavailable("The service stopped in the middle of its answer. Try again.");
  }
  if (size > limit) throw new Unavailable("The service sends more than it announced.");
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Unavailable("The service answered with something that is not text.");
  }
}

async function problemOf(answer: Response): Promise<Problem> {
  const retry = Number(answer.headers.get("Retry-After") ?? NaN);
  const retryAfter = Number.isFinite(retry) && retry >= 0 ? retry : undefined;
  let given: ReadonlyMap<string, unknown> = new Map();
  try {
    given = members(parse(decoded(await taken(answer, MAX_PROBLEM)), "problem"), "problem");
  } catch {
    // what answered is no Volens service; its status is all there is
  }
  const words = (name: string): string | undefined => {
    const value = given.get(name);
    return typeof value === "string" && value.length <= 4096 ? value : undefined;
  };
  const code = PROBLEM.exec(words("type") ?? "")?.[1] ?? (answer.status >= 500 ? "unavailable" : "invalid_input");
  const errors: unknown = given.get("errors");
  const fields = (Array.isArray(errors) ? errors : []).flatMap((entry: unknown) => {
    const { field, problem } = (typeof entry === "object" && entry !== null ? entry : {}) as Record<string, unknown>;
    return typeof field === "string" && typeof problem === "string" ? [{ field, problem }] : [];
  });
  return new Problem(code, words("detail")?.trim() || `The service refused (${answer.status}).`, answer.status, {
    reason: words("reason"), fields, retryAfter, request: words("instance")?.replace("urn:volens:request:", ""),
  });
}
