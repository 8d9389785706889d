import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, concatBytes, hexToBytes } from "@noble/hashes/utils.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import recorded from "../../../../tests/vectors/proofs.json";
import vectors from "../../../../tests/vectors/standing.json";
import { readDeployment } from "./deployment.ts";
import { InvalidInput, InvalidProof, Unavailable, WrongChain } from "./errors.ts";
import { encode, readList, readNumber, readText, type Rlp } from "./rlp.ts";
import { entrySlot, mappingSlot, proveStanding, subjectSlot, unpack } from "./slots.ts";
import {
  EMPTY_CODE, EMPTY_ROOT, readNodes, readProof, verifyAccount, verifyHeader, verifySlot, type Proofs,
} from "./stateproof.ts";
import { standingByNodes } from "../shell/node.ts";

type Json = Record<string, unknown>;
const nodes = Object.entries(recorded.nodes);

describe.each(nodes)("what %s answers", (_, node) => {
  const header = verifyHeader(node.block);
  const proofs = readProof(node.contract);
  const account = verifyAccount(header.stateRoot, proofs.address, proofs.account);

  test("is a header with its own hash", () => {
    expect(header).toMatchObject({
      hash: node.block.hash, number: Number(node.block.number), timestamp: Number(node.block.timestamp),
      stateRoot: node.block.stateRoot, parentHash: node.block.parentHash,
    });
    expect(verifyHeader(node.block, node.block.hash)).toEqual(header);
    expect(() => verifyHeader(node.block, EMPTY_ROOT)).toThrow(InvalidProof);
  });

  test.each(Object.keys(node.block).filter((name) => recorded.nodes.hardhat.block[name as "number"] !== undefined && !["transactions", "uncles", "size", "withdrawals", "totalDifficulty"].includes(name)))(
    "is refused with another %s", (name) => {
      const value = (node.block as Json)[name] as string;
      const last = value === "0x" ? "1" : value.slice(0, -1) + (value.endsWith("0") ? "1" : "0");
      for (const wrong of [last, `${value}00`, "0x", "", "0x ", "0xzz", 7, null, ["0x"], true, `0x${"f".repeat(65)}`]) {
        if (wrong !== value) expect(() => verifyHeader({ ...node.block, [name]: wrong })).toThrow(InvalidProof);
      }
      const { [name]: _gone, ...less } = node.block as Json;
      expect(() => verifyHeader(less)).toThrow(InvalidProof);
    },
  );

  test("proves accounts that are there, and one that is not", () => {
    expect(account).toMatchObject({ nonce: 1n, balance: 0n, storageRoot: node.contract.storageHash, codeHash: node.contract.codeHash });
    const sender = readProof(node.sender);
    expect(verifyAccount(header.stateRoot, sender.address, sender.account)).toMatchObject({
      balance: BigInt(node.sender.balance), nonce: BigInt(node.sender.nonce), codeHash: EMPTY_CODE,
    });
    const absent = readProof(node.absent);
    expect(verifyAccount(header.stateRoot, absent.address, absent.account)).toEqual({
      nonce: 0n, balance: 0n, storageRoot: EMPTY_ROOT, codeHash: EMPTY_CODE,
    });
    expect(() => verifyAccount(header.stateRoot, sender.address, absent.account)).toThrow(InvalidProof);
    expect(verifySlot(EMPTY_ROOT, EMPTY_ROOT, [])).toBe(0n);
  });

  test("proves slots that are set, and those that are not, also leaves embedded in their parent", () => {
    for (const [key, value] of Object.entries(node.expected)) {
      expect(verifySlot(account.storageRoot, key, proofs.slots.get(key) ?? [])).toBe(BigInt(value));
    }
  });

  test("proves nothing when a node is missing, left over, of another slot, or one bit is another", () => {
    const all = [...proofs.slots];
    for (const [i, [key, path]] of all.entries()) {
      const value = BigInt((node.expected as Record<string, string>)[key] ?? "0");
      const other = all[(i + 1) % all.length]?.[1] ?? [];
      for (const wrong of [path.slice(1), path.slice(0, -1), [...path, path[0] ?? new Uint8Array()], path.toReversed()]) {
        if (wrong.map(bytesToHex).join() === path.map(bytesToHex).join()) continue;
        // A recorded copy of an embedded leaf may be left out: it proves the same.
        let found: bigint | undefined;
        try {
          found = verifySlot(account.storageRoot, key, wrong);
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidProof);
        }
        if (found !== undefined) expect(found).toBe(value);
      }
      if (other.length > 0) {
        try {
          expect(verifySlot(account.storageRoot, key, other)).toBe(0n); // both may leave the trie at one node
          expect(value).toBe(0n);
        } catch (error) {
          if (!(error instanceof InvalidProof)) throw error;
        }
      }
    }
    fc.assert(fc.property(fc.nat(all.length - 1), fc.nat(), fc.nat(), fc.integer({ min: 0, max: 7 }), (which, at, place, bit) => {
      const [key, path] = all[which] ?? ["", []];
      const n = at % path.length;
      const changed = (path[n] ?? new Uint8Array()).slice();
      changed[place % changed.length] = (changed[place % changed.length] ?? 0) ^ (1 << bit);
      expect(() => verifySlot(account.storageRoot, key, path.with(n, changed))).toThrow(InvalidProof);
    }), { numRuns: 200 });
  });
});

