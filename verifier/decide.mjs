// The decision, made again: what the chain must show for it, and the ten steps (DESIGN, section 5).

import { mappingSlot, nextSlot } from "./proofs.mjs";
import { ZERO_ADDRESS, check, hex, join, keccak, refuse, unhex } from "./values.mjs";
import { COVERAGE, broaderChannel, coversChannel, coversPurpose } from "./vocabulary.mjs";

const MAX_SUCCESSORS = 32;
const MAX_AHEAD = 15;
const MAX_PROOF = 128;
const LONGEST_CONSENT = 30 * 86_400;
const CONTROLLER = 1n;
const RECIPIENT = 2n;
const ZERO_SLOT = `0x${"0".repeat(64)}`;
const slotNumber = (number) => `0x${number.toString(16).padStart(64, "0")}`;

/** Facts read from proven slots, by the storage layout of the contracts. Every slot that is read is remembered. */
export class Facts {
  /** @param values Map of "contract key" to BigInt, every one of them proven. */
  constructor(values) {
    this.values = values;
    this.needed = new Map();
  }

  #read(contract, key, label, widths) {
    this.needed.set(`${contract} ${key}`, label);
    let value = this.values.get(`${contract} ${key}`);
    check(value !== undefined, `The decision needs ${contract}.${label}, which is not shown.`);
    const members = widths.map((width) => {
      const member = value & ((1n << BigInt(width)) - 1n);
      value >>= BigInt(width);
      return member;
    });
    return value === 0n ? members : refuse(`${contract}.${label} holds more than it should.`);
  }

  heads() {
    this.#read("ConsentRegistry", slotNumber(4), "head", [256]);
    this.#read("Directory", slotNumber(2), "head", [256]);
    this.#read("PolicyRegistry", ZERO_SLOT, "head", [256]);
  }

  entry(subject, grant) {
    const key = mappingSlot(grant, mappingSlot(subject, 0));
    const [grantedAt, revokedAt] = this.#read("ConsentRegistry", key, `entries[${subject}][${grant}]`, [64, 64]);
    return { grantedAt, revokedAt };
  }

  subject(subject) {
    const label = `subjects[${subject}]`;
    const read = this.#read("ConsentRegistry", mappingSlot(subject, 1), label, [64, 64, 8, 8]);
    return { revokedBefore: read[0], suspensionAt: read[1], suspended: read[2] !== 0n, closed: read[3] !== 0n };
  }

  /** When somebody was last made or unmade a delegate; 0 for never. */
  delegatedAt(subject, delegate) {
    const key = mappingSlot(delegate, mappingSlot(subject, 2));
    return this.#read("ConsentRegistry", key, `delegations[${subject}][${delegate}]`, [8, 64, 64])[2];
  }

  /** When the root of a cohort was anchored; 0 for never. */
  anchoredAt(root) {
    return this.#read("ConsentRegistry", mappingSlot(root, 3), `anchoredAt[${root}]`, [64])[0];
  }

  party(party) {
    const [roles, suspended] = this.#read("Directory", mappingSlot(party, 3), `parties[${party}]`, [8, 8, 64, 64]);
    return { roles, suspended: suspended !== 0n };
  }

  document(issuer, document) {
    const key = mappingSlot(document, mappingSlot(issuer, 1));
    const label = `documents[${issuer}][${document}]`;
    const [publishedAt, supersededAt, retractedAt, material] = this.#read("PolicyRegistry", key, label, [64, 64, 64, 8]);
    const [successor] = this.#read("PolicyRegistry", nextSlot(key), `${label}.successor`, [256]);
    const following = supersededAt ? successor : 0n;
    return { publishedAt, supersededAt, retractedAt, material: material !== 0n, successor: slotNumber(following) };
  }

  /** A document and its successors, as far as they go. */
  lineage(issuer, document) {
    const found = [];
    while (found.length < MAX_SUCCESSORS) {
      const status = this.document(issuer, document);
      found.push(status);
      if (!status.supersededAt) break;
      document = status.successor;
    }
    return found;
  }
}

