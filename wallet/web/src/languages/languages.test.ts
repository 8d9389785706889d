/** Every language says everything that English says, with the same slots, and in words of its own. */

import { expect, test } from "vitest";

import phrases from "../../../../ledger/vocabulary/phrases.json";
import { LANGUAGES, en, fill, preferred } from "./index.ts";

const slots = (message: string): string[] => [...message.matchAll(/\{\w+\}/g)].map(([slot]) => slot).sort();
const entries = Object.entries(en);

test("the page speaks the languages in which sentences of grants can be written", () => {
  expect(LANGUAGES.map(({ code }) => code)).toEqual(Object.keys(phrases.phrases));
});

test.each(LANGUAGES)("$name has the keys and slots of English", async ({ load }) => {
  const catalogue: Readonly<Record<string, string>> = await load();
  expect(Object.keys(catalogue)).toEqual(Object.keys(en));
  for (const [key, message] of entries) {
    const said = catalogue[key] ?? "";
    expect(slots(said), key).toEqual(slots(message));
    expect(said.trim(), key).toBe(said);
    expect(said, key).not.toBe("");
    const values = Object.fromEntries(slots(message).map((slot) => [slot.slice(1, -1), "7"]));
    expect(fill(said, values), key).not.toMatch(/[{}]/);
  }
});

test.each(LANGUAGES.filter(({ code }) => code !== "en"))("$name is translated", async ({ load }) => {
  const catalogue: Readonly<Record<string, string>> = await load();
  // What is longer than a few words is never the same in two languages.
  expect(entries.filter(([key, message]) => message.split(" ").length > 3 && catalogue[key] === message)).toEqual([]);
});

test("only Arabic is written in Arabic letters, and it is nowhere left in another script", async () => {
  for (const { code, load } of LANGUAGES) {
    for (const [key, message] of Object.entries(await load())) {
      if (key === "app.name") continue;
      const arabic = /[\u0600-\u06ff]/.test(message);
      expect(arabic, `${code} ${key}: ${message}`).toBe(code === "ar");
    }
  }
});

test.each([
  [["de-AT", "en"], "de"],
  [["fr-FR", "ar-EG", "en"], "ar"],
  [["ES"], "es"],
  [["fr"], "en"],
  [[], "en"],
])("the reader's preferences %j give %s", (wanted, code) => {
  expect(preferred(wanted)).toBe(code);
});