test("rubbish is refused as a proof, whatever it is", () => {
  const [first] = vectors.cases;
  const root = first?.block.stateRoot ?? "";
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 4 }), (rubbish) => {
    expect(() => verifyAccount(root, vectors.registry.address, rubbish)).toThrow(InvalidProof);
  }));
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    expect(() => readProof(value)).toThrow(InvalidProof);
    expect(() => verifyHeader(value)).toThrow(InvalidProof);
  }));
  for (const wrong of [null, "0x", [1], ["zz"], ["0x0"], Array(66).fill("0x"), [`0x${"00".repeat(533)}`]]) {
    expect(() => readNodes(wrong)).toThrow(InvalidProof);
  }
});

const address20 = (byte: string): string => `0x${byte.repeat(20)}`;

describe("a trie made by hand proves nothing when it is bent", () => {
  const hash = (bytes: Uint8Array): string => `0x${bytesToHex(keccak_256(bytes))}`;
  const key = hexToBytes("11".repeat(32));
  const path = bytesToHex(keccak_256(key));
  const text = (hex: string): Uint8Array => hexToBytes(hex);
  const value = encode(Uint8Array.of(5));
  const proves = (node: Rlp, ...more: Rlp[]): bigint => {
    const first = encode(node);
    return verifySlot(hash(first), `0x${"11".repeat(32)}`, [first, ...more.map(encode)]);
  };
  const branch = (at: string, child: Rlp): Rlp[] => Array.from({ length: 17 }, (_, i) => (i === parseInt(at, 16) ? child : new Uint8Array()));

  test("while the straight one proves", () => {
    expect(proves([text(`20${path}`), value])).toBe(5n);
    const leaf = [text(`3${path.slice(1)}`), value];
    expect(proves(branch(path[0] ?? "", keccak_256(encode(leaf))), leaf)).toBe(5n);
    expect(proves(branch(path[0] === "0" ? "1" : "0", keccak_256(key)))).toBe(0n);
  });

  test("an account has four fields, two of them of 32 bytes", () => {
    const of = address20("aa");
    const account = (fields: Rlp[]): ReturnType<typeof verifyAccount> => {
      const leaf = encode([text(`20${bytesToHex(keccak_256(hexToBytes(of.slice(2))))}`), encode(fields)]);
      return verifyAccount(hash(leaf), of, [leaf]);
    };
    const [one, word] = [Uint8Array.of(1), keccak_256(key)];
    expect(account([one, one, word, word])).toMatchObject({ nonce: 1n, balance: 1n });
    for (const wrong of [[one, one, word], [one, one, word, word, one], [one, one, word, one], [one, one, one, word], [one, one, word, [word]], [[one], one, word, word]]) {
      expect(() => account(wrong)).toThrow(InvalidProof);
    }
  });

  test.each<[string, () => Rlp]>([
    ["a leaf of a shorter key", () => [text(`3${path.slice(1)}`), value]],
    ["a leaf without a value", () => [text(`20${path}`), new Uint8Array()]],
    ["a leaf with a list", () => [text(`20${path}`), [value]]],
    ["a flag that is none", () => [text(`40${path}`), value]],
    ["a filler that is not zero", () => [text(`21${path}`), value]],
    ["three members", () => [text(`20${path}`), value, value]],
    ["one member", () => [text(`20${path}`)]],
    ["an extension of nothing", () => [text("00"), keccak_256(key)]],
    ["an extension of the whole key", () => [text(`00${path}`), keccak_256(key)]],
    ["a branch with a value", () => [...branch(path[0] ?? "", new Uint8Array()).slice(0, 16), value]],
    ["a branch with a short hash", () => branch("0", Uint8Array.of(1, 2))],
    ["a child that is embedded though it is long", () => branch(path[0] ?? "", [text(`3${path.slice(1)}`), value])],
    ["a number with leading zeros", () => [text(`20${path}`), encode(Uint8Array.of(0, 5))]],
    ["a number and something after it", () => [text(`20${path}`), concatBytes(value, value)]],
    ["a number of 33 bytes", () => [text(`20${path}`), encode(new Uint8Array(33).fill(1))]],
  ])("%s", (_, node) => {
    expect(() => proves(node())).toThrow(InvalidProof);
  });
});

