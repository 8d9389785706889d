/** Deployment facts: which chain, which contracts, which code. What the page pins. The twin of `ledger/deployment.py`. */

import { exactly, members } from "./json.ts";
import { address, hash32, integer } from "./model.ts";
import { Domain } from "./typed_data.ts";

export const CONTRACTS = ["ConsentRegistry", "Directory", "PolicyRegistry", "CheckpointLog", "ConsentCheck"] as const;
export type ContractName = (typeof CONTRACTS)[number];

/** `codeHash` is Keccak-256 of its runtime code, `block` where it was deployed. */
export interface Contract {
  readonly address: string;
  readonly codeHash: string;
  readonly block: number;
}

/** The genesis hash tells a fresh devnet from the one we know. */
export interface Deployment {
  readonly chainId: number;
  readonly genesis: string;
  readonly contracts: Readonly<Record<ContractName, Contract>>;
}

/** Read deployment facts. Throws InvalidMessage naming what is missing or wrong. */
export function readDeployment(value: unknown): Deployment {
  const { chainId, genesis, contracts } = exactly(value, "deployment", ["chainId", "genesis", "contracts"]);
  const given = members(contracts, "contracts");
  const read = CONTRACTS.map((name): [ContractName, Contract] => {
    const facts = exactly(given.get(name), `contracts.${name}`, ["address", "codeHash", "block"]);
    return [name, Object.freeze({
      address: address(facts.address, `contracts.${name}.address`),
      codeHash: hash32(facts.codeHash, `contracts.${name}.codeHash`),
      block: integer(facts.block, `contracts.${name}.block`),
    })];
  });
  return Object.freeze({
    chainId: integer(chainId, "chainId"),
    genesis: hash32(genesis, "genesis"),
    contracts: Object.freeze(Object.fromEntries(read) as Record<ContractName, Contract>),
  });
}

/** Whether two are the same ledger in every fact. */
export function sameDeployment(one: Deployment, other: Deployment): boolean {
  return one.chainId === other.chainId && one.genesis === other.genesis && CONTRACTS.every((name) => {
    const [mine, theirs] = [one.contracts[name], other.contracts[name]];
    return mine.address === theirs.address && mine.codeHash === theirs.codeHash && mine.block === theirs.block;
  });
}

/** The EIP-712 domain of every message in this ledger. */
export function domainOf(deployment: Deployment): Domain {
  return new Domain(deployment.chainId, deployment.contracts.ConsentRegistry.address);
}
