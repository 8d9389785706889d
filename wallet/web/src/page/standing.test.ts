import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import vectors from "../../../../tests/vectors/wallet.json";
import { grantHash, type Case, type Contents } from "../core/book.ts";
import { Unavailable } from "../core/errors.ts";
import { read, type Message } from "../core/model.ts";
import { renewed } from "../core/renewal.ts";
import type { Standing } from "../shell/client.ts";
import type { App } from "./app.ts";
import { endOld, follow } from "./screens/renewal.ts";
import { rows } from "./standing.ts";

const names = new Map(Object.entries(vectors.names));
const old = read("Grant", vectors.offer.grants[0]);
const NEW = `0x${"ab".repeat(32)}`;
const made = renewed(old, NEW, names, "en");
const NOW = old.validFrom + 60;
const OTHER = `0x${"11".repeat(20)}`;
type Local = readonly (readonly [type: string, grant: Message<"Grant">, deadline?: number])[];

/** The page over what the service says, or over nothing when it is down, and what this device signed. */
function page(said: readonly Partial<Standing>[] | null, waiting: Local = [], handed: Local = []) {
  const one: Case = { index: 1, subject: vectors.subject, title: "A case", controller: OTHER, record: old.record, grants: [old, made] };
  const signed = (all: Local) => all.map(([type, grant, deadline = NOW + 900]) =>
    ({ type, message: { subject: one.subject, grants: [grant], deadline } }));
  const contents = { cases: [one], waiting: signed(waiting), handed: signed(handed).map((sent) => ({ sent })) } as unknown as Contents;
  const standings = async () => {
    await Promise.resolve();
    if (said === null) throw new Unavailable("down");
    return said.map((view) => ({ subject: one.subject, newForm: null, newTerms: new Map(), endedChannels: [], ...view }));
  };
  const revoked: string[] = [];
  const revoke = async (all: readonly { grant: string }[]) => {
    await Promise.resolve();
    revoked.push(...all.map(({ grant }) => grant));
  };
  const open = { wallet: { contents }, client: { now: () => NOW }, patient: { standings, revoke } };
  const drawn: string[] = [];
  const told = { t: (key: string) => key, tell: (text: string) => drawn.push(text), refresh: async () => { await Promise.resolve(); drawn.push("drawn"); } };
  const app = { open, page: told, holds: (one: unknown) => one === app.open } as unknown as App;
  return { app, one, contents, revoked, drawn, found: () => rows(app, [one]) };
}
const view = (grant: Message<"Grant">, standing: string, more: Partial<Standing> = {}) => ({ id: grantHash(grant), grant, standing, ...more });

describe("what is said of a consent", () => {
  test.each<[string, Parameters<typeof page>, string, string]>([
    ["another signer's state is not hers", [[view(old, "granted"), view(old, "no_consent", { subject: OTHER })]], "granted", "unrecorded"],
    ["another signer ended it", [[view(old, "granted"), view(old, "revoked", { subject: OTHER })]], "stopped_by_another", "unrecorded"],
    ["another has to agree", [[view(old, "further_consent_needed")]], "further_consent_needed", "unrecorded"],
    ["handed in, and can still be recorded", [[view(made, "no_consent")], [], [["Consent", made]]], "unrecorded", "waiting"],
    ["handed in, and too late to be recorded", [[view(made, "no_consent")], [], [["Consent", made, NOW - 1]]], "unrecorded", "unrecorded"],
    ["signed, and the service did not take it", [[], [["Consent", made]]], "unrecorded", "not_sent"],
    ["recorded, and not deep enough", [[view(made, "awaiting_confirmations")]], "unrecorded", "waiting"],
    ["the service is down", [null, [["Consent", made]]], "unknown", "not_sent"],
    ["stopped, and the service has it", [[view(old, "granted")], [], [["Revocation", old]]], "stopping", "unrecorded"],
    ["stopped, and the service does not have it", [[view(old, "granted")], [["Revocation", old]]], "stop_not_sent", "unrecorded"],
    ["stopped, and recorded", [[view(old, "revoked")], [["Revocation", old]]], "revoked", "unrecorded"],
  ])("%s", async (_, given, ofOld, ofNew) => {
    const { rows: all } = await page(...given).found();
    expect(all.map(({ state }) => state)).toEqual([ofOld, ofNew]);
  });

  test("a consent that was given again is known beside the one whose place it took, until one of them ends", async () => {
    const pair = async (...states: [string, string]) => [...(await page([view(old, states[0]), view(made, states[1])]).found()).renewals]
      .map((both) => both.map(({ grant }) => grant));
    expect(await pair("form_superseded", "granted")).toEqual([[old, made]]);
    expect(await pair("granted", "further_consent_needed")).toEqual([[old, made]]);
    expect(await pair("revoked", "granted")).toEqual([]);
    expect(await pair("granted", "revoked")).toEqual([]);
  });

  test("one that she ended by agreeing again is not said to be stopped by her, from the moment that she signed", async () => {
    const both: Local = [["Consent", old], ["Consent", made]];
    const states = async (ofOld: string, ofNew: string, stopped: Local = []) =>
      (await page([view(old, ofOld), view(made, ofNew)], [], [...both, ...stopped]).found()).rows.map(({ state }) => state);
    expect(await states("revoked", "granted")).toEqual(["replaced", "granted"]);
    expect(await states("revoked", "no_consent")).toEqual(["replaced", "waiting"]);
    expect(await states("granted", "granted", [["Revocation", old]])).toEqual(["replaced", "granted"]);
    expect(await states("revoked", "revoked")).toEqual(["revoked", "revoked"]);
    expect(await states("revoked", "granted", [["Revocation", made]])).toEqual(["replaced", "stopping"]);
    expect((await page([view(old, "revoked"), view(made, "no_consent")]).found()).rows[0]?.state).toBe("revoked");
  });

  test("one that was given again and taken back cannot be given a third time under that form", async () => {
    const spent = async (state: string) => (await page([view(old, "granted", { newForm: NEW }), view(made, state)]).found()).rows[0]?.spent;
    expect([await spent("revoked"), await spent("granted")]).toEqual([true, false]);
  });
});

