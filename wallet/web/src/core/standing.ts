/**
 * What is said of each of her own consents, from what a service knows of a record's grants: the twin of
 * `wallet/standing.py`.
 *
 * A consent is what one signer gave to one grant. Several people sign the same grant where they decide together, so its
 * hash alone does not say whose it is.
 */

import { InvalidMessage, read, type Message } from "./model.ts";
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

/**
 * A consent of one pseudonym. `stoppedByAnother`: somebody who decides with her ended the same grant. `replaced`: she agreed
 * again under a newer form, which ended this consent; she has not stopped what it allowed.
 */
export interface Known<V extends View> {
  readonly view: V;
  readonly stoppedByAnother: boolean;
  readonly replaced: boolean;
}

/** States that nothing follows, whatever the time. */
export const ENDED: ReadonlySet<string> = new Set(["revoked", "closed", "record_retracted", "stopped_by_another", "replaced"]);
const STOPPED: ReadonlySet<string> = new Set(["revoked", "closed"]);
const NOT_GIVEN: ReadonlySet<string> = new Set(["no_consent", "revoked", "closed", "record_retracted"]);

/**
 * The consents that one pseudonym gave, by the hash of the grant. Who agreed again under a new form and ended the old consent
 * with that has not stopped it for the others.
 *
 * @param views every grant of the record for every signer.
 */
export function own<V extends View>(views: readonly V[], subject: string): ReadonlyMap<string, Known<V>> {
  const signed = bySigner(views);
  const stopped = new Set(views.filter((view) => view.subject !== subject && STOPPED.has(view.standing) && stops(view, signed))
    .map(({ id }) => id));
  return new Map(views.filter((view) => view.subject === subject)
    .map((view) => [view.id, {
      view, stoppedByAnother: stopped.has(view.id), replaced: view.standing === "revoked" && !stops(view, signed),
    }]));
}

/** A grant that can be read, and its standing for one signer. */
interface Said {
  readonly grant: Message<"Grant">;
  readonly standing: string;
}

/** What each signer says: by the grants' hashes, those that can be read. */
function bySigner(views: readonly View[]): ReadonlyMap<string, ReadonlyMap<string, Said>> {
  const found = new Map<string, Map<string, Said>>();
  for (const { subject, id, grant, standing } of views) {
    try {
      found.set(subject, (found.get(subject) ?? new Map<string, Said>()).set(id, { grant: read("Grant", grant), standing }));
    } catch (error) {
      if (!(error instanceof InvalidMessage)) throw error;
    }
  }
  return found;
}

/** Whether a signer ended a consent without having given it again under another form, however often it changed. */
function stops({ id, subject }: View, signed: ReadonlyMap<string, ReadonlyMap<string, Said>>): boolean {
  const others = new Map(signed.get(subject));
  const stop = others.get(id);
  others.delete(id);
  const ended = stop === undefined ? [] : [stop];
  for (let one = ended.pop(); one !== undefined; one = ended.pop()) {
    for (const [name, said] of [...others]) {
      if (!renews(said.grant, one.grant)) continue;
      if (!NOT_GIVEN.has(said.standing)) return false;
      others.delete(name);
      ended.push(said); // ended as well: what was made of it may count
    }
  }
  return true;
}

/** The state to say of a consent that the service knows. `now`: Unix seconds. */
export function stateOf(
  { view: { standing }, stoppedByAnother, replaced }: Known<View>, grant: { readonly validFrom: number; readonly validUntil: number }, now: number,
): string {
  if (replaced) return "replaced";
  if (ENDED.has(standing)) return standing;
  if (stoppedByAnother) return "stopped_by_another";
  if (grant.validUntil <= now) return "expired";
  return standing === "granted" && grant.validFrom > now ? "not_yet_valid" : standing;
}
