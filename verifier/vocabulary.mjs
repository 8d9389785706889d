// Whether what was granted covers what is asked: channels, purposes, and the conditions of the Data Use Ontology.

import { readFileSync } from "node:fs";

const load = (name) => {
  const file = new URL(`../ledger/vocabulary/${name}.json`, import.meta.url);
  return new Map(JSON.parse(readFileSync(file, "utf8"))[name].map((term) => [term.code, term]));
};
const CHANNELS = load("channels");
const DISEASES = load("diseases");
const PURPOSES = load("purposes");
const VALUES = { disease: /^MONDO:[0-9]{7}$/, countries: /^[A-Z]{2}(?:\.[A-Z]{2})*$/, identifier: /^[A-Za-z0-9:._-]+$/ };
const DISEASE_SPECIFIC = "DUO:0000007";

// Three answers, weakest first: a review is not a yes.
const NO = 0;
const REVIEW = 1;
const YES = 2;
export const COVERAGE = { NO, REVIEW, YES };

export const isChannel = (code) => CHANNELS.has(code);
export const broaderChannel = (code) => CHANNELS.get(code)?.broader ?? null;

/** A code and everything broader, nearest first. */
function upwards(terms, code) {
  const found = [];
  for (let term = terms.get(code); term; term = terms.get(term.broader)) found.push(term.code);
  return found;
}

/** Whether a grant's channels cover a use; "" is a use without a channel, which only a grant without channels covers. */
export function coversChannel(granted, asked) {
  if (granted.length === 0) return asked === "";
  const line = upwards(CHANNELS, asked);
  return granted.some((code) => line.includes(code));
}

function purpose(code) {
  const known = PURPOSES.get(code);
  if (known) return { ...known, entry: code, value: "" };
  const [, entry, value] = /^(DUO:[0-9]{7}):(.+)$/.exec(code) ?? [];
  const term = PURPOSES.get(entry);
  return term?.takes && VALUES[term.takes].test(value) ? { ...term, code, entry, value } : null;
}

const isTrue = (fact, needed) => (_modifier, _wanted, facts) =>
  typeof facts[fact] !== "boolean" ? REVIEW : facts[fact] === needed ? YES : NO;
const accepted = (modifier, _wanted, facts) =>
  Array.isArray(facts.accepts) && facts.accepts.includes(modifier.code) ? YES : REVIEW;
const among = (fact) => (modifier, _wanted, facts) => {
  if (!modifier.value || typeof facts[fact] !== "string" || facts[fact] === "") return REVIEW;
  return (modifier.takes === "countries" ? modifier.value.split(".") : [modifier.value]).includes(facts[fact]) ? YES : NO;
};
const review = () => REVIEW;
const notAncestry = (modifier, wanted, facts) => {
  if (["DUO:0000011", "POARCH"].includes(wanted.entry)) return NO;
  const excluded = ["DUO:0000006", DISEASE_SPECIFIC].includes(wanted.entry);
  return (facts.ancestry ?? null) === null && excluded ? YES : isTrue("ancestry", false)(modifier, wanted, facts);
};
const bothOf = (one, other) => (...known) => Math.min(one(...known), other(...known));

const CONDITIONS = {
  "DUO:0000012": review,
  "DUO:0000015": isTrue("methods", false),
  "DUO:0000016": isTrue("genetic", true),
  "DUO:0000018": bothOf(isTrue("nonprofit", true), isTrue("commercial", false)),
  "DUO:0000019": accepted,
  "DUO:0000020": accepted,
  "DUO:0000021": isTrue("ethics_approval", true),
  "DUO:0000022": among("country"),
  "DUO:0000024": accepted,
  "DUO:0000025": review,
  "DUO:0000026": among("user"),
  "DUO:0000027": among("project"),
  "DUO:0000028": among("institution"),
  "DUO:0000029": accepted,
  "DUO:0000043": isTrue("clinical_care", true),
  "DUO:0000044": notAncestry,
  "DUO:0000045": isTrue("nonprofit", true),
  "DUO:0000046": isTrue("commercial", false),
};

function disease(target, studied) {
  if (!target || typeof studied !== "string") return REVIEW;
  if (target === studied || upwards(DISEASES, studied).includes(target)) return YES;
  return DISEASES.has(target) && DISEASES.has(studied) ? NO : REVIEW;
}

function diseases(targets, wanted, facts) {
  if (targets.length === 0) return NO;
  const declared = facts.diseases ?? [];
  if ("diseases" in facts && !Array.isArray(facts.diseases)) return REVIEW;
  const studied = wanted.value ? [wanted.value, ...declared] : declared;
  if (studied.length === 0) return REVIEW;
  return Math.min(...studied.map((one) => Math.max(...targets.map((target) => disease(target, one)))));
}

/** Whether a grant's purposes cover one: the best permission counts, and every condition must hold. */
export function coversPurpose(granted, asked, facts) {
  const wanted = purpose(asked);
  if (wanted === null) return REVIEW;
  if (wanted.kind === "duo-modifier") return NO;
  const terms = granted.map(purpose);
  const known = terms.filter((term) => term !== null);
  const doubt = known.length < terms.length ? [REVIEW] : [];
  const permissions = known.filter((term) => term.kind !== "duo-modifier");
  const conditions = known.filter((term) => term.kind === "duo-modifier");
  const line = upwards(PURPOSES, wanted.entry);
  const permits = [NO, ...doubt];
  if (permissions.some((term) => line.includes(term.entry) && term.entry !== DISEASE_SPECIFIC)) permits.push(YES);
  if (wanted.entry === DISEASE_SPECIFIC) {
    permits.push(diseases(permissions.filter((term) => term.entry === DISEASE_SPECIFIC).map((term) => term.value), wanted, facts));
  }
  const restricts = [...doubt, ...conditions.map((term) => CONDITIONS[term.entry](term, wanted, facts))];
  if (conditions.length && !permissions.some((term) => term.kind === "duo-permission")) restricts.push(REVIEW);
  return Math.min(Math.max(...permits), ...restricts);
}
