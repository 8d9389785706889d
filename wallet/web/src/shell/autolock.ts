/** Locking the wallet when nobody has touched it for a while, also when the device slept meanwhile. */

/** The clock and timer it runs on; the browser's by default. */
export interface Clock {
  /** Milliseconds. */
  now(): number;
  /** Call back after so many milliseconds, unless what it returns is called first. */
  after(milliseconds: number, act: () => void): () => void;
}

const BROWSER: Clock = {
  now: () => Date.now(),
  after: (milliseconds, act) => {
    const timer = setTimeout(act, milliseconds);
    return () => clearTimeout(timer);
  },
};

/**
 * Calls `lock` once, when `milliseconds` have passed since the last `touch`.
 *
 * Timers stand still while a device sleeps: call `check` when the page is seen again, so that it locks before anything is shown.
 */
export class AutoLock {
  readonly #milliseconds: number;
  readonly #lock: () => void;
  readonly #clock: Clock;
  #last: number;
  #cancel: () => void;
  #ended = false;

  constructor(milliseconds: number, lock: () => void, clock: Clock = BROWSER) {
    this.#milliseconds = milliseconds;
    this.#lock = lock;
    this.#clock = clock;
    this.#last = clock.now();
    this.#cancel = clock.after(milliseconds, () => this.check());
  }

  /** Somebody is there. Too late when the time is over already: then it locks. */
  touch(): void {
    if (this.check()) this.#last = this.#clock.now();
  }

  /** Lock if it is time. Returns whether the wallet is still open. */
  check(): boolean {
    if (this.#ended) return false;
    const passed = this.#clock.now() - this.#last;
    // A clock set back is no reason to stay open for longer.
    if (passed >= this.#milliseconds || passed < 0) {
      this.stop();
      this.#lock();
      return false;
    }
    this.#cancel();
    this.#cancel = this.#clock.after(this.#milliseconds - passed, () => this.check());
    return true;
  }

  /** Never lock any more: the wallet was locked by hand. */
  stop(): void {
    this.#ended = true;
    this.#cancel();
  }
}
