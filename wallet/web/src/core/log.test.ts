import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { describe, expect, test } from "vitest";

import vectors from "../../../../tests/vectors/log.json";
import trees from "../../../../tests/vectors/merkle.json";
import { NotCanonical, canonical } from "./canonical.ts";
import { readVerifierKey, verifyCheckpoint } from "./checkpoint.ts";
import { InvalidProof } from "./errors.ts";
import { LogAlarm, checkpointOf, entryHash, first, follow, readSeen, verifyEntry, type SeenLog } from "./log.ts";
import { leafHash, verifyConsistency, verifyInclusion } from "./merkle.ts";

const { name, publicKey } = readVerifierKey(vectors.key);
const seen = (note: string): SeenLog => first({ origin: vectors.origin, key: vectors.key }, note);
const last = vectors.valid.filter(({ size }) => size === vectors.entries.length).map(({ note }) => note)[0] ?? "";

describe("proofs of RFC 9162, as the Go reference makes them", () => {
  const { leaves, roots, inclusion, consistency } = trees.log;
  const hash = (hex: string): string => `0x${hex}`;
  const root = (size: number): string => hash(roots[size] ?? "");

  test.each(inclusion)("entry $index is in the log of $size, and nowhere else", ({ index, size, proof }) => {
    const leaf = leafHash(hexToBytes(leaves[index] ?? ""));
    const path = proof.map(hash);
    verifyInclusion(leaf, index, size, path, root(size));
    for (let other = 0; other <= size; other++) {
      if (other !== index) expect(() => verifyInclusion(leaf, other, size, path, root(size))).toThrow(InvalidProof);
    }
    expect(() => verifyInclusion(root(0), index, size, path, root(size))).toThrow(InvalidProof);
    expect(() => verifyInclusion(leaf, index, size, [...path, leaf], root(size))).toThrow(InvalidProof);
  });

  test.each(consistency)("the log of $second begins with that of $first", ({ first, second, proof }) => {
    const path = proof.map(hash);
    verifyConsistency(first, second, root(first), root(second), path);
    expect(() => verifyConsistency(first, second, root(0), root(second), path)).toThrow(InvalidProof);
    expect(() => verifyConsistency(first, second, root(first), root(0), path)).toThrow(InvalidProof);
    expect(() => verifyConsistency(first, second, root(first), root(second), [...path, root(1)])).toThrow(InvalidProof);
    for (const at of path.keys()) {
      const changed = path.with(at, root(0));
      expect(() => verifyConsistency(first, second, root(first), root(second), changed)).toThrow(InvalidProof);
    }
  });

  test("sizes, positions and lengths of proofs are held to each other, also where the hashes fit", () => {
    const leaf = root(1);
    const above = root(2);
    const other = leafHash(Uint8Array.of(1));
    const made = `0x${bytesToHex(sha256(hexToBytes(`01${other.slice(2)}${leaf.slice(2)}`)))}`;
    expect(() => verifyInclusion(leaf, 0, 2, [], leaf)).toThrow(InvalidProof);
    expect(() => verifyInclusion(leaf, 0, 1, [other], made)).toThrow(InvalidProof);
    expect(() => verifyConsistency(1, 1, leaf, made, [other])).toThrow(InvalidProof);
    expect(() => verifyConsistency(2, 1, above, above, [])).toThrow(InvalidProof);
    expect(() => verifyConsistency(1, 2, leaf, leaf, [])).toThrow(InvalidProof);
    expect(() => verifyConsistency(0, 1, leaf, leaf, [])).toThrow(InvalidProof);
  });

  test.each([null, "0x", {}, [1], ["0xAA"], Array(129).fill(`0x${"00".repeat(32)}`)])("%j is no proof", (proof) => {
    expect(() => verifyConsistency(1, 2, root(1), root(2), proof)).toThrow(InvalidProof);
    expect(() => verifyInclusion(root(1), 0, 1, proof, root(1))).toThrow(InvalidProof);
  });
});

test.each(vectors.valid)("a checkpoint of $size entries is read", ({ note, size, root }) => {
  expect(verifyCheckpoint(note, name, publicKey)).toEqual({ origin: vectors.origin, size, root });
});

test.each(vectors.invalid)("no checkpoint: $why", ({ note }) => {
  expect(() => verifyCheckpoint(note, name, publicKey)).toThrow(InvalidProof);
});

