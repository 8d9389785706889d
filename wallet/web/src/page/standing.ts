/** What is known of each consent now: from the service where it answers, else from what this device remembers. */

import { grantHash, type Case, type Named } from "../core/book.ts";
import { Unavailable, VolensError } from "../core/errors.ts";
import type { Message } from "../core/model.ts";
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
}

/** Every consent of some cases. `reached` is false when the service did not answer for one of them. */
export async function rows(app: App, cases: readonly Case[]): Promise<{ readonly rows: readonly Row[]; readonly reached: boolean }> {
  let reached = true;
  const found = await Promise.all(cases.map(async (one) => {
    let standings: ReadonlyMap<string, Known<Standing>> = new Map();
    try {
      standings = own(await app.open.patient.standings(one), one.subject);
    } catch (error) {
      if (!(error instanceof Unavailable) && !(error instanceof VolensError && error.code === "unavailable")) throw error;
      reached = false;
    }
    const known = app.open.wallet.contents.cases.find(({ index }) => index === one.index) ?? one; // perhaps more by now
    return known.grants.map((grant) => row(app, one, grant, standings, reached));
  }));
  return { rows: found.flat(), reached };
}

/** States in which a consent permits nothing, and never will by itself. */
const OVER: ReadonlySet<string> = new Set([...ENDED, "stopping", "expired", "form_superseded"]);

function row(app: App, one: Case, grant: Message<"Grant">, standings: ReadonlyMap<string, Known<Standing>>, reached: boolean): Row {
  const hash = grantHash(grant);
  const { contents } = app.open.wallet;
  const now = app.open.client.now();
  const mentions = ({ type, message }: { type: string; message: unknown }, wanted: string): boolean => {
    const { subject, grants = [] } = message as { subject: string; grants?: readonly Message<"Grant">[] };
    return type === wanted && subject === one.subject && grants.some((other) => grantHash(other) === hash);
  };
  const known = standings.get(hash);
  const stated = known && stateOf(known, grant, now);
  const withdrawn = [...contents.waiting, ...contents.handed.map(({ sent }) => sent)].some((signed) => mentions(signed, "Revocation"));
  let state = stated ?? (reached ? "waiting" : "unknown");
  if (stated === "no_consent" || stated === "awaiting_confirmations") state = "waiting";
  // What was never handed in is not on its way, and what is waiting may be stopped already.
  if (state === "waiting" && contents.waiting.some((signed) => mentions(signed, "Consent"))) state = "not_sent";
  if (state !== "revoked" && withdrawn) state = "stopping";
  if ((!OVER.has(state) || state === "form_superseded") && grant.validUntil <= now) state = "expired";
  const left = Math.ceil((grant.validUntil - now) / DAY);
  const days = state === "granted" && left <= SOON ? left : null;
  const agreed = [...contents.waiting, ...contents.handed.map(({ sent }) => sent)].some((signed) => mentions(signed, "Consent"));
  const { newForm = null, newTerms = new Map<string, string>(), endedChannels = [] } = known?.view ?? {};
  const superseded = state === "form_superseded";
  const changed = superseded || (state === "granted" && (newForm !== null || newTerms.size > 0 || endedChannels.length > 0));
  return { case: one, grant, hash, name: { subject: one.subject, grant: hash }, state, days, active: !OVER.has(state), elsewhere: !agreed, newForm, newTerms, endedChannels, changed };
}

/** A state in words. */
export function stateWords(page: Page, { state, days }: Row): string {
  if (days !== null) return page.t("state.expiring", { days });
  const key = `state.${state}`;
  return page.t(Object.hasOwn(en, key) ? (key as MessageKey) : "state.unknown");
}
