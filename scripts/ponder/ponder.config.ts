import { readFileSync } from "node:fs";

import { createConfig } from "ponder";

const { ABI, ADDRESS, CHAIN_ID, DATABASE, FIRST_BLOCK, RPC_URL } = process.env;

export default createConfig({
  database: { kind: "pglite", directory: DATABASE },
  chains: { ledger: { id: Number(CHAIN_ID), rpc: RPC_URL } },
  contracts: {
    ConsentRegistry: {
      abi: JSON.parse(readFileSync(ABI, "utf8")).abi,
      chain: "ledger",
      address: ADDRESS,
      startBlock: Number(FIRST_BLOCK),
    },
  },
});
