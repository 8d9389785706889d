/**
 * What is said of each of her own consents, from what a service knows of a record's grants: the twin of
 * `wallet/standing.py`.
 *
 * A consent is what one signer gave to one grant. Several people sign the same grant where they decide together, so its
 * hash alone does not say whose it is.
 */

import { InvalidMessage, read } from "./model.ts";
import { renews } from "./renewal.ts";

/** What a service says of one grant for one signer. */
export interface View {
  /** The grant's hash. */
  readonly id: string;
  readonly subject: string;
  /** The grant itself, not checked. */
  readonly grant: unknown;
  readonly standing: string;
}

/** A consent of one pseudonym; `stoppedByAnother` when somebody who decides with her ended the same grant. */
export interface Known<V extends View> {
  readonly view: V;
  readonly stoppedByAnother: boolean;
}

/** States that nothing follows, whatever the time. */
export const ENDED: ReadonlySet<string> = new Set(["revoked", "closed", "record_retracted", "stopped_by_another"]);
const STOPPED: ReadonlySet<string> = new Set(["revoked", "closed"]);
const NOT_GIVEN: ReadonlySet<string> = new Set(["no_consent", "revoked", "closed", "record_retracted"]);

/**
 * The consents that one pseudonym gave, by the hash of the grant. Who agreed again under a new form and ended the old consent
 * with that has not stopped it for the others.
 *
 * @param views every grant of the record for every signer.
 */
export function own<V extends View>(views: readonly V[], subject: string): ReadonlyMap<string, Known<V>> {
  const stopped = new Set(views.filter((view) => view.subject !== subject && STOPPED.has(view.standing) && stops(view, views))
    .map(({ id }) => id));
  return new Map(views.filter((view) => view.subject === subject)
    .map((view) => [view.id, { view, stoppedByAnother: stopped.has(view.id) }]));
}

/** Whether a signer ended a consent without having given it again under another form. */
function stops(stop: View, views: readonly View[]): boolean {
  const given = views.filter(({ subject, standing }) => subject === stop.subject && !NOT_GIVEN.has(standing));
  try {
    const old = read("Grant", stop.grant);
    return !given.some(({ grant }) => renews(read("Grant", grant), old));
  } catch (error) {
    if (!(error instanceof InvalidMessage)) throw error;
    return true;
  }
}

/** The state to say of a consent that the service knows. `now`: Unix seconds. */
export function stateOf(
  { view: { standing }, stoppedByAnother }: Known<View>, grant: { readonly validFrom: number; readonly validUntil: number }, now: number,
): string {
  if (ENDED.has(standing)) return standing;
  if (stoppedByAnother) return "stopped_by_another";
  if (grant.validUntil <= now) return "expired";
  return standing === "granted" && grant.validFrom > now ? "not_yet_valid" : standing;
}
