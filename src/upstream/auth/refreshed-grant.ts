import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { UpstreamError } from "../../core/errors.ts";
import type { RefreshTokenAuth } from "../../source/auth.ts";
import type { AuthorizerParts } from "./authorizer.ts";
import { type Grant, renewalOf, type Token } from "./token-authorizer.ts";
import { requestToken } from "./token-endpoint.ts";
import type { Lease, StoredToken } from "./token-store.ts";

/** Longer than a request for a token can take with everything around it: a lease must not end while its holder refreshes. */
const LEASE_MS = 30_000;
const POLL_MS = 40;
/** How long another process's refresh is waited for. */
const MAX_WAIT_MS = LEASE_MS + 5_000;

/**
 * Refreshes a token, one process at a time. Whoever has the lease looks first whether somebody else has refreshed since; a new refresh token is kept
 * before the access token that came with it is used. What is kept is encrypted with the secrets themselves: the store alone tells nothing.
 * @see https://www.rfc-editor.org/rfc/rfc9700#section-4.14
 */
export function refreshedGrant(auth: RefreshTokenAuth, parts: AuthorizerParts, scope: () => string): Grant {
  const family = new Family(auth, parts, scope);
  return refused => family.token(refused);
}

class Family {
  readonly #auth: RefreshTokenAuth;
  readonly #parts: AuthorizerParts;
  readonly #scope: () => string;

  constructor(auth: RefreshTokenAuth, parts: AuthorizerParts, scope: () => string) {
    this.#auth = auth;
    this.#parts = parts;
    this.#scope = scope;
  }

  async token(refused: string | undefined): Promise<Token> {
    const { clock } = this.#parts;
    const endsAtMs = clock.nowMs() + MAX_WAIT_MS;
    for (;;) {
      const known = await this.#read();
      if (known && this.#isGood(known, refused)) return known;
      const lease = await this.#parts.tokens.lease(this.#key(), LEASE_MS);
      if (lease) return this.#refreshUnder(lease, refused);
      if (clock.nowMs() >= endsAtMs)
        throw new UpstreamError("UPSTREAM_UNAVAILABLE", "another process has been refreshing the token for too long");
      await clock.sleep(POLL_MS);
    }
  }

  async #refreshUnder(lease: Lease, refused: string | undefined): Promise<Token> {
    try {
      const known = await this.#read();
      if (known && this.#isGood(known, refused)) return known;
      const refreshToken = known?.refreshToken ?? this.#parts.secrets.read(this.#auth.refreshToken).reveal();
      const granted = await this.#ask(refreshToken);
      const stored = { refreshToken, ...granted };
      if (await this.#parts.tokens.write(this.#key(), this.#sealed(stored), lease.fence)) return stored;
      throw new UpstreamError("UPSTREAM_UNAVAILABLE", "the right to refresh the token was lost while it was being refreshed");
    } finally {
      await lease.release();
    }
  }

  #ask(refreshToken: string) {
    const { secrets } = this.#parts;
    const clientId = secrets.read(this.#auth.clientId).reveal();
    const { clientSecret, tokenPath, scope, proof = "post" } = this.#auth;
    const client =
      clientSecret === undefined
        ? { clientId, proof: "none" as const }
        : { clientId, proof, clientSecret: secrets.read(clientSecret).reveal() };
    const parameters = { refresh_token: refreshToken, ...(scope !== undefined && { scope }) };
    return requestToken(this.#parts, { tokenPath, ...client }, "refresh_token", parameters);
  }

  #isGood(token: StoredToken, refused: string | undefined): boolean {
    const nowMs = this.#parts.clock.nowMs();
    return token.value !== refused && token.expiresAtMs > nowMs && renewalOf(token, nowMs) > nowMs;
  }

  #key(): string {
    return `${this.#parts.source}:${this.#scope()}`;
  }

  async #read(): Promise<StoredToken | undefined> {
    const sealed = await this.#parts.tokens.read(this.#key());
    return sealed === undefined ? undefined : this.#opened(sealed);
  }

  /** The key follows from the secrets: whoever has them could refresh anyway. */
  #cipherKey(): Buffer {
    const { secrets } = this.#parts;
    const names = [this.#auth.refreshToken, this.#auth.clientSecret ?? this.#auth.clientId];
    const material = names.map(name => secrets.read(name).reveal()).join("\n");
    return Buffer.from(hkdfSync("sha256", material, "tributary", "stored token", 32));
  }

  #sealed(token: StoredToken): string {
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", this.#cipherKey(), nonce);
    const text = Buffer.concat([cipher.update(JSON.stringify(token), "utf8"), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString("base64");
  }

  #opened(sealed: string): StoredToken {
    const bytes = Buffer.from(sealed, "base64");
    const decipher = createDecipheriv("aes-256-gcm", this.#cipherKey(), bytes.subarray(0, 12));
    decipher.setAuthTag(bytes.subarray(12, 28));
    const text = Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString("utf8");
    return JSON.parse(text) as StoredToken;
  }
}
