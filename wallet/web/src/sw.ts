/**
 * The service worker: keeps the files of one build, so that the page opens without a network.
 *
 * It answers for the page's own files only. What the service says about consents is never kept here: an old “granted”
 * must not be shown as if it were new.
 */

const worker = self as unknown as ServiceWorkerGlobalScope;
const NAME = "volens-__BUILD__";
const FILES = "__FILES__" as unknown as readonly string[]; // the build puts the list here

worker.addEventListener("install", (event) => {
  event.waitUntil(caches.open(NAME).then((kept) => kept.addAll(FILES.map((file) => new Request(file, { cache: "reload" })))));
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(
    caches.keys()
      .then((names) => Promise.all(names.filter((name) => name !== NAME).map((name) => caches.delete(name))))
      .then(() => worker.clients.claim()),
  );
});

// A new build takes over when the person says so, never in the middle of something.
worker.addEventListener("message", (event) => {
  if (event.data === "take-over") void worker.skipWaiting();
});

worker.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || !url.href.startsWith(worker.registration.scope)) return;
  event.respondWith(
    caches.open(NAME)
      .then((kept) => kept.match(event.request, { ignoreSearch: true }))
      .then((found) => found ?? fetch(event.request)),
  );
});
