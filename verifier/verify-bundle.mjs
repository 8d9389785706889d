#!/usr/bin/env node
// Verifies a bundle (docs/bundle.md) a second time: another language, other libraries, no code of `ledger/`.
//
//   node verifier/verify-bundle.mjs FILE --trusted-block HASH --deployment FILE [--confirmations N] [--max-age SECONDS]
//
// Exit code 0: it holds. 5: it does not, and the sentence says where. 2: it was called wrongly.

import { readFileSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Facts, decide, lookAtEverything } from "./decide.mjs";
import { form as readForm } from "./documents.mjs";
import * as messages from "./messages.mjs";
import * as proofs from "./proofs.mjs";
import { Refused, address, array, canonical, check, entries, hash, integer, object, parseCanonical, same } from "./values.mjs";

const MAX_SIZE = 4 * 2 ** 20;
const MAX_AGE = 3600;
const MEMBERS = [
  "type", "version", "chainId", "genesis", "block", "ancestors", "contracts", "openings", "signatures", "denials",
  "question", "decision",
];

/**
 * Verify a bundle, in the steps of docs/bundle.md.
 *
 * @param bytes the file
 * @param trustedBlock a block hash from a source the verifier trusts
 * @param deployment {chainId, genesis, contracts: {name: {address, codeHash}}}, pinned
 * @param confirmations how many blocks deep a grant must have been
 * @param maxAge how many seconds the block may have been old
 * @returns {decision, question, signers, checkedOnChain, confirmations}; `signers` by subject, `checkedOnChain` the subjects
 *   whose consent an account with code is said to have signed: the registry asked it then, nobody can ask it for that time now
 * @throws Refused with the reason
 */
export async function verifyBundle(bytes, trustedBlock, deployment, { confirmations = 1, maxAge = 36 } = {}) {
  // 1
  check(bytes.length <= MAX_SIZE, "The bundle is too large.");
  const bundle = object(parseCanonical(bytes), MEMBERS, "The bundle");
  check(bundle.type === "VolensBundle" && bundle.version === 1, "This is not a bundle of a known version.");
  check(bundle.chainId === deployment.chainId && bundle.genesis === deployment.genesis, "It is about another chain.");
  // 2
  const headers = readHeaders(bundle, trustedBlock);
  // 3, 4
  const { values, labels } = await readSlots(bundle.contracts, headers[0], deployment);
  const facts = new Facts(values);
  // 5
  const domain = { chainId: deployment.chainId, registry: deployment.contracts.ConsentRegistry.address };
  const openings = object(bundle.openings, ["record", "items", "grant", "form", "approvals"], "The openings");
  const signatures = object(bundle.signatures, ["controller", "consents", "approvals"], "The signatures");
  const record = named("Record", messages.record(openings.record));
  const items = array(openings.items, "The items").map((item) => named("Item", messages.item(item)));
  check(items.every((item) => record.items.includes(item.hash)), "An item is not in the record.");
  check(new Set(items.map((item) => item.name)).size === items.length, "Two items have one name.");
  const signed = messages.isSignedBy(record.controller, record.hash, messages.signature(signatures.controller), domain);
  check(signed, "The record is not signed by its controller.");
  // 6
  const question = readQuestion(bundle.question);
  const grant = openings.grant === null ? null : named("Grant", messages.grant(openings.grant));
  const consents = await readConsents(signatures.consents, grant, facts, domain, headers[0]);
  const signers = new Map(consents.filter((one) => !one.coded).map(({ subject, signer }) => [subject, signer]));
  const checkedOnChain = new Set(consents.map(({ subject }) => subject).filter((subject) => !signers.has(subject)));
  const approvals = readApprovals(openings.approvals, signatures.approvals, record.controller, domain);
  const form = openings.form === null ? null : readForm(openings.form);
  const denials = array(bundle.denials, "The denials").map(readDenial);
  // 7
  const stated = bundle.decision;
  object(stated, ["permitted", "reason", "grant", "until", "obligations", "at", "maxAge"], "The decision");
  const moment = {
    timestamp: headers[0].timestamp,
    confirmedAt: Math.min(headers.at(-1).timestamp, ...headers.slice(0, -1).map((header) => header.timestamp - 1)),
    wall: integer(stated.at, "The time of the decision"),
    maxAge: integer(stated.maxAge, "The age of the block", MAX_AGE),
  };
  const evidence = { question, record, items, grant, form, approvals, denials, consents };
  const found = { ...decide(evidence, facts, moment), at: moment.wall, maxAge: moment.maxAge };
  check(same(canonical(found), canonical(stated)), "The evidence does not support the decision.");
  lookAtEverything(evidence, facts);
  for (const [slot, label] of facts.needed) {
    check(labels.get(slot) === label, `The bundle does not show ${label} under that name.`);
  }
  const needed = [record.subject, ...record.stewards];
  const shown = new Set([...signers.keys(), ...checkedOnChain]);
  const complete = shown.size === needed.length && needed.every((subject) => shown.has(subject));
  check(!found.permitted || complete, "A consent the record needs is not shown.");
  check(headers.length >= confirmations, "The bundle shows too few confirmations.");
  check(moment.maxAge <= maxAge, "The decision allowed too old a block.");
  const told = { signers: Object.fromEntries(signers), checkedOnChain: [...checkedOnChain].sort() };
  return { decision: found, question, ...told, confirmations: headers.length };
}

