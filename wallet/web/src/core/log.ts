/** Remembering the access log: it may only grow, and what it says of her records must be in it. The twin of `client/log.py`. */

import { bytesToHex, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";

import { NotCanonical, canonical } from "./canonical.ts";
import { readVerifierKey, verifyCheckpoint, type Checkpoint } from "./checkpoint.ts";
import { InvalidProof } from "./errors.ts";
import { leafHash, verifyConsistency, verifyInclusion } from "./merkle.ts";

/** What the service adds to an entry when it shows it. */
const ADDED: ReadonlySet<string> = new Set(["index", "askerName", "recipientName"]);

/** What is remembered of a log, as it is kept: its name, its key in hex, pinned when first seen, and the last checkpoint that held. */
export interface SeenLog {
  readonly origin: string;
  readonly key: string;
  readonly note: string;
}

/** Why a log is not to be trusted any more. Each is an alarm with its own words on the page. */
export type Alarm = "other-key" | "shrank" | "rewritten";

/** The log is not the one that was seen before. Keep what was remembered: it is the evidence. */
export class LogAlarm extends InvalidProof {
  readonly alarm: Alarm;

  constructor(alarm: Alarm, message: string) {
    super(message);
    this.alarm = alarm;
  }
}

/** Read what was kept of a log. Throws InvalidProof if it is damaged, also if its checkpoint no longer verifies. */
export function readSeen(value: unknown): SeenLog {
  const kept = new Map<string, unknown>(typeof value === "object" && value !== null ? Object.entries(value) : []);
  const [origin, key, note] = [kept.get("origin"), kept.get("key"), kept.get("note")];
  if (kept.size !== 3 || typeof origin !== "string" || typeof key !== "string" || typeof note !== "string") {
    throw new InvalidProof("What is remembered of the access log is damaged.");
  }
  if (!/^[0-9a-f]{64}$/.test(key)) throw new InvalidProof("What is remembered of the access log is damaged.");
  const seen = Object.freeze({ origin, key, note });
  checkpointOf(seen);
  return seen;
}

/** The checkpoint that is remembered, verified. Throws InvalidProof. */
export function checkpointOf(seen: SeenLog): Checkpoint {
  const found = verifyCheckpoint(seen.note, seen.origin, hexToBytes(seen.key));
  if (found.origin !== seen.origin) throw new InvalidProof("The checkpoint is of another log.");
  return found;
}

/**
 * See a log for the first time.
 *
 * @param facts the answer of `GET /v1/log`, parsed.
 * @param note the text of `GET /v1/log/checkpoint`.
 * @throws InvalidProof the service does not say how its log is signed, or the checkpoint is not signed so.
 */
export function first(facts: unknown, note: string): SeenLog {
  const stated = new Map<string, unknown>(typeof facts === "object" && facts !== null ? Object.entries(facts) : []);
  const { name, publicKey } = readVerifierKey(stated.get("key"));
  if (stated.get("origin") !== name) throw new InvalidProof("The service does not say how its access log is signed.");
  return readSeen({ origin: name, key: bytesToHex(publicKey), note });
}

/**
 * Compare a log with what was seen before.
 *
 * @param note the text of `GET /v1/log/checkpoint` now.
 * @param proof asks the service for `GET /v1/log/proof?first=&second=` and gives its `proof`; not asked when nothing can be
 *   proved by it.
 * @returns what to remember instead.
 * @throws LogAlarm the log shrank, was rewritten, or is signed with another key.
 */
export async function follow(
  seen: SeenLog, note: string, proof: (first: number, second: number) => Promise<unknown>,
): Promise<SeenLog> {
  const before = checkpointOf(seen);
  const now = Object.freeze({ ...seen, note });
  let after: Checkpoint;
  try {
    after = checkpointOf(now);
  } catch (error) {
    if (!(error instanceof InvalidProof)) throw error;
    throw new LogAlarm("other-key", `The access log is not the one that was seen before. ${error.message}`);
  }
  if (after.size < before.size) {
    const sizes = `from ${before.size} to ${after.size} entries`;
    throw new LogAlarm("shrank", `The access log has shrunk ${sizes}: some were removed.`);
  }
  const asked = before.size === 0 || before.size === after.size ? [] : await proof(before.size, after.size);
  try {
    verifyConsistency(before.size, after.size, before.root, after.root, asked);
  } catch (error) {
    if (!(error instanceof InvalidProof)) throw error;
    throw new LogAlarm("rewritten", `The access log was rewritten since it was last looked at. ${error.message}`);
  }
  return now;
}

/** The hash under which an entry, as the service shows it, must be in the log. Throws InvalidProof. */
export function entryHash(entry: unknown): string {
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) throw unreadable();
  const logged = Object.fromEntries(Object.entries(entry).filter(([name]) => !ADDED.has(name)));
  try {
    return leafHash(utf8ToBytes(canonical(logged)));
  } catch (error) {
    if (error instanceof NotCanonical) throw unreadable();
    throw error;
  }
}

/**
 * Check that an entry, as the service shows it, is in the log.
 *
 * @param proof asks the service for `GET /v1/log/proof?index=&size=` and gives its `proof`.
 * @throws InvalidProof it is not, was changed, or is newer than what is remembered (follow the log first).
 */
export async function verifyEntry(
  seen: SeenLog, entry: unknown, proof: (index: number, size: number) => Promise<unknown>,
): Promise<void> {
  const { size, root } = checkpointOf(seen);
  const hash = entryHash(entry);
  const index: unknown = (entry as { index?: unknown }).index;
  if (typeof index !== "number" || !Number.isSafeInteger(index) || index < 0) throw unreadable();
  verifyInclusion(hash, index, size, index < size ? await proof(index, size) : [], root);
}

function unreadable(): InvalidProof {
  return new InvalidProof("The service shows an entry of the access log that cannot be read.");
}
