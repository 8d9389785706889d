// How fast the second verifier is, on recorded evidence. Prints {"bundles": per second, "proofs": per second}.

import { readFileSync } from "node:fs";
import { slot } from "../verifier/proofs.mjs";
import { canonical, unhex } from "../verifier/values.mjs";
import { verifyBundle } from "../verifier/verify-bundle.mjs";

const ROUNDS = 5;
const ROUND_MILLISECONDS = 400;
const read = (name) => JSON.parse(readFileSync(new URL(`../tests/vectors/${name}.json`, import.meta.url), "utf8"));

async function rate(act, perCall = 1) {
  const found = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const started = performance.now();
    let count = 0;
    while (performance.now() - started < ROUND_MILLISECONDS) {
      await act();
      count += 1;
    }
    found.push((count * perCall * 1000) / (performance.now() - started));
  }
  return found.sort((one, other) => one - other)[(ROUNDS - 1) / 2];
}

const { bundle, block, deployment } = read("bundle");
const bytes = canonical(bundle);
const { storageHash, storageProof } = read("proofs").nodes.anvil.contract;
const slots = storageProof.map(({ key, proof }) => [`0x${key.slice(2).padStart(64, "0")}`, proof.map((node) => unhex(node))]);

const bundles = await rate(() => verifyBundle(bytes, block, deployment));
const proofs = await rate(async () => {
  for (const [key, nodes] of slots) await slot(storageHash, key, nodes);
}, slots.length);
console.log(JSON.stringify({ bundles, proofs }));
