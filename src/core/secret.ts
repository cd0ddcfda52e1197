import { createHash } from "node:crypto";
import { inspect } from "node:util";

const REDACTED = "[redacted]";

/** A secret that cannot be shown by accident: as text, in a template, as JSON, inspected or logged it is `[redacted]`. */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }

  /** The secret itself; only to be put on the wire or into a signature. */
  reveal(): string {
    return this.#value;
  }

  /** Stands for the secret where two must be told apart; says nothing of it. */
  fingerprint(): string {
    return createHash("sha256").update(`tributary ${this.#value}`).digest("base64url").slice(0, 16);
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.toPrimitive](): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}