describe("the old consent", () => {
  const mine: Local = [["Consent", old], ["Consent", made]];
  test.each<[string, string, string, Local, boolean]>([
    ["ends once the new one counts", "granted", "granted", mine, true],
    ["is left while the new one does not count", "granted", "no_consent", mine, false],
    ["is left while another has to agree to the new one", "granted", "further_consent_needed", mine, false],
    ["ends as soon as the new one is taken, where it does not count itself", "form_superseded", "no_consent", mine, true],
    ["is left while the new one was not taken", "form_superseded", "no_consent", mine.slice(0, 1), false],
    ["is left to her where the new one is not from here", "granted", "granted", mine.slice(0, 1), false],
  ])("%s", async (_, ofOld, ofNew, handed, ends) => {
    const { app, revoked, found } = page([view(old, ofOld), view(made, ofNew)], [], handed);
    expect((await endOld(app, await found())).length > 0).toBe(ends);
    expect(revoked).toEqual(ends ? [grantHash(old)] : []);
  });

  describe("while the page is open", () => {
    beforeEach(() => { vi.useFakeTimers(); });
    afterEach(() => { vi.useRealTimers(); });
    const HOUR = 3_600_000;

    /** What the service says of the new consent changes while it is followed. */
    const following = () => {
      const says = [view(old, "granted"), view(made, "no_consent")];
      const all = page(says, [], mine);
      const { patient } = all.app.open;
      vi.spyOn(patient, "standings");
      return { ...all, patient, count: (state: string) => (says[1] = view(made, state)), done: follow(all.app, all.one) };
    };

    test("ends there and then when the new one counts, and it is said", async () => {
      const { patient, revoked, drawn, contents, count, done } = following();
      await vi.advanceTimersByTimeAsync(10_000);
      expect(revoked).toEqual([]);
      count("granted");
      const handed = [...contents.handed, { sent: { type: "Revocation", message: { subject: vectors.subject, grants: [old] } } }];
      vi.spyOn(patient, "revoke").mockImplementation((names) => {
        revoked.push(...names.map(({ grant }) => grant));
        Object.assign(contents, { handed });
        return Promise.resolve([]);
      });
      await vi.advanceTimersByTimeAsync(60_000);
      await done;
      expect(revoked).toEqual([grantHash(old)]);
      expect(drawn).toEqual(["renewal.ended", "drawn"]);
      const asked = vi.mocked(patient.standings).mock.calls.length;
      await vi.advanceTimersByTimeAsync(HOUR);
      expect(vi.mocked(patient.standings).mock.calls.length).toBe(asked);
    });

    test("is not said to have ended while the service does not have the stop", async () => {
      const { revoked, drawn, count, done } = following();
      count("granted");
      await vi.advanceTimersByTimeAsync(10_000);
      await done;
      expect([revoked, drawn]).toEqual([[grantHash(old)], ["drawn"]]);
    });

    test("is followed once, less and less often, and not when the page was locked", async () => {
      const { app, one, patient, done } = following();
      void follow(app, one);
      await vi.advanceTimersByTimeAsync(HOUR);
      const asked = vi.mocked(patient.standings).mock.calls.length;
      expect(asked).toBeGreaterThan(50);
      expect(asked).toBeLessThan(80);
      Object.assign(app, { open: {} });
      await vi.advanceTimersByTimeAsync(HOUR);
      await done;
      expect(vi.mocked(patient.standings).mock.calls.length).toBe(asked);
    });
  });
});
