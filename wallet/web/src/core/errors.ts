/**
 * Every error the page raises on purpose; codes are those of `ledger/errors.py` and docs/errors.md.
 *
 *     VolensError
 *     ├── InvalidInput        what was typed or asked for makes no sense
 *     │   ├── InvalidMessage      a field of a signed message (model.ts)
 *     │   ├── UnknownCode         a code that no vocabulary defines (vocabulary.ts)
 *     │   └── InvalidFile         a file that is not what it claims to be
 *     ├── Refused             understood, and the answer is no: a wrong passphrase, a key that does not open
 *     ├── Unavailable         nobody's fault: try again
 *     ├── WrongChain          another chain or other contracts than the pinned ones
 *     ├── InvalidProof        something that does not show what it should show
 *     │   └── LogAlarm            the access log is not the one that was seen before (log.ts)
 *     └── Problem             what a service answered instead (shell/client.ts)
 *
 * Messages are written for the person who reads them, and never contain a secret.
 */

export class VolensError extends Error {
  /** Stable name of the kind of error, by which the page finds its words in other languages. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = code;
    this.code = code;
  }
}

/** Something that cannot be used. The message says why, without repeating a secret. */
export class InvalidInput extends VolensError {
  constructor(message: string, code = "invalid_input") {
    super(code, message);
  }
}

export class InvalidFile extends InvalidInput {
  constructor(message: string) {
    super(message, "invalid_file");
  }
}

export class Refused extends VolensError {
  constructor(message: string) {
    super("refused", message);
  }
}

export class Unavailable extends VolensError {
  constructor(message: string) {
    super("unavailable", message);
  }
}

export class WrongChain extends VolensError {
  constructor(message: string) {
    super("wrong_chain", message);
  }
}

export class InvalidProof extends VolensError {
  constructor(message: string) {
    super("invalid_proof", message);
  }
}
