/** Opening without a network: the service worker, and what the page says while there is no connection. */

import { h } from "./dom.ts";
import type { Page } from "./page.ts";

const WORKER = "/wallet/sw.js";

interface Factory {
  createPolicy(name: string, rules: { createScriptURL: (address: string) => string }): { createScriptURL(address: string): string };
}

/** The one script address the page ever makes: its own service worker. Anything else is refused by the browser. */
function workerAddress(): string {
  const { trustedTypes } = globalThis as { trustedTypes?: Factory };
  if (trustedTypes === undefined) return WORKER;
  return trustedTypes.createPolicy("volens", {
    createScriptURL: (address) => {
      if (address !== WORKER) throw new TypeError("The page runs no other script.");
      return address;
    },
  }).createScriptURL(WORKER);
}

/** Register the service worker, offer a new version when there is one, and say when there is no connection. */
export async function stayOffline(page: Page): Promise<void> {
  const online = (): void => (navigator.onLine ? page.notice("offline") : page.notice("offline", h("p", {}, page.t("app.offline"))));
  addEventListener("online", online);
  addEventListener("offline", online);
  online();
  if (!("serviceWorker" in navigator)) return;
  const offer = (waiting: ServiceWorker): void => {
    page.notice("update", h("p", {}, page.t("app.update")), page.button("app.reload", () => {
      navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
      waiting.postMessage("take-over");
    }, "quiet"));
  };
  try {
    const registration = await navigator.serviceWorker.register(workerAddress(), { scope: "/wallet/" });
    if (registration.waiting && navigator.serviceWorker.controller) offer(registration.waiting);
    registration.addEventListener("updatefound", () => {
      const found = registration.installing;
      found?.addEventListener("statechange", () => {
        if (found.state === "installed" && navigator.serviceWorker.controller) offer(found);
      });
    });
  } catch {
    // Without it the page works as long as there is a network.
  }
}
