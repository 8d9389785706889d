import { createHash } from "node:crypto";
import { defineConfig, type Plugin } from "vite";

/** The service worker must know what to keep for a start without a network: the files of this very build. */
function precache(): Plugin {
  return {
    name: "precache",
    generateBundle(_, bundle) {
      const worker = bundle["sw.js"];
      if (worker?.type !== "chunk") throw new Error("The build has no service worker.");
      const files = Object.keys(bundle).filter((name) => name !== "sw.js" && !name.endsWith(".html")).sort();
      const build = createHash("sha256");
      for (const name of files) {
        const file = bundle[name];
        build.update(name).update(file?.type === "chunk" ? file.code : (file?.source ?? ""));
      }
      const kept = ["./", "check.html", "icon.svg", "manifest.webmanifest", ...files];
      const code = worker.code
        .replace("__BUILD__", build.digest("hex").slice(0, 16))
        .replace(/(["'`])__FILES__\1/, JSON.stringify(kept));
      if (/__(?:BUILD|FILES)__/.test(code)) throw new Error("The service worker did not learn its files.");
      worker.code = code;
    },
  };
}

export default defineConfig({
  base: "/wallet/",
  plugins: [precache()],
  // age-encryption brings copies of its own; one of each is enough.
  resolve: { dedupe: ["@noble/ciphers", "@noble/curves", "@noble/hashes", "@scure/base"] },
  build: {
    target: "es2022",
    assetsInlineLimit: 0, // the policy of the page allows no data: addresses
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { index: "index.html", check: "check.html", sw: "src/sw.ts" },
      output: { entryFileNames: (chunk) => (chunk.name === "sw" ? "sw.js" : "assets/[name]-[hash].js") },
    },
  },
});
