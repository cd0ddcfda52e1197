import type { Secrets } from "../../core/ports.ts";
import type { ClientTls } from "../../source/auth.ts";

/** What a TLS handshake needs, and what changes when it does. */
export interface TlsMaterial {
  readonly connect: { readonly cert: string; readonly key: string; readonly ca?: string };
  readonly fingerprint: string;
}

/** A source's client certificate, read anew each time; throws `CONFIG_SECRET_MISSING`. */
export function tlsMaterial({ certificate, privateKey, authorities }: ClientTls, secrets: Secrets): TlsMaterial {
  const [cert, key] = [secrets.read(certificate), secrets.read(privateKey)];
  const ca = authorities === undefined ? undefined : secrets.read(authorities);
  return {
    connect: { cert: cert.reveal(), key: key.reveal(), ...(ca && { ca: ca.reveal() }) },
    fingerprint: [cert, key, ca].map(secret => secret?.fingerprint() ?? "").join(" "),
  };
}
