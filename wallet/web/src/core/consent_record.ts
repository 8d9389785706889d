/**
 * The consent record of one grant: what the patient can keep, print and show (ISO/IEC TS 27560, in the terms of DPV). The twin of
 * `ledger/consent_record.py`; docs/consent-record.md says what it holds and what it does not claim.
 */

import { grantHash, type Handed } from "./book.ts";
import { ZERO_ADDRESS, type Message } from "./model.ts";
import type { Receipt } from "./receipts.ts";
import type { Domain } from "./typed_data.ts";
import { channelLabel, purposeLabel } from "./vocabulary.ts";

const CONTEXT = {
  dct: "http://purl.org/dc/terms/",
  dpv: "https://w3id.org/dpv#",
  pd: "https://w3id.org/dpv/pd#",
  volens: "urn:volens:terms:",
};
const PROFILE = "https://w3id.org/dpv/schema/dpv-27560#record";

/** What a record is told from, beside the grant. */
export interface RecordFacts {
  readonly subject: string;
  readonly domain: Domain;
  /** Who holds the material; from the Record. */
  readonly controller: string;
  /** The Directory's names by address. */
  readonly names: ReadonlyMap<string, string>;
  /** What the wallet handed in, in any order; messages about other grants are passed over. */
  readonly handed: readonly Handed[];
  /** Address of the service, where consent can be withdrawn. */
  readonly service: string;
  /** Of the labels. The grant's own sentence stays as it was signed. */
  readonly language: string;
  /** Unix seconds for which the status is told. */
  readonly at: number;
}

/** The record of a grant, ready for JSON. Throws UnknownCode: the language, a purpose or a channel is unknown. */
export function consentRecord(grant: Message<"Grant">, facts: RecordFacts): object {
  const { subject, domain, controller, names, service, language } = facts;
  const name = grantHash(grant);
  const purposes = grant.purposes.map((code) => [code, purposeLabel(code, language).label] as const);
  const channels = grant.channels.map((code) => [code, channelLabel(code, language)] as const);
  return {
    "@context": CONTEXT,
    "@type": "dpv:ConsentRecord",
    "dct:identifier": `urn:volens:consent:eip155:${domain.chainId}:${domain.registry}:${name}`,
    "dct:conformsTo": PROFILE,
    "dct:language": language,
    "dct:description": grant.summary,
    "dpv:hasDataSubject": party("dpv:DataSubject", subject, domain, new Map()),
    "dpv:hasDataController": party("dpv:DataController", controller, domain, names),
    "dpv:hasLegalBasis": "dpv:ExplicitlyExpressedConsent",
    "dpv:hasProcess": {
      "@type": "dpv:Process",
      "dpv:hasPurpose": coded("dpv:Purpose", purposes),
      "dpv:hasPersonalData": grant.items.map((item) => ({
        "@type": ["pd:MedicalHealth", "dpv:SensitivePersonalData"], "dct:title": item,
      })),
      "dpv:hasRecipient":
        grant.recipient === ZERO_ADDRESS ? "dpv:Recipient" : party("dpv:Recipient", grant.recipient, domain, names),
      "dpv:hasStorageCondition": { "@type": "dpv:StorageLocation", "dct:identifier": service },
      "dpv:hasDuration": { "@type": "dpv:UntilTimeDuration", "dct:date": time(grant.validUntil) },
      "volens:channel": coded("volens:Channel", channels),
      "volens:onward": grant.onward,
      "volens:validFrom": time(grant.validFrom),
    },
    "dpv:hasConsentControl": {
      "@type": ["dpv:ProvideConsent", "dpv:WithdrawConsent"], "dpv:isExercisedAt": `${service}/wallet/`,
    },
    "dpv:hasNotice": { "@type": "dpv:ConsentNotice", "dct:identifier": `urn:volens:document:${grant.form}` },
    "dpv:hasConsentStatus": statuses(grant, name, facts),
    "volens:record": grant.record,
    "volens:grant": name,
  };
}

/** Everything that is known to have happened to a grant, the oldest first; the last entry is how it is. */
function statuses(grant: Message<"Grant">, name: string, { subject, domain, handed, at }: RecordFacts): readonly object[] {
  const ordered = handed
    .filter(({ receipt }) => receipt.receipt.subject === subject)
    .toSorted((one, other) => order(one.receipt.receipt, other.receipt.receipt));
  const withdrawn = (receipt: Receipt): object => status(["dpv:ConsentWithdrawn"], receipt, domain);
  const found: object[] = [];
  let given = 0;
  for (const { sent: { type, message }, receipt: { receipt } } of ordered) {
    const names = "grants" in message && (message["grants"] as readonly Message<"Grant">[]).some((one) => grantHash(one) === name);
    if (type === "Consent" && found.length === 0 && names) {
      given = receipt.receivedAt;
      found.push(status(["dpv:ConsentGiven", "dpv:ExplicitlyExpressedConsent"], receipt, domain));
    }
    if (type === "Revocation" && names) return [...found, withdrawn(receipt)];
    if (type === "Closure" && found.length > 0) return [...found, withdrawn(receipt)];
    if (type === "RevokeAll" && found.length > 0 && (message["before"] as number) >= given) return [...found, withdrawn(receipt)];
  }
  if (found.length === 0) return [{ "@type": ["dpv:ConsentUnknown"] }];
  if (grant.validUntil <= at) found.push({ "@type": ["dpv:ConsentExpired"], "dpv:isIndicatedAtTime": time(grant.validUntil) });
  return found;
}

function status(kinds: readonly string[], receipt: Receipt, domain: Domain): object {
  return {
    "@type": kinds,
    "dpv:isIndicatedBy": did(receipt.signer, domain),
    "dpv:hasIndicationMethod": `EIP-712 signature over ${receipt.digest}, received as ${receipt.id}`,
    "dpv:isIndicatedAtTime": time(receipt.receivedAt),
  };
}

function order(one: Receipt, other: Receipt): number {
  return one.receivedAt - other.receivedAt || (one.id < other.id ? -1 : 1);
}

function party(kind: string, of: string, domain: Domain, names: ReadonlyMap<string, string>): object {
  const name = names.get(of);
  return { "@type": kind, "dct:identifier": did(of, domain), ...(name === undefined ? {} : { "dpv:hasName": name }) };
}

function did(of: string, domain: Domain): string {
  return `did:pkh:eip155:${domain.chainId}:${of}`;
}

function coded(kind: string, codes: readonly (readonly [string, string])[]): readonly object[] {
  return codes.map(([code, label]) => ({ "@type": kind, "dct:identifier": code, "dct:title": label }));
}

function time(seconds: number): string {
  // The first second of the year 10000, which no grant reaches: its sentence could not be written.
  return new Date(Math.min(seconds, 253_402_300_799) * 1000).toISOString().replace(".000Z", "Z");
}
