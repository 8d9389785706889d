/** An offered consent, checked before any of it is shown: the twin of `Patient.offer` in `wallet/patient.py`. */

import { bytesToHex, hexToBytes, randomBytes } from "@noble/hashes/utils.js";

import { caseOf, type Case, type Contents } from "./book.ts";
import { InvalidInput, Refused } from "./errors.ts";
import { list, members, string } from "./json.ts";
import { ANY_ITEM, InvalidMessage, ONWARD, ZERO_ADDRESS, hash32, integer, read, type Message } from "./model.ts";
import { matches, summary } from "./summary.ts";
import { hashStruct, recover, type Domain } from "./typed_data.ts";
import { purposeLabel } from "./vocabulary.ts";

/** One part of a record: its opening, its hash, and how to fetch its sealed bytes. */
export interface OfferedItem {
  readonly item: Message<"Item">;
  readonly hash: string;
  /** SHA-256 of the sealed bytes, and how many there are. */
  readonly sealed: string;
  readonly sealedSize: number;
}

/** A record that its controller signed, every part of it shown. */
export interface OwnRecord {
  readonly record: Message<"Record">;
  readonly hash: string;
  readonly items: readonly OfferedItem[];
}

/** A checked offer. Everything that is shown, and everything that is signed, comes from here. */
export interface Offer extends OwnRecord {
  readonly case: Case;
  readonly grants: readonly Message<"Grant">[];
  /** The language of the grants' sentences. */
  readonly language: string;
  readonly expiresAt: number;
  /** The earliest deadline of a consent that would be recorded, in Unix seconds; 0 unless everything was taken back before. */
  readonly deadlineFrom: number;
}

/** What the patient may make narrower in a proposed grant. Whatever is left out stays as proposed. */
export interface Choice {
  readonly items?: readonly string[];
  readonly purposes?: readonly string[];
  readonly channels?: readonly string[];
  readonly onward?: string;
  readonly validUntil?: number;
}

/**
 * Read a record as who must agree receives it (`GET /v1/records`, `GET /v1/offers/{token}`).
 *
 * @throws InvalidMessage a field is wrong, an item is not of the record, or one is not shown.
 * @throws Refused the controller did not sign it.
 */
export function readRecord(value: unknown, domain: Domain): OwnRecord {
  const given = members(value, "record");
  const record = read("Record", given.get("record"));
  const items = list(given.get("items"), "items", readItem, 256);
  const names = new Set(items.map(({ item }) => item.name));
  if (items.length !== record.items.length || !items.every(({ hash }) => record.items.includes(hash))) {
    throw new InvalidMessage("items", "must be exactly those of the record");
  }
  if (names.size !== items.length) throw new InvalidMessage("items", "must all have different names");
  let signer: string;
  try {
    signer = recover(domain.digest("Record", record), given.get("signature"));
  } catch {
    signer = ZERO_ADDRESS;
  }
  if (signer !== record.controller) throw new Refused("The record is not signed by its controller.");
  return Object.freeze({ record, hash: hex(hashStruct("Record", record)), items });
}

/**
 * Read the keys of a record's items that are wrapped to who asks (`GET /v1/records/{record}`), in the order of the items.
 *
 * @returns 1,210 bytes for each item; nothing where the files were not locked for her.
 * @throws InvalidMessage they are not that.
 */
export function readWraps(value: unknown, items: number): readonly Uint8Array[] {
  const wraps = list(members(value, "record").get("wraps"), "wraps", (wrap, field) => {
    if (typeof wrap !== "string" || !/^0x[0-9a-f]{2420}$/.test(wrap)) {
      throw new InvalidMessage(field, "must be 1,210 bytes in hexadecimal");
    }
    return hexToBytes(wrap.slice(2));
  }, items);
  if (wraps.length !== 0 && wraps.length !== items) throw new InvalidMessage("wraps", "must be one for each item");
  return wraps;
}

/**
 * Read an offer and check everything in it.
 *
 * @param value the answer of `GET /v1/offers/{token}`, parsed. Names in it are not read: they come from the Directory.
 * @param contents the wallet's book: which pseudonym the offer is for, and who invited it.
 * @param names the Directory's names by address.
 * @throws InvalidInput, InvalidMessage it is for somebody else, from somebody else, or its sentences do not say what would be
 *   signed.
 * @throws Refused the institution did not sign the record.
 */
