import { describe, expect, test } from "vitest";

import vectors from "../../../../tests/vectors/standing.json";
import { own, stateOf } from "./standing.ts";

describe("what is said of a consent is what its own signer's state is", () => {
  test.each(vectors.views)("$about", ({ views, subject, grant, now, state }) => {
    for (const told of [views, [...views].reverse()]) {
      const found = own(told, subject);
      expect(new Set(found.keys())).toEqual(new Set(told.filter((view) => view.subject === subject).map(({ id }) => id)));
      const known = found.get(grant);
      expect(known && stateOf(known, known.view.grant, now)).toBe(state);
    }
  });
});
