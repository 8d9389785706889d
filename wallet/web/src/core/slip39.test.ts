import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import vectors from "../../../../tests/vectors/slip39.json";
import { InvalidInput } from "./errors.ts";
import { makeShares, readShare, restoreShares } from "./slip39.ts";
import { WORDS } from "./slip39_words.ts";

const secret = Uint8Array.from({ length: 32 }, (_, i) => i);
const [first = "", second = "", third = ""] = makeShares(secret, 2, 3);

test("the word list is that of the standard: sorted, and told apart by four letters", () => {
  expect(bytesToHex(keccak_256(utf8ToBytes(WORDS.join(" "))))).toBe(vectors.wordsHash);
  expect(new Set(WORDS.map((word) => word.slice(0, 4))).size).toBe(1024);
});

test.each([...vectors.python, ...vectors.page, vectors.older])(
  "$threshold shares of a set that Python reads give the entropy back", ({ threshold, entropy, shares }) => {
    expect(bytesToHex(restoreShares(shares))).toBe(entropy);
    expect(bytesToHex(restoreShares(shares.toReversed().slice(0, threshold)))).toBe(entropy);
    expect(() => restoreShares(shares.slice(1, threshold))).toThrow(InvalidInput);
    expect(new Set(shares.map((share) => readShare(share).set)).size).toBe(1);
    expect(shares.map((share) => readShare(share).index)).toEqual(shares.map((_, i) => i));
    expect(readShare(shares[0] ?? "").threshold).toBe(threshold);
  },
);

test("any enough shares of any set do, and say nothing before", () => {
  const shape = fc.record({
    threshold: fc.integer({ min: 2, max: 5 }), more: fc.integer({ min: 0, max: 3 }),
    entropy: fc.constantFrom(16, 32).chain((size) => fc.uint8Array({ minLength: size, maxLength: size })), turn: fc.nat(7),
  });
  fc.assert(fc.property(shape, ({ threshold, more, entropy, turn }) => {
    const shares = makeShares(entropy, threshold, threshold + more);
    const turned = [...shares.slice(turn % shares.length), ...shares.slice(0, turn % shares.length)];
    expect(restoreShares(turned.slice(0, threshold))).toEqual(entropy);
    expect(() => restoreShares(turned.slice(0, threshold - 1))).toThrow(InvalidInput);
  }), { numRuns: 20 });
});

test.each([[1, 3], [1, 1], [3, 2], [2, 17], [0, 0], [2.5, 3]])("%d of %d is refused", (threshold, count) => {
  expect(() => makeShares(secret, threshold, count)).toThrow(InvalidInput);
});

test.each([0, 15, 31, 33])("a secret of %d bytes is refused", (size) => {
  expect(() => makeShares(new Uint8Array(size), 2, 3)).toThrow(InvalidInput);
});

describe("a share", () => {
  const refusal = (shares: readonly string[]): string => {
    try {
      restoreShares(shares);
    } catch (error) {
      if (error instanceof InvalidInput) return error.message;
      throw error;
    }
    return "";
  };

  test("is read in any case and spacing, and given twice counts once", () => {
    expect(restoreShares([` ${first.toUpperCase()}\n`, second.replaceAll(" ", "\n  ")])).toEqual(secret);
    expect(refusal([first, first])).toMatch(/different shares are needed/);
    expect(refusal([])).toMatch(/no share/);
  });

  test("with any one word exchanged for any other is noticed, and no word is repeated", () => {
    const words = first.split(" ");
    fc.assert(fc.property(fc.nat(32), fc.nat(1023), (at, number) => {
      const other = WORDS[number] ?? "";
      fc.pre(other !== words[at]);
      const said = refusal([words.with(at, other).join(" "), second]);
      expect(said).not.toBe("");
      expect(said.split(" ").some((word) => word.length > 7 && words.includes(word))).toBe(false);
    }), { numRuns: 50 });
  });

  test.each([
    ["words exchanged", first.split(" ").toSpliced(5, 2, ...first.split(" ").slice(5, 7).toReversed()).join(" "), /checksum/],
    ["a word missing", first.split(" ").slice(1).join(" "), /33 words \(or 20\); these are 32/],
    ["an unknown word", first.split(" ").with(7, "xylophone").join(" "), /Word 8 of 33/],
    ["nothing", "", /these are 0/],
  ])("is refused: %s", (_, share, said) => {
    expect(refusal([share, second])).toMatch(said);
  });

  test("of another set, of groups, or made up is refused", () => {
    const [other = ""] = makeShares(secret, 2, 3);
    expect(refusal([first, other])).toMatch(/belong together/);
    expect(refusal(vectors.groups.shares)).toMatch(/groups/);
    expect(refusal(vectors.forged)).toMatch(/looks so/);
    expect(refusal(vectors.costly)).toMatch(/more work/);
    expect(refusal(vectors.padded)).toMatch(/well formed/);
    expect(restoreShares([first, third])).toEqual(secret);
  });
});
