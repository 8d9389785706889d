/** Asking any Ethereum node whether a grant stands: its answer counts only as far as it is proven (EIP-1186). */

import type { Deployment } from "../core/deployment.ts";
import { InvalidInput, InvalidProof, Unavailable, WrongChain } from "../core/errors.ts";
import { members, parse } from "../core/json.ts";
import { entrySlot, proveStanding, subjectSlot, type Standing } from "../core/slots.ts";
import { readProof, verifyHeader, type Header } from "../core/stateproof.ts";
import type { Fetch } from "./client.ts";

/** Nodes sometimes prove another block than the one just asked for: ask again, this often. */
const TRIES = 4;
const MAX_ANSWER = 4 * 2 ** 20;
const TIMEOUT = 15_000;

/**
 * What the chain says of a grant at the newest block.
 *
 * The block itself is the word of the nodes: ask ones that are not the operator's. Of several, the first one proves and all
 * must know the same block.
 *
 * @param urls of one or more nodes (JSON-RPC).
 * @throws WrongChain a node is on another chain. InvalidProof: a proof does not hold, or the nodes disagree.
 * @throws Unavailable a node does not answer. InvalidInput: no node is named.
 */
export async function standingByNodes(
  urls: readonly string[], deployment: Deployment, subject: string, grant: string, ask: Fetch = (url, init) => fetch(url, init),
): Promise<Standing> {
  const [first, ...others] = urls;
  if (first === undefined || !urls.every((url) => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol))) {
    throw new InvalidInput("This is not the address of an Ethereum node; it should look like https://rpc.example/");
  }
  for (const url of urls) await sameChain(url, deployment, ask);
  const registry = deployment.contracts.ConsentRegistry;
  const keys = [entrySlot(subject, grant), subjectSlot(subject)];
  for (let left = TRIES; ; left--) {
    try {
      const header = verifyHeader(await rpc(first, "eth_getBlockByNumber", ["latest", false], ask));
      const proof = await rpc(first, "eth_getProof", [registry.address, keys, { blockHash: header.hash }], ask);
      const standing = proveStanding(header, registry, readProof(proof), subject, grant);
      await agreed(others, header, ask);
      return standing;
    } catch (error) {
      if (!(error instanceof InvalidProof) || left === 1) throw error;
    }
  }
}

async function sameChain(url: string, { chainId, genesis }: Deployment, ask: Fetch): Promise<void> {
  const stated = await rpc(url, "eth_chainId", [], ask);
  const zero = await rpc(url, "eth_getBlockByNumber", ["0x0", false], ask);
  const hash = typeof zero === "object" && zero !== null && "hash" in zero ? zero.hash : undefined;
  if (typeof stated !== "string" || Number(stated) !== chainId || hash !== genesis) {
    throw new WrongChain("This node is on another chain than the one this wallet knows.");
  }
}

async function agreed(urls: readonly string[], header: Header, ask: Fetch): Promise<void> {
  for (const url of urls) {
    const block = await rpc(url, "eth_getBlockByHash", [header.hash, false], ask);
    if (block === null) throw new InvalidProof("The nodes do not know the same newest block.");
    verifyHeader(block, header.hash);
  }
}

async function rpc(url: string, method: string, params: readonly unknown[], ask: Fetch): Promise<unknown> {
  let text: string;
  try {
    const answer = await ask(url, {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
      signal: AbortSignal.timeout(TIMEOUT), cache: "no-store", credentials: "omit", redirect: "error", referrerPolicy: "no-referrer",
    });
    text = await answer.text();
  } catch {
    throw new Unavailable("The Ethereum node does not answer.");
  }
  if (text.length > MAX_ANSWER) throw new Unavailable("The Ethereum node sends more than an answer.");
  let given: ReadonlyMap<string, unknown>;
  try {
    given = members(parse(text, "answer"), "answer");
  } catch {
    throw new Unavailable("The Ethereum node answered with something that is not JSON-RPC.");
  }
  if (!given.has("result")) throw new Unavailable("The Ethereum node refused to answer.");
  return given.get("result");
}
