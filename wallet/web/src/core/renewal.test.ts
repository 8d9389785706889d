import fc from "fast-check";
import { describe, expect, test } from "vitest";

import vectors from "../../../../tests/vectors/renewal.json";
import wallets from "../../../../tests/vectors/wallet.json";
import { grantHash } from "./book.ts";
import { documentHash, readForm } from "./documents.ts";
import { read } from "./model.ts";
import { matches } from "./summary.ts";
import { compare, difference, oldMayEnd, renewed, renews, termsOf, type Piece } from "./renewal.ts";

const names = new Map(Object.entries(wallets.names));
const grant = read("Grant", wallets.offer.grants[0]);
const NEW = `0x${"ab".repeat(32)}`;
const joined = (pieces: readonly Piece[]): string => pieces.map(({ text }) => text).join("");

describe("two texts, word by word", () => {
  test.each(vectors.differences)("$before and $after", ({ before, after, pieces }) => {
    const found = difference(before, after);
    expect([found.before, found.after].map((side) => side.map(({ text, marked }) => [text, marked]))).toEqual(pieces);
  });

  test("lose nothing, and what is not marked is the same in both", () => {
    const text = fc.array(fc.constantFrom("a", "b", "c", " ", "\n", "  ", "dé"), { maxLength: 24 }).map((parts) => parts.join(""));
    fc.assert(fc.property(text, text, (before, after) => {
      const found = difference(before, after);
      expect([joined(found.before), joined(found.after)]).toEqual([before, after]);
      const kept = (pieces: readonly Piece[]): string[] => joined(pieces.filter((piece) => !piece.marked)).split(/\s+/u).filter(Boolean);
      const words = (all: readonly Piece[]): string => kept(all).join("");
      expect(words(found.before)).toBe(words(found.after));
    }));
  });

  test("that are very long are not compared for ever", () => {
    const [before, after] = ["a", "b"].map((word) => Array.from({ length: 8000 }, (_, i) => `${word}${i}`).join(" ")) as [string, string];
    const found = difference(`same ${before} end`, `same ${after} end`);
    expect(found.before.map((piece) => piece.marked)).toEqual([false, true, false]);
    expect(joined(found.after)).toBe(`same ${after} end`);
  });
});

describe("two forms", () => {
  const form = (document: unknown) => readForm(document, documentHash(document));

  test.each(vectors.forms)("differ in what is new, other and gone: $language", ({ before, after, language, changes }) => {
    expect(compare(form(before), form(after), language)).toEqual(changes);
  });

  test("differ where only a language differs that she does not read: it is not passed over", () => {
    const [{ before, after }] = vectors.forms as [typeof vectors.forms[0]];
    expect(compare(form(before), form(after), "en").find(({ id }) => id === "hidden")?.same).toBe(false);
  });

  test.each(vectors.channels)("have terms for $channel or what is broader: $terms", ({ form: document, channel, terms }) => {
    expect(termsOf(form(document), channel)?.terms ?? null).toBe(terms);
  });
});

describe("the same consent under a new form", () => {
  test.each(vectors.grants)("is the same from Python: $about", ({ grant: old, form, language, renewed: made, hash }) => {
    const found = renewed(read("Grant", old), form, new Map(Object.entries(vectors.names)), language);
    expect(found).toEqual(made);
    expect(grantHash(found)).toBe(hash);
  });

  test("is known by its salt", () => {
    for (const one of vectors.renews) expect(renews(read("Grant", one.new), read("Grant", one.old))).toBe(one.renews);
  });

  test.each(vectors.ends)("ends the old one, $old, only once it counts: $new", ({ old, new: made, ends }) => {
    expect(oldMayEnd(old, made)).toBe(ends);
  });

  test("says the same, and is another grant", () => {
    const made = renewed(grant, NEW, names, "en");
    const { form, salt, ...rest } = made;
    const { form: oldForm, salt: oldSalt, ...old } = grant;
    expect(rest).toEqual(old);
    expect([form, oldForm === NEW, salt === oldSalt]).toEqual([NEW, false, false]);
    expect(matches(made, names)).toBe("en");
    expect(grantHash(made)).not.toBe(grantHash(grant));
  });

  test("is one grant, however often and by whomever it is made", () => {
    expect(renewed(grant, NEW, names, "de")).toEqual(renewed(grant, NEW, names, "ar"));
    expect(renewed(grant, grant.record, names, "en").salt).not.toBe(renewed(grant, NEW, names, "en").salt);
  });

  test("is not made for somebody who has no name", () => {
    expect(() => renewed(grant, NEW, new Map(), "en")).toThrow("not listed");
  });
});