const named = (type, message) => ({ ...message, hash: messages.structHash(type, message) });

function readHeaders(bundle, trustedBlock) {
  const block = object(bundle.block, ["number", "hash", "headerRlp"], "The block");
  const headers = [proofs.header(block.headerRlp, hash(trustedBlock, "The trusted block"))];
  check(headers[0].number === block.number && headers[0].hash === block.hash, "The header is not the block it names.");
  for (const encoded of array(bundle.ancestors, "The ancestors")) {
    headers.push(proofs.header(encoded, headers.at(-1).parentHash));
  }
  return headers;
}

async function readSlots(contracts, head, deployment) {
  const values = new Map();
  const labels = new Map();
  for (const [name, proven] of entries(contracts, "The contracts")) {
    object(proven, ["address", "codeHash", "accountProof", "slots"], name);
    const expected = Object.hasOwn(deployment.contracts, name) ? deployment.contracts[name] : null;
    const pinned = expected?.address === proven.address && expected?.codeHash === proven.codeHash;
    check(pinned, `${name} is not the contract of this deployment.`);
    const account = await proofs.account(head.stateRoot, expected.address, proofs.nodes(proven.accountProof));
    check(account.codeHash === expected.codeHash, `The code of ${name} in that block is another.`);
    for (const slot of array(proven.slots, "The slots")) {
      object(slot, ["label", "key", "value", "proof"], "A slot");
      const value = await proofs.slot(account.storageRoot, slot.key, proofs.nodes(slot.proof));
      check(slot.value === `0x${value.toString(16)}`, `${slot.label} holds another value than the bundle states.`);
      values.set(`${name} ${slot.key}`, value);
      labels.set(`${name} ${slot.key}`, slot.label);
    }
  }
  return { values, labels };
}

function readQuestion(value) {
  object(value, ["recipient", "record", "purpose", "channel", "items", "digests", "facts"], "The question");
  const texts = [value.purpose, value.channel, ...array(value.items, "The items asked for")];
  check(texts.every((one) => typeof one === "string"), "The question holds something that is not text.");
  for (const [, digest] of entries(value.digests, "The digests")) hash(digest, "A digest");
  entries(value.facts, "The facts");
  const recipient = address(value.recipient, "The recipient");
  return { ...value, recipient, record: hash(value.record, "The question's record") };
}

