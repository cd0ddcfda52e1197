/** What is kept of a refresh token's family. */
export interface StoredToken {
  readonly value: string;
  readonly expiresAtMs: number;
  readonly refreshToken: string;
}

/** The right to refresh, for a while; `fence` grows with every lease, so that an outlived one can be told. */
export interface Lease {
  readonly fence: number;
  release(): Promise<void>;
}

/**
 * Tokens that outlive a process and are shared by all of them. Keys and what is kept are opaque to it: the text is encrypted by whoever keeps it.
 * Throws `STORE_UNAVAILABLE`.
 */
export interface TokenStore {
  read(key: string): Promise<string | undefined>;
  /** The lease on a key, or undefined while somebody else has it. It ends by itself after `forMs`. */
  lease(key: string, forMs: number): Promise<Lease | undefined>;
  /** Keeps a text under a key; false, and nothing is kept, when a later lease was given out since. */
  write(key: string, text: string, fence: number): Promise<boolean>;
}

/** A store for one process; what it keeps ends with it. */
export class MemoryTokenStore implements TokenStore {
  readonly #texts = new Map<string, string>();
  readonly #leases = new Map<string, { readonly fence: number; readonly endsAtMs: number }>();
  #fences = 0;

  async read(key: string): Promise<string | undefined> {
    return this.#texts.get(key);
  }

  async lease(key: string, forMs: number): Promise<Lease | undefined> {
    const held = this.#leases.get(key);
    if (held && held.endsAtMs > performance.now()) return undefined;
    const fence = ++this.#fences;
    this.#leases.set(key, { fence, endsAtMs: performance.now() + forMs });
    const release = async () => {
      if (this.#leases.get(key)?.fence === fence) this.#leases.delete(key);
    };
    return { fence, release };
  }

  async write(key: string, text: string, fence: number): Promise<boolean> {
    if (fence < this.#fences && (this.#leases.get(key)?.fence ?? fence) > fence) return false;
    this.#texts.set(key, text);
    return true;
  }
}
