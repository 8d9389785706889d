/** The wallet in this browser: making it, unlocking it, changing what it remembers. Only sealed bytes reach the storage. */

import { emptyBook, openBook, sealBook, type Contents } from "../core/book.ts";
import { InvalidFile, InvalidInput } from "../core/errors.ts";
import { parse } from "../core/json.ts";
import { PatientKeys, entropyToWords, wordsToEntropy } from "../core/keys.ts";
import {
  COST, createKeystore, readKeystore, unlockWithPasskey, unlockWithPassphrase, type Cost, type Keystore,
} from "../core/keystore.ts";
import type { Storage } from "./storage.ts";

const KEYSTORE = "keystore";
const BOOK = "book";

/** Runs one change after another, also when the page is open twice. */
export type Exclusively = <T>(act: () => Promise<T>) => Promise<T>;

const BROWSER: Exclusively = (act) =>
  typeof navigator !== "undefined" && "locks" in navigator ? navigator.locks.request("volens-book", act) : act();

/** How to unlock: with the passphrase, or with what a passkey answered (`usePasskey`). */
export type Way =
  | { readonly passphrase: string; readonly progress?: (done: number) => void }
  | { readonly credential: string; readonly secret: Uint8Array };

/** An unlocked wallet: the keys, and what is remembered. Let go of it to lock. */
export class Wallet {
  readonly keys: PatientKeys;
  readonly #storage: Storage;
  readonly #exclusively: Exclusively;
  readonly #vaultKey: Uint8Array;
  #contents: Contents;

  private constructor(keys: PatientKeys, storage: Storage, contents: Contents, exclusively: Exclusively) {
    this.keys = keys;
    this.#storage = storage;
    this.#exclusively = exclusively;
    this.#vaultKey = keys.vaultKey();
    this.#contents = contents;
  }

  /** Whether there is a wallet in this browser. */
  static async exists(storage: Storage): Promise<boolean> {
    return (await storage.get(KEYSTORE)) !== undefined;
  }

  /**
   * Make the wallet of 24 words.
   *
   * @param options.again the words were used before: cases are to be looked for.
   * @param options.book `book.sealed` of a wallet of the same words, to go on from.
   * @throws InvalidInput there is a wallet already (it is left as it is), or the words or passphrase are not acceptable.
   * @throws InvalidFile the book belongs to other words.
   */
  static async create(
    storage: Storage, words: string, passphrase: string,
    options: { again?: boolean; book?: Uint8Array; cost?: Cost; exclusively?: Exclusively } = {},
  ): Promise<Wallet> {
    const exclusively = options.exclusively ?? BROWSER;
    const entropy = wordsToEntropy(words);
    const keys = new PatientKeys(entropyToWords(entropy));
    const contents =
      options.book === undefined ? emptyBook(options.again ?? false) : openBook(keys.vaultKey(), options.book);
    const keystore = await createKeystore(entropy, passphrase, options.cost ?? COST);
    return exclusively(async () => {
      if (await Wallet.exists(storage)) throw new InvalidInput("There is a wallet in this browser already. It was left as it is.");
      const wallet = new Wallet(keys, storage, contents, exclusively);
      // The book first: a keystore without its book would look like words that were never used.
      await storage.set(BOOK, sealBook(wallet.#vaultKey, contents));
      await storage.set(KEYSTORE, toBytes(keystore));
      return wallet;
    });
  }

  /**
   * Unlock the wallet in this browser.
   *
   * @throws Refused the passphrase or passkey is wrong.
   * @throws InvalidInput there is none. InvalidFile: it was changed.
   */
  static async open(storage: Storage, way: Way, exclusively: Exclusively = BROWSER): Promise<Wallet> {
    const keys = new PatientKeys(entropyToWords(await entropyOf(storage, way)));
    const bytes = await storage.get(BOOK);
    if (bytes === undefined) throw new InvalidFile("What this wallet remembers is gone. Make the wallet again from its words.");
    return new Wallet(keys, storage, openBook(keys.vaultKey(), bytes), exclusively);
  }

  /** What is remembered, as of the last change here. */
  get contents(): Contents {
    return this.#contents;
  }

  /** Read again what is stored: another window may have changed it. */
  async reload(): Promise<Contents> {
    const bytes = await this.#storage.get(BOOK);
    if (bytes === undefined) throw new InvalidFile("The wallet was removed from this browser.");
    return (this.#contents = openBook(this.#vaultKey, bytes));
  }

  /** Change what is remembered; it is stored when this returns, and unchanged there when `edit` throws. */
  change(edit: (contents: Contents) => Contents): Promise<Contents> {
    return this.#exclusively(async () => {
      const next = edit(await this.reload());
      await this.#storage.set(BOOK, sealBook(this.#vaultKey, next));
      return (this.#contents = next);
    });
  }

  /** What is remembered, as a file that only these words open: `book.sealed` of the Python wallet too. */
  sealed(): Uint8Array {
    return sealBook(this.#vaultKey, this.#contents);
  }
}

/** The ways to unlock the wallet in this browser; `passkeys` lists its passkeys. Throws InvalidInput: there is none. */
export async function keystoreOf(storage: Storage): Promise<Keystore> {
  const bytes = await storage.get(KEYSTORE);
  if (bytes === undefined) throw new InvalidInput("There is no wallet in this browser.");
  let value: unknown;
  try {
    value = parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes), "keystore");
  } catch {
    throw new InvalidFile("This is not a keystore of this page, or it was damaged.");
  }
  return readKeystore(value);
}

/** Put another keystore of the same words in place: a new passphrase, a passkey more or less. */
export async function keepKeystore(storage: Storage, keystore: Keystore): Promise<void> {
  await storage.set(KEYSTORE, toBytes(readKeystore(keystore)));
}

/** The entropy of the words, for what needs it once: an export, shares, another way to unlock. Throws what `Wallet.open` throws. */
export async function entropyOf(storage: Storage, way: Way): Promise<Uint8Array> {
  const keystore = await keystoreOf(storage);
  return "passphrase" in way
    ? unlockWithPassphrase(keystore, way.passphrase, way.progress)
    : unlockWithPasskey(keystore, way.credential, way.secret);
}

/** Remove the wallet from this browser. Without the words, a file or shares it is gone for ever. */
export async function eraseWallet(storage: Storage): Promise<void> {
  await storage.remove(KEYSTORE);
  await storage.remove(BOOK);
}

function toBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
