import { defineConfig } from "vitest/config";

export default defineConfig({
  // One copy of each library, as in the page that is built (vite.config.ts).
  resolve: { dedupe: ["@noble/ciphers", "@noble/curves", "@noble/hashes", "@scure/base"] },
  test: {
    include: ["src/**/*.test.ts"],
    environment: "node",
    testTimeout: 30_000,
    server: { deps: { inline: ["age-encryption", "@noble/post-quantum"] } },
  },
});