async function readConsents(consents, grant, facts, domain, head) {
  const read = array(consents, "The consents").map((consent) => {
    const members = ["subject", "grantHashes", "deadline", "signer", "signature"];
    const coded = Object.hasOwn(consent ?? {}, "accountProof");
    if (coded) members.push("accountProof");
    else if (Object.hasOwn(consent ?? {}, "cohort")) members.push("cohort");
    object(consent, members, "A consent");
    const subject = address(consent.subject, "A consent's subject");
    const signer = address(consent.signer, "A consent's signer");
    const hashes = array(consent.grantHashes, "A consent's grants").map((one) => hash(one, "A grant's hash"));
    check(grant !== null && hashes.includes(grant.hash), "A consent does not contain the grant.");
    check(signer === subject || facts.delegatedAt(subject, signer), "A consent's signer never was a delegate.");
    const deadline = integer(consent.deadline, "deadline");
    const { grantedAt } = facts.entry(subject, grant.hash);
    check(grantedAt <= deadline, "A consent was recorded after its deadline.");
    const signature = messages.signature(consent.signature);
    if (coded) check(grantedAt > 0, "A consent that code signed is not recorded, so no registry asked it.");
    else {
      const struct = messages.consentHash(subject, hashes, deadline);
      check(messages.isSignedBy(signer, struct, signature, domain), "A consent is signed by another key.");
    }
    return { subject, signer, deadline, coded, proof: consent.accountProof, cohort: readCohort(consent, signer === subject) };
  });
  for (const { signer, proof } of read.filter((one) => one.coded)) {
    // Or any bundle could be stripped of the signature it rests on.
    const { codeHash } = await proofs.account(head.stateRoot, signer, proofs.nodes(proof));
    check(codeHash !== proofs.EMPTY_CODE, "A consent is said to be signed by code, and its signer has none.");
  }
  return read;
}

function readCohort({ cohort }, byHerself) {
  if (cohort === undefined) return null;
  object(cohort, ["root", "proof"], "A consent's cohort");
  check(byHerself, "A consent in a cohort is not signed by its subject.");
  const proof = array(cohort.proof, "A cohort's proof").map((one) => hash(one, "A cohort's proof"));
  return { root: hash(cohort.root, "A cohort's root"), proof };
}

function readApprovals(values, signatures, controller, domain) {
  check(array(values, "The approvals").length === array(signatures, "Their signatures").length, "Approvals lack signatures.");
  return values.map((value, position) => {
    const approval = named("Approval", messages.approval(value));
    const signature = messages.signature(signatures[position]);
    check(messages.isSignedBy(controller, approval.hash, signature, domain), "An approval is signed by another key.");
    return approval;
  });
}

function readDenial(row) {
  check(Array.isArray(row) && row.length === 3, "A denial is no row of three.");
  const [kind, subject, value] = row;
  const denial = { kind, subject: address(subject, "A denial's subject") };
  if (kind === "revoked") return { ...denial, grant: hash(value, "A denial's grant") };
  if (kind === "closed") return check(value === "", "A closure holds a value.") && denial;
  check(["revoked_before", "suspended"].includes(kind), "A denial is of an unknown kind.");
  check(typeof value === "string" && /^(?:0|[1-9][0-9]{0,19})$/.test(value), "A denial's time is no number.");
  return { ...denial, at: BigInt(value) };
}

async function main() {
  const options = {
    "trusted-block": { type: "string" },
    deployment: { type: "string" },
    confirmations: { type: "string", default: "1" },
    "max-age": { type: "string", default: "36" },
  };
  let bytes, deployment, trustedBlock, limits;
  try {
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    if (positionals.length !== 1 || !values["trusted-block"] || !values.deployment) throw new Error("Name a bundle, --trusted-block and --deployment.");
    trustedBlock = values["trusted-block"].toLowerCase();
    limits = { confirmations: Number(values.confirmations), maxAge: Number(values["max-age"]) };
    if (!Object.values(limits).every((limit) => Number.isSafeInteger(limit) && limit > 0)) throw new Error("Limits are whole numbers from 1.");
    bytes = readFileSync(positionals[0]);
    deployment = JSON.parse(readFileSync(values.deployment, "utf8"));
  } catch (error) {
    console.error(error.message);
    return 2;
  }
  try {
    const { decision, confirmations, checkedOnChain } = await verifyBundle(bytes, trustedBlock, deployment, limits);
    console.log(`✓ The evidence holds: ${decision.permitted ? "permit" : "deny"} (${decision.reason}), ${confirmations} deep.`);
    for (const subject of checkedOnChain) {
      console.log(`  The consent of ${subject} was signed by an account with code: the contract asked it, this check cannot.`);
    }
    return 0;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    console.error(error.message);
    return 5;
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) process.exitCode = await main();