describe("RLP", () => {
  const value: fc.Memo<Rlp> = fc.memo((n) => (n < 2 ? fc.uint8Array({ maxLength: 80 }) : fc.oneof(fc.uint8Array({ maxLength: 80 }), fc.array(value(n - 1), { maxLength: 5 }))));

  test("has one form, and what is read is what was written", () => {
    fc.assert(fc.property(fc.array(value(4), { maxLength: 6 }), (list) => {
      expect(readList(encode(list), 100_000, "It")).toEqual(list);
    }));
    expect(() => readList(encode([new Uint8Array(9)]), 5, "It")).toThrow(InvalidProof);
  });

  test("what is read, written again, is the same bytes", () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
      let found: readonly Rlp[];
      try {
        found = readList(bytes, 100, "It");
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidProof);
        return;
      }
      expect(encode(found)).toEqual(bytes);
    }), { numRuns: 1000 });
  });

  test.each([
    "", "80", "c180c0", "c1", "c28100", "c2b800", "f800", "c3b80100", "c882", "f90001ff", "ffffffffffffffffff", "c1ffffffffffffffffff",
    "cac9c8c7c6c5c4c3c2c1c0",
  ])("%s is no list", (hex) => {
    expect(() => readList(hexToBytes(hex), 100, "It")).toThrow(InvalidProof);
  });

  test("a text is one text, a number has no leading zeros", () => {
    expect(readText(hexToBytes("820102"), "It")).toEqual(Uint8Array.of(1, 2));
    for (const wrong of ["c0", "8101", "820102ff", ""]) expect(() => readText(hexToBytes(wrong), "It")).toThrow(InvalidProof);
    expect(readNumber(Uint8Array.of(1, 0), 256n, "It")).toBe(256n);
    for (const wrong of [undefined, [], Uint8Array.of(0), Uint8Array.of(1, 1)]) expect(() => readNumber(wrong, 256n, "It")).toThrow(InvalidProof);
  });
});

describe("the standing of a grant", () => {
  const reasons: Record<string, string> = {
    granted: "granted", revoked: "revoked", "revoked before it was granted": "revoked", "everything revoked": "revoked",
    "granted after everything was revoked": "granted", suspended: "suspended", closed: "closed", nothing: "no_consent",
  };
  const prove = ({ block, proof, subject, grant }: (typeof vectors.cases)[0], registry = vectors.registry, change: Partial<Proofs> = {}): ReturnType<typeof proveStanding> =>
    proveStanding(verifyHeader(block), registry, { ...readProof(proof), ...change }, subject, grant);

  test.each(vectors.cases)("$about", (one) => {
    const { timestamp, number } = one.block;
    expect(prove(one)).toEqual({
      ...one.standing, reason: reasons[one.about], block: Number(number), hash: one.block.hash, timestamp: Number(timestamp),
    });
  });

  test("is proven by the pinned contract only, with every slot that is needed", () => {
    const [one, other] = vectors.cases;
    if (one === undefined || other === undefined) throw new Error("There are no cases.");
    expect(() => prove(one, { ...vectors.registry, codeHash: EMPTY_CODE })).toThrow(InvalidProof);
    expect(() => prove(one, { ...vectors.registry, address: one.subject })).toThrow(InvalidProof);
    expect(() => prove(one, vectors.registry, { slots: new Map() })).toThrow(InvalidProof);
    expect(() => prove({ ...one, proof: other.proof })).toThrow(InvalidProof);
    expect(() => prove({ ...one, grant: EMPTY_ROOT })).toThrow(InvalidProof);
  });

  test("slots are where Solidity puts them, and hold what they should and no more", () => {
    expect(mappingSlot(`0x${"0".repeat(64)}`, 0)).toBe("0xad3228b676f7d3cd4284a5443f17f1962b36e491b30a40b2405849e597ba5fb5");
    for (const { subject, grant, proof } of vectors.cases) {
      expect(proof.storageProof.map(({ key }) => key)).toEqual([entrySlot(subject, grant), subjectSlot(subject)]);
    }
    expect(unpack((3n << 64n) | 2n, [64, 64])).toEqual([2, 3]);
    expect(() => unpack(1n << 128n, [64, 64])).toThrow(InvalidProof);
    expect(() => unpack(1n << 63n, [64, 64])).toThrow(InvalidProof);
  });
});