export function readOffer(
  value: unknown, contents: Contents, names: ReadonlyMap<string, string>, domain: Domain,
): Offer {
  const given = members(value, "offer");
  const found = readRecord(value, domain);
  const { record, hash, items } = found;
  const people = [record.subject, ...record.stewards];
  const subject = people.find((one) => contents.cases.some((known) => known.subject === one));
  if (subject === undefined) throw new InvalidInput("This offer is for another wallet.");
  const known = caseOf(contents, subject);
  if (record.controller !== known.controller || record.title !== known.title) {
    throw new InvalidInput("This offer is not from the institution whose invitation was answered.");
  }
  if (known.record !== null && known.record !== hash) {
    throw new InvalidInput("This offer is about another record than the one of this case. Every record is its own case.");
  }
  const parts = new Set(items.map(({ item }) => item.name));
  const grants = list(given.get("grants"), "grants", (grant) => readProposal(grant, hash, parts, names), 256);
  if (grants.length === 0) throw new InvalidMessage("grants", "must not be empty");
  return Object.freeze({
    ...found, case: known, grants, language: string(given.get("language"), "language"),
    expiresAt: integer(given.get("expiresAt"), "expiresAt"),
    deadlineFrom: integer(given.get("deadlineFrom") ?? 0, "deadlineFrom"),
  });
}

/**
 * A proposed grant, made narrower as the patient chose, with a new salt and its own sentence.
 *
 * @param proposal a grant of a checked offer.
 * @param parts the names of all items of the record, for a proposal that covers the whole.
 * @throws InvalidInput a choice goes beyond what was proposed. InvalidMessage nothing is left.
 */
export function narrow(
  proposal: Message<"Grant">, choice: Choice, parts: readonly string[], names: ReadonlyMap<string, string>, language: string,
): Message<"Grant"> {
  const whole = proposal.items.length === 1 && proposal.items[0] === ANY_ITEM;
  const within = (chosen: readonly string[], of: readonly string[]): boolean => chosen.every((one) => of.includes(one));
  const items = choice.items ?? proposal.items;
  const purposes = choice.purposes ?? proposal.purposes;
  const channels = choice.channels ?? proposal.channels;
  const onward = choice.onward ?? proposal.onward;
  const validUntil = choice.validUntil ?? proposal.validUntil;
  // A condition (such as “not for profit”) limits the rest: leaving one out would widen what is permitted.
  const conditions = proposal.purposes.filter((code) => purposeLabel(code, "en").condition);
  const narrower =
    within(conditions, purposes) &&
    (items === proposal.items || within(items, whole ? parts : proposal.items)) &&
    within(purposes, proposal.purposes) && within(channels, proposal.channels) &&
    ONWARD.indexOf(onward) >= 0 && ONWARD.indexOf(onward) <= ONWARD.indexOf(proposal.onward) &&
    validUntil <= proposal.validUntil;
  if (!narrower) throw new InvalidInput("A choice can only narrow what was proposed.");
  // No channel means a use that has none (research): taking all channels away would mean something else, so it is refused.
  if (channels.length === 0 && proposal.channels.length > 0) {
    throw new InvalidMessage("channels", "must not be empty; decline instead");
  }
  const salt = hex(randomBytes(32));
  const chosen = { ...proposal, summary: "", items, purposes, channels, onward, validUntil, salt };
  return read("Grant", { ...chosen, summary: summary(chosen, names, language) });
}

function readProposal(
  value: unknown, record: string, parts: ReadonlySet<string>, names: ReadonlyMap<string, string>,
): Message<"Grant"> {
  const grant = read("Grant", value);
  if (grant.record !== record) throw new InvalidInput("The offer mixes records.");
  const foreign = grant.items.find((name) => name !== ANY_ITEM && !parts.has(name));
  if (foreign !== undefined) throw new InvalidInput(`The offer names “${foreign}”, which is not part of the record.`);
  if (grant.recipient !== ZERO_ADDRESS && !names.has(grant.recipient)) {
    throw new InvalidMessage("recipient", "is not listed in the Directory");
  }
  if (matches(grant, names) === null) {
    throw new InvalidInput("The sentence of this offer does not say what would be signed. Do not sign it.");
  }
  return grant;
}

function readItem(value: unknown, field: string): OfferedItem {
  const given = members(value, field);
  const item = read("Item", given.get("item"));
  return Object.freeze({
    item, hash: hex(hashStruct("Item", item)), sealed: hash32(given.get("sealed"), `${field}.sealed`),
    sealedSize: integer(given.get("sealedSize"), `${field}.sealedSize`),
  });
}

function hex(bytes: Uint8Array): string {
  return `0x${bytesToHex(bytes)}`;
}