/** Read every slot that a decision of this kind may look at, so that a bundle which hides one is refused. */
export function lookAtEverything({ question, record, grant, form, consents }, facts) {
  facts.heads();
  facts.party(question.recipient);
  facts.party(record.controller);
  facts.document(record.controller, record.hash);
  if (grant === null) return;
  for (const subject of [record.subject, ...record.stewards]) {
    facts.entry(subject, grant.hash);
    facts.subject(subject);
  }
  for (const { cohort } of consents) if (cohort) facts.anchoredAt(cohort.root);
  if (form?.hash !== grant.form) return;
  facts.lineage(form.issuer, form.hash);
  for (const { issuer, terms } of form.channels.values()) facts.lineage(issuer, terms);
}

/** The answer to a question from the evidence at a moment: {permitted, reason, grant, until, obligations}. */
export function decide(evidence, facts, moment) {
  const { question, record, grant } = evidence;
  const deny = (reason, named = null) => ({ permitted: false, reason, grant: named, until: null, obligations: [] });
  const age = moment.wall - moment.timestamp;
  if (age < -MAX_AHEAD || age > moment.maxAge) return deny("stale_ledger");
  if (record.hash !== question.record) return deny("unknown_record"); // 1
  const controller = facts.party(record.controller);
  if (controller.suspended || !(controller.roles & CONTROLLER)) return deny("controller_not_listed");
  if (facts.document(record.controller, record.hash).retractedAt) return deny("record_retracted");
  if (grant === null || grant.record !== question.record) return deny("no_consent"); // 2
  const reason = examine(evidence, facts, moment);
  if (reason !== null) return deny(reason, grant.hash);
  const approved = grant.recipient === ZERO_ADDRESS ? approvedUntil(evidence, moment) : Infinity;
  return {
    permitted: true,
    reason: "permitted",
    grant: grant.hash,
    until: Math.min(grant.validUntil, approved),
    obligations: [`onward:${grant.onward}`, "stop-new-use-when-revoked"],
  };
}

/** The reason of the first of steps 3 to 10 that the grant fails, or null. */
function examine(evidence, facts, moment) {
  const { question, record, grant, form } = evidence;
  const problem = standing(record.subject, evidence, facts, moment); // 3
  if (problem !== null) return problem;
  if (Math.min(moment.timestamp, moment.wall) < grant.validFrom) return "not_yet_valid"; // 4
  if (Math.max(moment.timestamp, moment.wall) >= grant.validUntil) return "expired";
  const named = grant.recipient === question.recipient; // 5
  if (!named && !(grant.recipient === ZERO_ADDRESS && approvedUntil(evidence, moment) > 0)) return "recipient_not_covered";
  const recipient = facts.party(question.recipient);
  if (recipient.suspended) return "recipient_suspended";
  if (!(recipient.roles & RECIPIENT)) return "recipient_not_covered";
  const coverage = coversPurpose(grant.purposes, question.purpose, question.facts); // 6
  if (coverage === COVERAGE.REVIEW) return "needs_review";
  if (coverage === COVERAGE.NO) return "purpose_not_covered";
  if (!coversChannel(grant.channels, question.channel)) return "channel_not_covered"; // 7
  const content = contentProblem(evidence); // 8
  if (content !== null) return content;
  if (!formIsCurrent(grant, question, form, facts)) return "form_superseded"; // 9
  const missing = record.stewards.some((steward) => standing(steward, evidence, facts, moment) !== null); // 10
  return missing ? "further_consent_needed" : null;
}

