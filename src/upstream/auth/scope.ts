import { createHash } from "node:crypto";
import type { Secrets } from "../../core/ports.ts";
import { type Auth, secretNamesOf } from "../../source/auth.ts";

/** A short text that stands for whose credentials are used, and says nothing of them. */
export function scopeOf(auth: Auth, secrets: Secrets): string {
  const parts = secretNamesOf(auth).map(name => secrets.read(name).fingerprint());
  return createHash("sha256")
    .update([auth.scheme, ...parts].join(" "))
    .digest("base64url")
    .slice(0, 16);
}
