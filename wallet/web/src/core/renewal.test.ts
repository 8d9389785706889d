import fc from "fast-check";
import { describe, expect, test } from "vitest";

import vectors from "../../../../tests/vectors/wallet.json";
import { grantHash } from "./book.ts";
import { documentHash, readForm } from "./documents.ts";
import { read } from "./model.ts";
import { matches } from "./summary.ts";
import { compare, difference, renewed, termsChannel, type Piece } from "./renewal.ts";

const names = new Map(Object.entries(vectors.names));
const grant = read("Grant", vectors.offer.grants[0]);
const NEW = `0x${"ab".repeat(32)}`;
const marked = (pieces: readonly Piece[]): string[] => pieces.filter((piece) => piece.marked).map(({ text }) => text.trim());
const joined = (pieces: readonly Piece[]): string => pieces.map(({ text }) => text).join("");

describe("two texts, word by word", () => {
  test.each([
    ["He may look.", "He may look.", [], []],
    ["He may look once.", "He may look twice.", ["once."], ["twice."]],
    ["a b c d", "a c d e", ["b"], ["e"]],
    ["", "new words", [], ["new words"]],
    ["old words", "", ["old words"], []],
    ["يمكن حذف الصورة", "لا يمكن حذف الصورة", [], ["لا"]],
  ])("%j and %j", (before, after, gone, come) => {
    const found = difference(before, after);
    expect([marked(found.before), marked(found.after)]).toEqual([gone, come]);
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
  const made = (statements: object[], channels: object = {}) => {
    const value = {
      type: "VolensForm", version: 1, issuer: grant.recipient, title: { en: "A form" }, statements, channels,
    };
    return readForm(value, documentHash(value));
  };
  const before = made([
    { id: "kept", text: { en: "Kept.", de: "Bleibt." } }, { id: "gone", text: { en: "Gone." } }, { id: "other", text: { en: "Once.", de: "Einmal." } },
    { id: "hidden", text: { en: "The same.", de: "Dasselbe." } },
  ]);
  const after = made([
    { id: "fresh", text: { en: "Fresh." } }, { id: "kept", text: { en: "Kept.", de: "Bleibt." } }, { id: "other", text: { en: "Twice.", de: "Zweimal." } },
    { id: "hidden", text: { en: "The same.", de: "Etwas anderes." } },
  ]);

  test("differ in what is new, other and gone, in whatever language", () => {
    expect(compare(before, after, "de").map(({ id, before, after, same }) => [id, before, after, same])).toEqual([
      ["fresh", null, "Fresh.", false], ["kept", "Bleibt.", "Bleibt.", true], ["other", "Einmal.", "Zweimal.", false],
      ["hidden", "Dasselbe.", "Etwas anderes.", false], ["gone", "Gone.", null, false],
    ]);
    // What is other in a language she does not read is still another text: it is not passed over.
    expect(compare(before, after, "en").find(({ id }) => id === "hidden")?.same).toBe(false);
    expect(compare(before, before, "ar").every(({ same }) => same)).toBe(true);
  });

  test("name terms for a channel or what is broader", () => {
    const terms = { issuer: grant.recipient, terms: NEW };
    const form = made([{ id: "one", text: { en: "One." } }], { social: terms });
    expect(["social:mastodon", "social", "journal"].map((code) => termsChannel(form, code))).toEqual(["social", "social", undefined]);
  });
});

describe("the same consent under a new form", () => {
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
