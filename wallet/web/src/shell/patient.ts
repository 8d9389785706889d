/** What the patient does: answer an invitation, open what is hers, agree, take back, see who looked. As `wallet/patient.py`. */

import {
  caseOf, freshIndex, grantHash, grantOf, withCase, withGrants, type Acting, type Case, type Contents, type Named,
} from "../core/book.ts";
import { domainOf, sameDeployment } from "../core/deployment.ts";
import { readForm, readTerms, type Form, type Terms } from "../core/documents.ts";
import { InvalidInput, InvalidProof, Unavailable, WrongChain } from "../core/errors.ts";
import { first, follow, verifyEntry } from "../core/log.ts";
import { CLOCKS_APART, LONGEST_CONSENT, RIGHT_GRANT, RIGHT_REVOKE, address, read, type Message } from "../core/model.ts";
import { readOffer, readRecord, readWraps, type Offer } from "../core/offer.ts";
import { verifyReceipt } from "../core/receipts.ts";
import { oldMayEnd, termsOf } from "../core/renewal.ts";
import { sign, type RelayedType, type SignedMessage } from "../core/signed_message.ts";
import { matches } from "../core/summary.ts";
import type { Domain } from "../core/typed_data.ts";
import { Problem, type Client, type Invitation, type Relayed, type Standing } from "./client.ts";
import type { Wallet } from "./wallet.ts";

/** How many unused pseudonyms in a row end the search for cases. */
export const GAP = 5;
/** How many grants are revoked by one message. */
const AT_ONCE = 100;
/** Seconds a signed consent may wait to be recorded. */
const CONSENT_LIFE = 15 * 60;
/** Seconds ahead that everything is taken back: what is recorded until the message lands, which cuts this, ends too. */
const REVOKE_AHEAD = 15 * 60;

/**
 * A message that was signed and kept. `relayed` is null while the service could not be reached: it waits in the book, and as a
 * file (`toFile`) anybody may relay it. `doubt` says why the service's receipt does not hold: it can deny later that it was told.
 */
export interface Sent {
  readonly signed: SignedMessage;
  readonly relayed: Relayed | null;
  readonly doubt: string | null;
}

/** An entry of the access log that is proven to be in the log. */
export type Access = Readonly<Record<string, unknown>>;

/**
 * A checked offer, with the Directory's names and the forms its grants refer to, by hash. `wraps` are the keys of its items in
 * their order, wrapped to her; none where the files were not locked for her, a steward who answered too late or long ago.
 */
export interface OpenedOffer extends Offer {
  readonly names: ReadonlyMap<string, string>;
  readonly forms: ReadonlyMap<string, Form>;
  readonly wraps: readonly Uint8Array[];
}

/**
 * The form of a consent and what took its place (null where nothing did), with the terms of its channels that are other ones
 * now.
 */
export interface ChangedForm {
  readonly before: Form;
  readonly after: Form | null;
  readonly terms: readonly { readonly channel: string; readonly before: Terms; readonly after: Terms }[];
}

/**
 * What came of agreeing again. `sent`: the service has it; `waits`: it is kept until the service takes it; `refused`: nothing new
 * was allowed. `ended` is null while the old consent is left as it is.
 */
export interface Renewal {
  readonly consent: "sent" | "waits" | "refused";
  readonly ended: "sent" | "waits" | null;
  readonly refusal: Problem | null;
}

/** A patient at one service, with an unlocked wallet. */
export class Patient {
  readonly #wallet: Wallet;
  readonly #client: Client;
  #domain: Domain | null = null;

  constructor(wallet: Wallet, client: Client) {
    this.#wallet = wallet;
    this.#client = client;
  }

