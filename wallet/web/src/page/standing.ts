/** What is known of each consent now: from the service where it answers, else from what this device remembers. */

import { grantHash, type Case, type Contents, type Named } from "../core/book.ts";
import { Unavailable, VolensError } from "../core/errors.ts";
import type { Message } from "../core/model.ts";
import { renews } from "../core/renewal.ts";
import type { SignedMessage } from "../core/signed_message.ts";
import { ENDED, own, stateOf, type Known } from "../core/standing.ts";
import { en, type MessageKey } from "../languages/index.ts";
import type { Standing } from "../shell/client.ts";
import type { App } from "./app.ts";
import type { Page } from "./page.ts";

const DAY = 86_400;
/** A consent that ends within so many days is said to end soon. */
export const SOON = 30;

/** One consent as the list shows it. */
export interface Row {
  readonly case: Case;
  readonly grant: Message<"Grant">;
  readonly hash: string;
  /** Names the consent among all of hers: whose it is, and the grant. */
  readonly name: Named;
  readonly state: string;
  /** Days until it ends, when that is soon. */
  readonly days: number | null;
  /** Whether it permits something now, or will: there is something to stop. */
  readonly active: boolean;
  /** It was not agreed to on this device, as far as the device remembers. */
  readonly elsewhere: boolean;
  /** What took the place of its form, by hash, as the service says. */
  readonly newForm: string | null;
  /** What took the place of its form's terms, by channel. */
  readonly newTerms: ReadonlyMap<string, string>;
  /** Channels for which its form, or the form's terms, do not count any more. */
  readonly endedChannels: readonly string[];
  /** Whether its form changed and there is something to do about that. */
  readonly changed: boolean;
  /** She gave it again under the new form already, and took that back: that grant cannot be given any more. */
  readonly spent: boolean;
}

/** Consents, and which of them took the place of which: the new one by the old one, while neither was ended. */
export interface Rows {
  readonly rows: readonly Row[];
  /** Whether the service answered for all of them. */
  readonly reached: boolean;
  readonly renewals: ReadonlyMap<Row, Row>;
}

/** States of a consent that the service does not have, or that it let lapse. */
export const UNSENT: ReadonlySet<string> = new Set(["not_sent", "unrecorded"]);

/** Every consent of some cases. */
export async function rows(app: App, cases: readonly Case[]): Promise<Rows> {
  const found = await Promise.all(cases.map(async (one) => {
    let standings: ReadonlyMap<string, Known<Standing>> | null = null;
    try {
      standings = own(await app.open.patient.standings(one), one.subject);
    } catch (error) {
      if (!(error instanceof Unavailable) && !(error instanceof VolensError && error.code === "unavailable")) throw error;
    }
    const known = app.open.wallet.contents.cases.find(({ index }) => index === one.index) ?? one; // perhaps more by now
    const all = known.grants.map((grant) => row(app, one, grant, standings));
    return { reached: standings !== null, rows: all.map((old) => ({ ...old, state: replaced(old, all), spent: all.some((made) =>
      made.grant.form === old.newForm && renews(made.grant, old.grant) && !stands(made)) })) };
  }));
  const renewals = found.flatMap(({ rows: all }) => all.filter(stands).flatMap((old) => {
    const made = all.findLast((other) => stands(other) && renews(other.grant, old.grant));
    return made === undefined ? [] : [[old, made] as const];
  }));
  return { rows: found.flatMap(({ rows: all }) => all), reached: found.every(({ reached }) => reached), renewals: new Map(renewals) };
}

/** The state to say: what she ended by agreeing again she has not stopped, although the service cannot see that yet. */
function replaced(old: Row, all: readonly Row[]): string {
  const ended = old.state === "revoked" || old.state === "stopping";
  return ended && all.some((made) => stands(made) && !UNSENT.has(made.state) && renews(made.grant, old.grant)) ? "replaced" : old.state;
}

/** Whether nobody has ended a consent, and its time is not over. */
function stands({ active, state }: Row): boolean {
  return active || state === "form_superseded";
}

/** States in which a consent permits nothing, and never will by itself. */
const OVER: ReadonlySet<string> = new Set([...ENDED, "stopping", "stop_not_sent", "expired", "form_superseded"]);

/** `standings`: what the service says; null when it did not answer. */
function row(app: App, one: Case, grant: Message<"Grant">, standings: ReadonlyMap<string, Known<Standing>> | null): Row {
  const hash = grantHash(grant);
  const { contents } = app.open.wallet;
  const now = app.open.client.now();
  const name = { subject: one.subject, grant: hash };
  const [waiting, handed] = [contents.waiting, contents.handed.map(({ sent }) => sent)];
  const known = standings?.get(hash);
  const stated = known && stateOf(known, grant, now);
  let state = stated ?? (standings === null ? "unknown" : "no_consent");
  if (state === "awaiting_confirmations") state = "waiting";
  if (state === "no_consent") {
    // On its way is what was handed in and can still be recorded.
    const coming = among(handed, "Consent", name).some(({ message }) => Number(message["deadline"]) >= now);
    state = coming ? "waiting" : "unrecorded";
  }
  // What was never handed in is not on its way, and what is waiting may be stopped already.
  const unsent = among(waiting, "Consent", name).length > 0;
  if (unsent && (state === "unrecorded" || state === "unknown")) state = "not_sent";
  const stop = stopOf(contents, name);
  if (state !== "revoked" && state !== "replaced" && stop !== null) state = stop === "sent" ? "stopping" : "stop_not_sent";
  if ((!OVER.has(state) || state === "form_superseded") && grant.validUntil <= now) state = "expired";
  const left = Math.ceil((grant.validUntil - now) / DAY);
  const days = state === "granted" && left <= SOON ? left : null;
  const elsewhere = stated !== undefined && stated !== "no_consent" && !unsent && among(handed, "Consent", name).length === 0;
  const { newForm = null, newTerms = new Map<string, string>(), endedChannels = [] } = known?.view ?? {};
  const counts = state === "granted" || state === "further_consent_needed";
  const changed = state === "form_superseded" || (counts && (newForm !== null || newTerms.size > 0 || endedChannels.length > 0));
  return {
    case: one, grant, hash, name, state, days, active: !OVER.has(state), elsewhere,
    newForm, newTerms, endedChannels, changed, spent: false,
  };
}

/** Those of some messages of a type that name a consent. */
function among(all: readonly SignedMessage[], wanted: string, name: Named): readonly SignedMessage[] {
  return all.filter(({ type, message }) => {
    const { subject, grants = [] } = message as { subject: string; grants?: readonly Message<"Grant">[] };
    return type === wanted && subject === name.subject && grants.some((other) => grantHash(other) === name.grant);
  });
}

/** Whether the service has the stop of a consent that she signed here, or it waits; null when she signed none. */
export function stopOf({ handed, waiting }: Contents, name: Named): "sent" | "waits" | null {
  if (among(handed.map(({ sent }) => sent), "Revocation", name).length > 0) return "sent";
  return among(waiting, "Revocation", name).length > 0 ? "waits" : null;
}

/** A state in words. */
export function stateWords(page: Page, { state, days }: Row): string {
  if (days !== null) return page.t("state.expiring", { days });
  const key = `state.${state}`;
  return page.t(Object.hasOwn(en, key) ? (key as MessageKey) : "state.unknown");
}
