import { expect, test } from "vitest";

import vectors from "../../../../tests/vectors/summary.json";
import { InvalidMessage, read } from "./model.ts";
import { matches, summary } from "./summary.ts";
import { UnknownCode } from "./vocabulary.ts";

const named = (parties: object) => new Map<string, string>(Object.entries(parties));

test.each(vectors.cases)("the summary of: $about", (one) => {
  expect(summary(one.grant, named(one.parties), one.language)).toBe(one.summary);
  const signed = read("Grant", { ...one.grant, summary: one.summary });
  expect(matches(signed, named(one.parties))).toBe(one.language);
  expect(matches({ ...signed, onward: signed.onward === "none" ? "quote" : "none" }, named(one.parties))).toBeNull();
});

test.each(vectors.refused)("no summary for: $about", (one) => {
  let refusal: unknown;
  try {
    summary(one.grant, named(one.parties), one.language);
  } catch (error) {
    refusal = error;
  }
  if (one.field === "") expect(refusal).toBeInstanceOf(UnknownCode);
  else expect((refusal as InvalidMessage).field).toBe(one.field);
});

test.each(["xx", "", "constructor", "__proto__"])("no summary in the language %j", (language) => {
  const [one] = vectors.cases;
  expect(() => summary(one?.grant, named(one?.parties ?? {}), language)).toThrow(UnknownCode);
});