describe("asking nodes", () => {
  const [one] = vectors.cases;
  if (one === undefined) throw new Error("There are no cases.");
  const deployment = readDeployment(vectors.deployment);
  type Answers = Record<string, (params: unknown[]) => unknown>;
  const honest: Answers = {
    eth_chainId: () => `0x${deployment.chainId.toString(16)}`,
    eth_getBlockByNumber: ([number]) => (number === "0x0" ? { hash: deployment.genesis } : one.block),
    eth_getBlockByHash: ([hash]) => (hash === one.block.hash ? one.block : null),
    eth_getProof: () => one.proof,
  };
  const ask = (answers: Record<string, Answers>) => async (url: string, init: RequestInit): Promise<Response> => {
    await Promise.resolve();
    const { method, params } = JSON.parse(init.body as string) as { method: string; params: unknown[] };
    const answer = answers[url]?.[method];
    if (answer === undefined) throw new TypeError("network");
    return new Response(JSON.stringify({ jsonrpc: "2.0", id: 1, result: answer(params) }));
  };
  const standing = (answers: Record<string, Answers>, urls = Object.keys(answers)): ReturnType<typeof standingByNodes> =>
    standingByNodes(urls, deployment, one.subject, one.grant, ask(answers));
  const [a, b] = ["https://a.example/", "https://b.example/"];

  test("one proves it; several must know the same block", async () => {
    expect(await standing({ [a]: honest })).toMatchObject({ reason: "granted", hash: one.block.hash });
    expect(await standing({ [a]: honest, [b]: honest })).toMatchObject({ reason: "granted" });
    await expect(standing({ [a]: honest, [b]: { ...honest, eth_getBlockByHash: () => null } })).rejects.toThrow(InvalidProof);
  });

  test("one that proves another block at first is asked again, but not for ever", async () => {
    let left = 2;
    const proof = (): unknown => (left-- > 0 ? vectors.cases[1]?.proof : one.proof);
    expect(await standing({ [a]: { ...honest, eth_getProof: proof } })).toMatchObject({ reason: "granted" });
    left = 1000;
    await expect(standing({ [a]: { ...honest, eth_getProof: proof } })).rejects.toThrow(InvalidProof);
    expect(left).toBe(996);
  });

  test("one on another chain, silent, or talking nonsense is no witness", async () => {
    await expect(standing({ [a]: { ...honest, eth_chainId: () => "0x1" } })).rejects.toThrow(WrongChain);
    await expect(standing({ [a]: { ...honest, eth_getBlockByNumber: () => ({ hash: one.block.hash }) } })).rejects.toThrow(WrongChain);
    await expect(standing({ [a]: {} })).rejects.toThrow(Unavailable);
    await expect(standing({}, [])).rejects.toThrow(InvalidInput);
    await expect(standing({}, ["file:///etc/passwd"])).rejects.toThrow(InvalidInput);
    const nonsense = (): Promise<Response> => Promise.resolve(new Response("<html>"));
    await expect(standingByNodes([a], deployment, one.subject, one.grant, nonsense)).rejects.toThrow(Unavailable);
    const refusal = (): Promise<Response> => Promise.resolve(new Response('{"error":{"code":-32601}}'));
    await expect(standingByNodes([a], deployment, one.subject, one.grant, refusal)).rejects.toThrow(Unavailable);
  });
});
