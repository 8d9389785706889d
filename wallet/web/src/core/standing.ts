/**
 * What is said of each of her own consents, from what a service knows of a record's grants: the twin of
 * `wallet/standing.py`.
 *
 * A consent is what one signer gave to one grant. Several people sign the same grant where they decide together, so its
 * hash alone does not say whose it is.
 */

/** What a service says of one grant for one signer. */
export interface View {
  /** The grant's hash. */
  readonly id: string;
  readonly subject: string;
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

/** The consents that one pseudonym gave, by the hash of the grant. `views`: every grant of the record for every signer. */
export function own<V extends View>(views: readonly V[], subject: string): ReadonlyMap<string, Known<V>> {
  const stopped = new Set(views.filter((view) => view.subject !== subject && STOPPED.has(view.standing)).map(({ id }) => id));
  return new Map(views.filter((view) => view.subject === subject)
    .map((view) => [view.id, { view, stoppedByAnother: stopped.has(view.id) }]));
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