test("every changed character of a checkpoint is noticed", () => {
  for (let at = 0; at < last.length; at++) {
    const other = last[at] === "A" ? "B" : "A";
    const changed = last.slice(0, at) + other + last.slice(at + 1);
    expect(() => verifyCheckpoint(changed, name, publicKey), changed).toThrow(InvalidProof);
    expect(() => verifyCheckpoint(last.slice(0, at), name, publicKey)).toThrow(InvalidProof);
  }
});

test.each([
  null, "", "a", "a+b", "a+b+c", "a+00000000+AAAA", vectors.key.replace("+", "+0"), vectors.key.slice(0, -1),
  vectors.key + "A", "x" + vectors.key,
])("%j is no key of a log", (key) => {
  expect(() => readVerifierKey(key)).toThrow(InvalidProof);
  expect(() => first({ origin: vectors.origin, key }, last)).toThrow(InvalidProof);
});

test("what the service says of its log must fit together", () => {
  expect(() => first({ origin: "elsewhere", key: vectors.key }, last)).toThrow(InvalidProof);
  expect(() => first(null, last)).toThrow(InvalidProof);
});

test("what was kept is read again, and what was changed since is not", () => {
  const kept = seen(last);
  expect(readSeen(JSON.parse(JSON.stringify(kept)))).toEqual(kept);
  const damaged = [
    null, {}, [], { ...kept, more: 1 }, { ...kept, key: kept.key.toUpperCase() }, { ...kept, key: "00".repeat(32) },
    { ...kept, note: kept.note.replace("\n13\n", "\n12\n") }, { ...kept, origin: `${kept.origin}x` },
  ];
  for (const value of damaged) expect(() => readSeen(value)).toThrow(InvalidProof);
});

test.each(vectors.follows)("a log that $about: $outcome", async ({ before, after, proof, outcome }) => {
  const kept = seen(before);
  const followed = follow(kept, after, async () => proof);
  if (outcome === "held") {
    expect(await followed).toEqual({ ...kept, note: after });
    return;
  }
  const refusal: unknown = await followed.catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(LogAlarm);
  expect((refusal as LogAlarm).alarm).toBe(outcome);
});

test("no proof is fetched where none can help, and a failure to fetch one is no alarm", async () => {
  const never = (): Promise<unknown> => Promise.reject(new TypeError("offline"));
  expect(checkpointOf(await follow(seen(last), last, never)).size).toBe(13);
  await expect(follow(seen(vectors.valid[1]?.note ?? ""), last, never)).rejects.toThrow(TypeError);
});

test.each(vectors.entries)("the entry $shown.index is in the log as it is shown", async ({ shown, leaf, proof }) => {
  const kept = seen(last);
  const given = async (): Promise<unknown> => proof;
  expect(entryHash(shown)).toBe(leaf);
  await verifyEntry(kept, shown, given);
  await verifyEntry(kept, { ...shown, askerName: "whatever the Directory says" }, given);
  const false_: readonly unknown[] = [
    { ...shown, reason: "revoked" }, { ...shown, permitted: !shown.permitted }, { ...shown, index: shown.index + 13 },
    { ...shown, index: -1 }, { ...shown, index: String(shown.index) }, { ...shown, more: 1 }, { ...shown, at: 1e300 },
    { ...shown, reason: "\ud800" }, null, [shown], "entry",
  ];
  for (const entry of false_) await expect(verifyEntry(kept, entry, given)).rejects.toThrow(InvalidProof);
});

test("canonical JSON is that of RFC 8785, and what has none is refused", () => {
  const value = { "\u20ac": 1, "\r": [1e-7, 333333333.33333329, -0, "\u000f\n\"\\é😀"], 1: { b: null, a: true }, "😀": 2, "\ufb33": 3 };
  expect(canonical(value)).toBe(
    '{"\\r":[1e-7,333333333.3333333,0,"\\u000f\\n\\"\\\\é😀"],"1":{"a":true,"b":null},"€":1,"😀":2,"\ufb33":3}',
  );
  let deep: unknown = [];
  for (let i = 0; i < 100; i++) deep = [deep];
  for (const none of [undefined, NaN, Infinity, 2 ** 53, 1n, "\udc00", { a: undefined }, { "\ud800": 1 }, () => 1, deep]) {
    expect(() => canonical(none)).toThrow(NotCanonical);
  }
});
