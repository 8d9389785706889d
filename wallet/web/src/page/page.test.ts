import { describe, expect, test, vi } from "vitest";

import { fill, preferred } from "../languages/index.ts";
import { InvalidMessage } from "../core/model.ts";
import { Client, Problem } from "../shell/client.ts";
import { Page } from "./page.ts";
import { linkIn } from "./screens/invitation.ts";
import { broughtBy } from "./screens/start.ts";

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

describe("who comes with a link and without a key", () => {
  const service = (answer: unknown) => {
    const asked = async (): Promise<never> => {
      await Promise.resolve();
      if (answer instanceof Error) throw answer;
      return answer as never;
    };
    return { invitation: asked, offer: asked };
  };
  const open = { claimed: false };

  test.each<[string, string, unknown, string, boolean]>([
    ["an invitation", "#invitation=inv_0123456789", open, "start.invited", true],
    ["an offer, which another key has to open", "#offer=off_0123456789", {}, "start.offered", true],
    ["an invitation that was answered", "#invitation=inv_0123456789", { claimed: true }, "invitation.claimed", false],
    ["a code that the service does not know", "#offer=off_0123456789", new Problem("not_found", "No.", 404), "error.not_found", false],
    ["one that is too old", "#invitation=inv_0123456789", new Problem("expired", "No.", 410), "error.expired", false],
    ["a service that answers nonsense", "#invitation=inv_0123456789", new InvalidMessage("claimed", "is wrong"), "error.unknown", false],
  ])("%s", async (_, hash, answer, said, good) => {
    expect(await broughtBy(hash, service(answer))).toEqual({ said, good });
  });

  test.each(["#offer=", "#offer=%3Cscript%3E", "#invitation=<b>", "#invitation=a/../b", "#offer=a\nb"])("rubbish is not known, and not asked for: %s", async (hash) => {
    const fetch = vi.fn();
    expect(await broughtBy(hash, new Client(ORIGIN, { fetch }))).toEqual({ said: "error.not_found", good: false });
    expect(fetch).not.toHaveBeenCalled();
  });

  test.each(["", "#/consents", "#offers=off_0123456789"])("no link is none: %s", async (hash) => {
    expect(await broughtBy(hash, service(open))).toBeNull();
  });
});

test.each([0, 1_795_428_000, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER])("any time that a service may name is a day: %d", (seconds) => {
  vi.stubGlobal("document", { createElement: () => ({ setAttribute: () => undefined, append: () => undefined }) });
  const page = new Page();
  expect(page.day(seconds)).not.toBe("");
  expect(page.time(seconds)).not.toBe("");
  vi.unstubAllGlobals();
});
