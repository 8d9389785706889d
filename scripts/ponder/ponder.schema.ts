import { onchainTable } from "ponder";

export const grant = onchainTable("grant", (t) => ({
  id: t.text().primaryKey(),
  subject: t.hex().notNull(),
  hash: t.hex().notNull(),
  signer: t.hex().notNull(),
}));
