import { describe, expect, test } from "vitest";

import { fill, preferred } from "../languages/index.ts";
import { linkIn } from "./screens/invitation.ts";

const ORIGIN = "https://consent.example";

describe("a pasted link", () => {
  test.each([
    [`${ORIGIN}/wallet/#offer=off_0123456789`, "#offer=off_0123456789"],
    [`  ${ORIGIN}/wallet/#invitation=inv_0123456789\n`, "#invitation=inv_0123456789"],
    ["#offer=off_0123456789", "#offer=off_0123456789"],
  ])("of this service leads into the page: %s", (text, address) => {
    expect(linkIn(text, ORIGIN)).toBe(address);
  });

  test.each([
    "", "off_0123456789", "https://other.example/wallet/#offer=off_0123456789", `${ORIGIN}.evil.example/wallet/#offer=off_0123456789`,
    `${ORIGIN}/wallet/#offer=off_<script>`, `${ORIGIN}/wallet/#/settings`, "javascript:alert(1)#offer=off_0123456789",
    `${ORIGIN}/wallet/#offer=`, `${ORIGIN}@evil.example/wallet/#offer=off_0123456789`,
  ])("of anything else leads nowhere: %s", (text) => {
    expect(linkIn(text, ORIGIN)).toBeNull();
  });
});

test("what is put into a message is never read as one", () => {
  expect(fill("{who} asked", { who: "{who} {count} $& \\" })).toBe("{who} {count} $& \\ asked");
  expect(() => fill("{nobody}", {})).toThrow();
});

test("the first language of the reader that there is, is taken", () => {
  expect(preferred(["fr-FR", "de-AT", "en"])).toBe("de");
  expect(preferred(["fr"])).toBe("en");
});