  /** The ledger every signature is for: pinned on first use. Throws WrongChain: the service is on another. */
  async domain(): Promise<Domain> {
    if (this.#domain !== null) return this.#domain;
    const { deployment: pinned } = this.#wallet.contents;
    // What was pinned is enough to sign with; the service is compared with it when it is asked.
    if (pinned !== null) return (this.#domain = domainOf(pinned));
    const stated = await this.#client.deployment();
    await this.#wallet.change((contents) => {
      if (contents.deployment !== null && !sameDeployment(contents.deployment, stated)) {
        throw new WrongChain("The service is on another ledger than the one this wallet knows. Nothing was signed.");
      }
      return { ...contents, service: contents.service ?? this.#client.url, deployment: stated };
    });
    return (this.#domain = domainOf(stated));
  }

  // ------------------------------------------------------------------------------------------- joining and agreeing

  /** Who invites, by the Directory, and to what. */
  invitation(token: string): Promise<Invitation> {
    return this.#client.invitation(token);
  }

  /**
   * Answer an invitation with a fresh pseudonym, used for this record only.
   *
   * @throws InvalidInput the cases of these words were not looked for yet (`restore`), or the institution is not listed.
   */
  async join(token: string): Promise<Case> {
    await this.domain();
    if (this.#wallet.contents.toRestore) {
      throw new InvalidInput("This wallet was made again from its words. Look for its cases first.");
    }
    const invitation = await this.#client.invitation(token);
    if (invitation.controllerName === null) {
      throw new InvalidInput("Who invites is not listed in the Directory. Do not answer; ask your institution.");
    }
    for (;;) {
      // Remembered before it is sent: a pseudonym that may have been seen is never used again.
      const contents = await this.#wallet.change((before) => {
        const index = freshIndex(before);
        const { address: subject } = this.#wallet.keys.subject(index);
        const added = { index, subject, title: invitation.title, controller: invitation.controller, record: null, grants: [] };
        return withCase(before, added);
      });
      const joined = contents.cases.at(-1);
      if (joined === undefined) throw new InvalidInput("This wallet has no such case.");
      const key = this.#wallet.keys.subject(joined.index);
      try {
        await this.#client.claim(token, key, await this.#wallet.keys.encryptionKey(joined.index));
        return joined;
      } catch (error) {
        if (!(error instanceof Problem && error.status === 409) || (await this.#client.invitation(token)).claimed) throw error;
        // Another device with the same words has used this pseudonym: the next one, and its cases are looked for later.
        await this.#wallet.change((before) => ({
          ...before, used: Math.max(before.used, joined.index + 1), toRestore: true,
          cases: before.cases.filter(({ index, record }) => index !== joined.index || record !== null),
        }));
      }
    }
  }

  /**
   * Find the cases of a wallet that was made again from its words; returns how many were found.
   *
   * Asks as one pseudonym after the other, until `GAP` in a row have no record. The service can tell from this that they
   * belong together.
   */
  async restore(): Promise<number> {
    const domain = await this.domain();
    let found = 0;
    for (let index = 0, empty = 0; empty < GAP; index++) {
      const key = this.#wallet.keys.subject(index);
      const records = await this.#client.records(key);
      empty = records.length > 0 ? 0 : empty + 1;
      const cases: Case[] = [];
      for (const value of records) {
        const { record, hash } = readRecord(value, domain);
        if (![record.subject, ...record.stewards].includes(key.address)) continue;
        const grants = (await this.#client.grants(key, hash)).filter(({ subject }) => subject === key.address);
        const own = grants.map(({ grant }) => read("Grant", grant)).filter((grant) => grant.record === hash);
        cases.push({ index, subject: key.address, title: record.title, controller: record.controller, record: hash, grants: own });
      }
      await this.#wallet.change((contents) => {
        const fresh = cases.filter((one) => contents.cases.every(({ record }) => record !== one.record));
        found += fresh.length;
        const used = Math.max(contents.used, index + 1);
        return { ...fresh.reduce((now, one) => withCase(now, withGrants({ ...one, grants: [] }, one.grants)), contents), used };
      });
    }
    await this.#wallet.change((contents) => ({ ...contents, toRestore: false }));
    return found;
  }

  /** Read an offer, and everything it refers to, before anything is shown. Throws what `readOffer` and `readForm` throw. */
  async offer(token: string): Promise<OpenedOffer> {
    const domain = await this.domain();
    const names = await this.#client.names();
    const offer = readOffer(await this.#client.offer(token), this.#wallet.contents, names, domain);
    const forms = new Map<string, Form>();
    for (const hash of new Set(offer.grants.map(({ form }) => form))) {
      forms.set(hash, readForm(await this.#client.document(hash), hash));
    }
    const own = await this.#client.record(this.#wallet.keys.subject(offer.case.index), offer.hash);
    const wraps = readWraps(own, offer.items.length);
    await this.#wallet.change((contents) => withCase(contents, { ...caseOf(contents, offer.case.subject), record: offer.hash }));
    return Object.freeze({ ...offer, case: { ...offer.case, record: offer.hash }, names, forms, wraps });
  }

  /** The terms of a channel of a form. */
  async terms(form: Form, channel: string): Promise<Terms> {
    const named = form.channels.get(channel);
    if (named === undefined) throw new InvalidInput("The form has no terms for this channel.");
    return readTerms(await this.#client.document(named.terms), named.terms);
  }

  /** Open one part of an offer with her own key, so that she sees exactly what would be shared. */
  async open(offer: Pick<OpenedOffer, "case" | "hash" | "items" | "wraps">, position: number): Promise<Uint8Array> {
    const { chainId, registry } = await this.domain();
    const { openItemKey, openSealed, subjectInfo } = await import("../core/sealing.ts");
    const [part, wrap] = [offer.items[position], offer.wraps[position]];
    if (part === undefined || wrap === undefined) throw new InvalidInput("There is no such part.");
    const { index, subject } = offer.case;
    const info = subjectInfo({ chainId, registry, record: offer.hash, item: part.hash, subject });
    const identity = await openItemKey(wrap, this.#wallet.keys.encryptionSeed(index), info);
    const sealed = await this.#client.sealed(this.#wallet.keys.subject(index), part.sealed, part.sealedSize);
    return openSealed(sealed, identity, part.item);
  }

  /**
   * Sign one consent and send it.
   *
   * @param grants proposals of the offer, or what `narrow` made of them.
   * @throws InvalidInput a grant is of another record, or its sentence does not say what would be signed.
   */
  async agree(
    offer: Pick<OpenedOffer, "case" | "hash" | "names" | "deadlineFrom">, grants: readonly Message<"Grant">[],
  ): Promise<Sent> {
    for (const grant of grants) {
      if (grant.record !== offer.hash || matches(grant, offer.names) === null) {
        throw new InvalidInput("The sentence of this offer does not say what would be signed. Do not sign it.");
      }
    }
    const { subject, index } = offer.case;
    const now = this.#client.now();
    // Later only where everything was taken back within the last 30 days, and never later than would be recorded.
    const deadline = Math.max(now + CONSENT_LIFE, Math.min(offer.deadlineFrom, now + LONGEST_CONSENT + CLOCKS_APART));
    const consent = { subject, grants, deadline };
    const signed = await this.#signed("Consent", consent, index);
    // Kept before it is sent: what was signed can always be revoked.
    await this.#wallet.change((contents) => withCase(contents, withGrants(caseOf(contents, subject), grants)));
    return this.#deliver(signed);
  }

  /**
   * What changed in the form of a consent, or in what its places say. The texts are those of their hashes; that one took the
   * other's place is the service's word, and only a text of the same issuer is believed to.
   *
   * @param newForm what took the form's place; null where nothing did.
   * @param newTerms by channel, what took the place of the form's terms: shown where no new form names others.
   * @throws InvalidInput a new text is another issuer's. InvalidMessage: a text is not the one that its hash names.
   */
  async changedForm(grant: Message<"Grant">, newForm: string | null, newTerms: ReadonlyMap<string, string>): Promise<ChangedForm> {
    const form = async (hash: string) => readForm(await this.#client.document(hash), hash);
    const [before, after] = await Promise.all([form(grant.form), newForm === null ? null : form(newForm)]);
    if (after !== null && before.issuer !== after.issuer) {
      throw new InvalidInput("The new form is not from who made the old one. Do not agree to it; ask your institution.");
    }
    const found = grant.channels.map(async (channel) => {
      const old = termsOf(before, channel)?.terms;
      const now = after === null ? newTerms.get(channel) : termsOf(after, channel)?.terms;
      if (old === undefined || now === undefined || old === now) return null;
      const [was, is] = await Promise.all([old, now].map(async (hash) => readTerms(await this.#client.document(hash), hash)));
      if (was === undefined || is === undefined || (after === null && was.issuer !== is.issuer)) {
        throw new InvalidInput("The new terms are not from who made the old ones. Ask your institution.");
      }
      return { channel, before: was, after: is };
    });
    return { before, after, terms: (await Promise.all(found)).filter((one) => one !== null) };
  }

  /**
   * Agree to the same consent under another form, and end the old one where `oldMayEnd`; else it is left as it is, and ended
   * later. In this order, so that an interruption never leaves her with less than before. Doing it again finishes it.
   *
   * @param renewal what `renewed` made of the grant.
   * @param state of the old consent.
   */
  async renew(
    one: Case, grant: Message<"Grant">, renewal: Message<"Grant">, names: ReadonlyMap<string, string>, state: string,
  ): Promise<Renewal> {
    // As an offer would say it: what she took back all at once is known from what she handed in.
    const taken = this.#wallet.contents.handed.flatMap(({ sent: { type, message } }) =>
      type === "RevokeAll" && message.subject === one.subject ? [Number(message["before"])] : []);
    const deadlineFrom = taken.length === 0 ? 0 : Math.max(...taken) + LONGEST_CONSENT + 1;
    // What was signed before and never taken is signed anew: its time runs out.
    const before = this.#wallet.contents.waiting.filter(({ type, message }) => type === "Consent" && message.subject === one.subject &&
      (message["grants"] as readonly Message<"Grant">[]).some((other) => grantHash(other) === grantHash(renewal)));
    for (const signed of before) await this.forget(signed);
    try {
      const { relayed } = await this.agree({ case: one, hash: grant.record, names, deadlineFrom }, [renewal]);
      if (relayed === null) return { consent: "waits", ended: null, refusal: null };
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return { consent: "refused", ended: null, refusal: error };
    }
    if (!oldMayEnd(state, "waiting")) return { consent: "sent", ended: null, refusal: null };
    try {
      const sent = await this.revoke([{ subject: one.subject, grant: grantHash(grant) }]);
      return { consent: "sent", ended: sent.every(({ relayed }) => relayed !== null) ? "sent" : "waits", refusal: null };
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return { consent: "sent", ended: "waits", refusal: error };
    }
  }

  // ------------------------------------------------------------------------------------------- taking back

  /** Take consents back: one message for each case and hundred. All are signed and kept before any is sent. */
  async revoke(names: readonly Named[]): Promise<readonly Sent[]> {
    const contents = this.#wallet.contents;
    const found = names.map((name) => grantOf(contents, name));
    const signed = [];
    for (const [one, own] of Map.groupBy(found, (each) => each.case)) {
      signed.push(...(await this.#revocations(one.subject, [...new Set(own.map(({ grant }) => grant))], one.index)));
    }
    return this.#deliverAll(signed);
  }

  /** Take back everything in some cases, also what was signed but is not yet recorded. */
  async revokeAll(cases: readonly Case[]): Promise<readonly Sent[]> {
    const signed = [];
    for (const { subject, index } of cases) {
      // What was signed and not yet taken would be recorded later than `before`.
      await this.#wallet.change((contents) => ({
        ...contents, waiting: contents.waiting.filter(({ type, message }) => type !== "Consent" || message.subject !== subject),
      }));
      signed.push(await this.#signed("RevokeAll", { subject, before: this.#client.now() + REVOKE_AHEAD }, index));
      signed.push(...(await this.#revocations(subject, caseOfIndex(this.#wallet.contents, index).grants, index)));
    }
    return this.#deliverAll(signed);
  }

  /** Pause everything in a case, or resume. */
  async suspend({ subject, index }: Case, suspended: boolean): Promise<Sent> {
    return this.#say(suspended, "Suspension", { subject, suspended }, index);
  }

  /** End everything in a case for ever: no consent can be given in it again. */
  async close({ subject, index }: Case): Promise<Sent> {
    return this.#deliver(await this.#signed("Closure", { subject }, index));
  }

  // ------------------------------------------------------------------------------------------- acting for another

  /**
   * Let somebody act in a case until a time, or end that (`rights` of 0).
   *
   * @param rights RIGHT_REVOKE (1), RIGHT_GRANT (2), or both (3).
   */
  async delegate({ subject, index }: Case, delegate: string, rights: number, validUntil: number): Promise<Sent> {
    return this.#say(rights === 0, "Delegation", { subject, delegate: address(delegate, "delegate"), rights, validUntil }, index);
  }

  /** A fresh address under which this wallet may act for somebody else; tell it to them. */
  async offerToAct(): Promise<{ index: number; address: string }> {
    await this.#wallet.change((contents) => ({ ...contents, used: freshIndex(contents) + 1 }));
    const index = this.#wallet.contents.used - 1;
    return { index, address: this.#wallet.keys.subject(index).address };
  }

  /** Remember for whom this wallet may act. */
  async actFor(acting: Acting): Promise<void> {
    await this.#wallet.change((contents) => {
      const others = contents.acting.filter(({ subject, index }) => subject !== acting.subject || index !== acting.index);
      return { ...contents, acting: [...others, Object.freeze(acting)] };
    });
  }

  /** Take back everything in somebody else's case, as their delegate. */
  async revokeAllFor(acting: Acting): Promise<readonly Sent[]> {
    const { subject, index, grants } = may(acting, RIGHT_REVOKE, this.#client.now());
    const all = await this.#signed("RevokeAll", { subject, before: this.#client.now() + REVOKE_AHEAD }, index);
    return this.#deliverAll([all, ...(await this.#revocations(subject, grants, index))]);
  }

  /** Pause everything in somebody else's case (right to revoke), or resume (right to grant), as their delegate. */
  async suspendFor(acting: Acting, suspended: boolean): Promise<Sent> {
    const { subject, index } = may(acting, suspended ? RIGHT_REVOKE : RIGHT_GRANT, this.#client.now());
    return this.#say(suspended, "Suspension", { subject, suspended }, index);
  }

  // ------------------------------------------------------------------------------------------- seeing

  /**
   * Every grant of a case and whether it stands, as the service sees it now. What was agreed to elsewhere, by a helper or on
   * another device, is remembered: it is shown, and stopped, like what was agreed to here.
   */
  async standings({ index, subject, record }: Case): Promise<readonly Standing[]> {
    if (record === null) return [];
    const found = await this.#client.grants(this.#wallet.keys.subject(index), record);
    const unknownTo = ({ grants }: Case) => {
      const known = new Set(grants.map(grantHash));
      return found
        .filter((one) => one.subject === subject && one.standing !== "no_consent" && !known.has(one.id))
        .map(({ id, grant }) => ({ id, grant: read("Grant", grant) }))
        .filter(({ id, grant }) => grant.record === record && grantHash(grant) === id)
        .map(({ grant }) => grant);
    };
    if (unknownTo(caseOfIndex(this.#wallet.contents, index)).length > 0) {
      await this.#wallet.change((contents) => ({
        ...contents,
        cases: contents.cases.map((one) => (one.index === index ? { ...one, grants: [...one.grants, ...unknownTo(one)] } : one)),
      }));
    }
    return found;
  }

  /**
   * Who asked about a case and who received its keys, denials included. The log is followed first.
   *
   * @throws LogAlarm the log shrank, was rewritten or is signed with another key; what was seen before is kept as evidence.
   * @throws InvalidProof an entry is not in the log, or was changed.
   */
  async accesses({ index, record }: Case): Promise<readonly Access[]> {
    if (record === null) return [];
    const entries = await this.#client.accesses(this.#wallet.keys.subject(index), record);
    const { log: before } = this.#wallet.contents;
    const note = await this.#client.checkpoint();
    const seen = before === null
      ? first(await this.#client.log(), note)
      : await follow(before, note, (one, other) => this.#client.consistency(one, other));
    for (const entry of entries) await verifyEntry(seen, entry, (at, size) => this.#client.inclusion(at, size));
    await this.#wallet.change((contents) => ({ ...contents, log: seen }));
    return entries as readonly Access[];
  }

  // ------------------------------------------------------------------------------------------- sending

  /** Send again what waits, withdrawals first. What the service still does not take goes on waiting. */
  async sendWaiting(): Promise<readonly Sent[]> {
    const waiting = [...this.#wallet.contents.waiting];
    return this.#deliverAll(waiting.sort((one, other) => Number(one.type === "Consent") - Number(other.type === "Consent")));
  }

  /** Wait for nothing any more: it was relayed by somebody else, or is not meant any more. */
  async forget(signed: SignedMessage): Promise<void> {
    await this.#wallet.change((contents) => without(contents, signed));
  }

  async #revocations(subject: string, grants: readonly Message<"Grant">[], index: number): Promise<SignedMessage[]> {
    const signed = [];
    for (let at = 0; at < grants.length; at += AT_ONCE) {
      signed.push(await this.#signed("Revocation", { subject, grants: grants.slice(at, at + AT_ONCE) }, index));
    }
    return signed;
  }

  /**
   * Say something that counts from now on. Of two words of one second the one that takes away counts (`narrows`), so one that
   * gives and comes in the same second is refused, and said once more in the next.
   */
  async #say(narrows: boolean, type: "Suspension" | "Delegation", words: object, index: number): Promise<Sent> {
    const now = async () => this.#deliver(await this.#signed(type, { ...words, at: this.#client.now() }, index), narrows);
    try {
      return await now();
    } catch (error) {
      if (narrows || !(error instanceof Problem && error.status === 409)) throw error;
      await new Promise((resolve) => { setTimeout(resolve, 1000); });
      return now();
    }
  }

  /** Sign, and keep what was signed until the service took it. */
  async #signed(type: RelayedType, message: unknown, index: number): Promise<SignedMessage> {
    const signed = sign(await this.domain(), type, message, this.#wallet.keys.subject(index));
    await this.#wallet.change((contents) => ({ ...contents, waiting: [...without(contents, signed).waiting, signed] }));
    return signed;
  }

  /** Send several; a refusal of one does not keep the others from being sent. The first refusal is thrown at the end. */
  async #deliverAll(all: readonly SignedMessage[]): Promise<readonly Sent[]> {
    const sent: Sent[] = [];
    const refused: unknown[] = [];
    for (const signed of all) {
      try {
        sent.push(await this.#deliver(signed));
      } catch (error) {
        refused.push(error);
      }
    }
    if (refused.length > 0) throw refused[0];
    return sent;
  }

  async #deliver(signed: SignedMessage, narrows = signed.type !== "Consent"): Promise<Sent> {
    let relayed: Relayed;
    try {
      relayed = await this.#client.send(signed);
    } catch (error) {
      const later = error instanceof Unavailable || (error instanceof Problem && (error.status >= 500 || error.status === 429));
      if (later) return { signed, relayed: null, doubt: null };
      // A yes that was refused is over. A withdrawal goes on waiting: another relayer may take it.
      if (!narrows && error instanceof Problem) await this.forget(signed);
      throw error;
    }
    const doubt = await this.#keepReceipt(signed, relayed.receipt);
    return { signed, relayed, doubt };
  }

  /** Check and keep a receipt. One that does not hold stops nothing: what was sent was sent. */
  async #keepReceipt(sent: SignedMessage, value: unknown): Promise<string | null> {
    const { receiptKey, log } = this.#wallet.contents;
    try {
      const key = receiptKey ?? log?.key ?? (await this.#client.receiptKey());
      const receipt = verifyReceipt(value, key, sent, await this.domain());
      await this.#wallet.change((contents) => {
        const known = contents.handed.some((one) => one.receipt.signature === receipt.signature);
        const handed = known ? contents.handed : [...contents.handed, { sent, receipt }];
        return { ...without(contents, sent), receiptKey: contents.receiptKey ?? key, handed };
      });
      return null;
    } catch (error) {
      if (!(error instanceof InvalidProof)) throw error;
      return error.message; // it goes on waiting: handing it in twice is harmless, and a receipt may come
    }
  }
}

function without(contents: Contents, signed: SignedMessage): Contents {
  return { ...contents, waiting: contents.waiting.filter(({ signature }) => signature !== signed.signature) };
}

function caseOfIndex({ cases }: Contents, index: number): Case {
  const found = cases.find((one) => one.index === index);
  if (found === undefined) throw new InvalidInput("This wallet has no such case.");
  return found;
}

function may(acting: Acting, right: number, now: number): Acting {
  if ((acting.rights & right) === 0 || acting.validUntil <= now) {
    throw new InvalidInput("The right to do this was not given, or has ended.");
  }
  return acting;
}

