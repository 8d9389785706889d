// Answers lines of JSON with lines of JSON, so that a test asks the second verifier thousands of questions in one process.
//   {bundle: base64, block, deployment, confirmations?, maxAge?}  →  {holds, decision | why}
//   {root, key, proof: [0x…]}                                     →  {value: 0x… | null} or {why}
import { createInterface } from "node:readline";
import { prove } from "../../verifier/proofs.mjs";
import { Refused, hex, unhex } from "../../verifier/values.mjs";
import { verifyBundle } from "../../verifier/verify-bundle.mjs";

async function answer(asked) {
  try {
    if (asked.bundle === undefined) {
      const value = await prove(asked.root, unhex(asked.key), asked.proof.map((node) => unhex(node)));
      return { value: value && hex(value) };
    }
    const { confirmations, maxAge } = asked;
    const found = await verifyBundle(Buffer.from(asked.bundle, "base64"), asked.block, asked.deployment, { confirmations, maxAge });
    return { holds: true, decision: found.decision, signers: found.signers, checkedOnChain: found.checkedOnChain };
  } catch (error) {
    return { holds: false, why: error.message, crashed: !(error instanceof Refused) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
}
