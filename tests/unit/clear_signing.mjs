// Shows typed data with an ERC-7730 descriptor, through the library of somebody else.
// In (standard input): {"descriptor": …, "messages": [typed data]}. Out: what is shown for each, null for none.
import { readFileSync } from "node:fs";
import { eip712 } from "micro-eth-signer/advanced/abi.js";

const { descriptor, messages } = JSON.parse(readFileSync(0, "utf8"));
const shown = [];
for (const message of messages) {
  const found = await eip712(message, { clearSig: { "eip712-volens.json": descriptor } });
  shown.push(
    found
      ? {
          intent: found.intent,
          sentence: found.interpolatedIntent ?? null,
          fields: Object.entries(found.fields).map(([label, field]) => [label, field.value]),
        }
      : null,
  );
}
process.stdout.write(JSON.stringify(shown));