function standing(subject, { grant, denials, consents }, facts, moment) {
  const entry = facts.entry(subject, grant.hash);
  const state = facts.subject(subject);
  const denied = denials.filter((row) => row.subject === subject);
  const latest = (kind, otherwise) =>
    denied.filter((row) => row.kind === kind).reduce((most, row) => (row.at > most ? row.at : most), otherwise);
  if (entry.revokedAt || denied.some((row) => row.kind === "revoked" && row.grant === grant.hash)) return "revoked";
  if (state.closed || denied.some((row) => row.kind === "closed")) return "closed";
  const recorded = entry.grantedAt ? { at: entry.grantedAt, given: entry.grantedAt } : inCohort(subject, grant, consents, facts);
  if (!recorded.at) return "no_consent";
  const deniedBefore = latest("revoked_before", 0n);
  const wall = BigInt(moment.wall);
  if (recorded.given <= state.revokedBefore || recorded.given <= (deniedBefore < wall ? deniedBefore : wall)) return "revoked";
  if (state.suspended || latest("suspended", -1n) >= state.suspensionAt) return "suspended";
  return recorded.at <= BigInt(moment.confirmedAt) ? null : "awaiting_confirmations";
}

/** When the consent given last was anchored and given, of those that hold the grant in a cohort (docs/adr/0012). */
function inCohort(subject, grant, consents, facts) {
  let last = { at: 0n, given: 0n };
  for (const { subject: hers, deadline, cohort } of consents) {
    if (hers !== subject || cohort === null) continue;
    const at = facts.anchoredAt(cohort.root);
    const given = BigInt(Math.max(0, deadline - LONGEST_CONSENT));
    const inTime = at !== 0n && given <= at && at <= BigInt(deadline);
    if (inTime && given > last.given && liesUnder(cohort, subject, grant.hash)) last = { at, given };
  }
  return last;
}

/** Whether a proof puts a subject's grant under a root: the tree of OpenZeppelin's StandardMerkleTree. */
function liesUnder({ root, proof }, subject, grantHash) {
  if (proof.length > MAX_PROOF) return false;
  let node = keccak(keccak(join(new Uint8Array(12), unhex(subject), unhex(grantHash))));
  for (const sibling of proof.map((one) => unhex(one))) {
    node = keccak(Buffer.compare(node, sibling) < 0 ? join(node, sibling) : join(sibling, node));
  }
  return hex(node) === root;
}

/** Until when the controller lets this recipient use the record for this purpose; 0 where it does not. */
function approvedUntil({ question, approvals }, moment) {
  const fitting = approvals.filter(
    (one) =>
      one.record === question.record &&
      one.recipient === question.recipient &&
      one.purpose === question.purpose &&
      Math.max(moment.timestamp, moment.wall) < one.validUntil,
  );
  return Math.max(0, ...fitting.map((one) => one.validUntil));
}

function contentProblem({ question, record, grant, items }) {
  const covers = (item) => grant.items[0] === "*" || grant.items.includes(item.name);
  const digests = Object.values(question.digests);
  if (question.items.length === 0 && digests.length === 0) {
    const whole = items.length === record.items.length && items.every(covers);
    return whole || grant.items[0] === "*" ? null : "item_not_covered";
  }
  if (!digests.every((digest) => items.some((item) => item.sha256 === digest))) return "content_changed";
  const byName = question.items.every((name) => items.some((item) => item.name === name && covers(item)));
  const byBytes = digests.every((digest) => items.some((item) => item.sha256 === digest && covers(item)));
  return byName && byBytes ? null : "item_not_covered";
}

function formIsCurrent(grant, question, form, facts) {
  const current = (issuer, document) => {
    const lineage = facts.lineage(issuer, document);
    const holds = ({ publishedAt, retractedAt, supersededAt, material }) =>
      publishedAt && !retractedAt && !(supersededAt && material);
    return lineage.every(holds) && !lineage.at(-1).supersededAt;
  };
  if (form?.hash !== grant.form || !current(form.issuer, form.hash)) return false;
  let asked = question.channel;
  while (asked && !form.channels.has(asked)) {
    asked = broaderChannel(asked);
    if (asked === null) return false;
  }
  return !asked || current(form.channels.get(asked).issuer, form.channels.get(asked).terms);
}
