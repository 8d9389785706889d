/** Where the page keeps bytes: only what is sealed already (the keystore and the book) ever reaches it. */

/** When `set` or `remove` return, it has happened and outlives the page. */
export interface Storage {
  get(name: string): Promise<Uint8Array | undefined>;
  set(name: string, bytes: Uint8Array): Promise<void>;
  remove(name: string): Promise<void>;
}

/** A storage that forgets, for tests and for a visit that is to leave nothing behind. */
export class MemoryStorage implements Storage {
  readonly #kept = new Map<string, Uint8Array>();

  get(name: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#kept.get(name)?.slice());
  }

  set(name: string, bytes: Uint8Array): Promise<void> {
    this.#kept.set(name, bytes.slice());
    return Promise.resolve();
  }

  remove(name: string): Promise<void> {
    this.#kept.delete(name);
    return Promise.resolve();
  }
}

const DATABASE = "volens";
const STORE = "sealed";

/** The browser's own database of this origin. */
export class IndexedStorage implements Storage {
  #database: Promise<IDBDatabase> | undefined;

  async get(name: string): Promise<Uint8Array | undefined> {
    const found: unknown = await this.#run("readonly", (store) => store.get(name));
    return found instanceof Uint8Array ? found : undefined;
  }

  async set(name: string, bytes: Uint8Array): Promise<void> {
    await this.#run("readwrite", (store) => store.put(bytes.slice(), name));
  }

  async remove(name: string): Promise<void> {
    await this.#run("readwrite", (store) => store.delete(name));
  }

  async #run<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    const database = await (this.#database ??= open());
    return new Promise((resolve, reject) => {
      // Strict: the answer comes after the bytes reached the disk, so that a wallet just made survives a flat battery.
      const transaction = database.transaction(STORE, mode, { durability: "strict" });
      const request = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error ?? new Error("The browser did not store it."));
    });
  }
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("The browser's storage cannot be opened."));
  });
}
