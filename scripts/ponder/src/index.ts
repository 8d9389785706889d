// As little as a ledger of grants can be: each event becomes a row. Nothing is verified.
import { ponder } from "ponder:registry";
import { grant } from "ponder:schema";

ponder.on("ConsentRegistry:Granted", async ({ event, context }) => {
  const { subject, grantHash: hash, signer } = event.args;
  await context.db.insert(grant).values({ id: event.id, subject, hash, signer });
});
