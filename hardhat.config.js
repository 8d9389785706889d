import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { defineConfig } from "hardhat/config";

const require = createRequire(import.meta.url);

// One object for Hardhat and for scripts/compile.py: the bytecode must be identical.
const compiler = JSON.parse(readFileSync(new URL("./contracts/compiler.json", import.meta.url), "utf8"));

// How much fuzzing. Without a seed of one's own, Hardhat takes the same one every time.
const invariant = { failOnRevert: true, includeStorage: false, dictionaryWeight: 0 };
const effort = {
  default: { fuzz: { runs: 256 }, invariant: { ...invariant, runs: 32, depth: 100 } },
  deep: {
    fuzz: { runs: 10_000, seed: `0x${randomBytes(32).toString("hex")}` },
    invariant: { ...invariant, runs: 256, depth: 100 },
  },
};

export default defineConfig({
  solidity: {
    compilers: [{ ...compiler, path: require.resolve("solc/soljson.js") }],
  },
  paths: { sources: "contracts", tests: { solidity: "contracts/test" } },
  // Blocks come with transactions; `evm_setAutomine` and `evm_setIntervalMining` change that at run time.
  networks: {
    default: { type: "edr-simulated", chainType: "l1", chainId: 31337, hardfork: compiler.settings.evmVersion },
    node: { type: "edr-simulated", chainType: "l1", chainId: 31337, hardfork: compiler.settings.evmVersion },
  },
  test: {
    solidity: {
      fsPermissions: { readFile: ["tests/vectors/typed_data.json", "tests/vectors/merkle.json"] },
      ...effort[process.env.VOLENS_TEST_PROFILE ?? "default"],
    },
  },
});
