import { asError, UpstreamError } from "../core/errors.ts";

/** Why an exchange broke below HTTP: shown as `details.reason`. */
export type ConnectionReason = "dns" | "refused" | "unreachable" | "reset" | "tls" | "timeout" | "proxy" | "protocol" | "other";

const reasons: Readonly<Record<string, ConnectionReason>> = {
  ENOTFOUND: "dns",
  EAI_AGAIN: "dns",
  EAI_NODATA: "dns",
  EAI_NONAME: "dns",
  EAI_FAIL: "dns",
  ECONNREFUSED: "refused",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  ECONNRESET: "reset",
  ECONNABORTED: "reset",
  EPIPE: "reset",
  UND_ERR_SOCKET: "reset",
  UND_ERR_CLOSED: "reset",
  UND_ERR_INFO: "reset",
  ETIMEDOUT: "timeout",
  UND_ERR_CONNECT_TIMEOUT: "timeout",
  UND_ERR_HEADERS_TIMEOUT: "timeout",
  UND_ERR_BODY_TIMEOUT: "timeout",
  UND_ERR_PRX_CONN: "proxy",
  UND_ERR_PRX_TLS: "proxy",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "protocol",
  UND_ERR_HEADERS_OVERFLOW: "protocol",
  HTTPParserError: "protocol",
  EPROTO: "tls",
  DEPTH_ZERO_SELF_SIGNED_CERT: "tls",
  SELF_SIGNED_CERT_IN_CHAIN: "tls",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "tls",
  UNABLE_TO_GET_ISSUER_CERT: "tls",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "tls",
  HOSTNAME_MISMATCH: "tls",
  INVALID_CA: "tls",
};

const families: readonly [prefix: string, ConnectionReason][] = [
  ["ERR_TLS_", "tls"],
  ["ERR_SSL_", "tls"],
  ["ERR_OSSL_", "tls"],
  ["CERT_", "tls"],
  ["CRL_", "tls"],
  ["HPE_", "protocol"],
  ["ERR_HTTP2_", "protocol"],
];

/** What happened, for people; the code of the platform stands behind it. */
const words: Readonly<Record<ConnectionReason, string>> = {
  dns: "the host name could not be resolved",
  refused: "the connection was refused",
  unreachable: "the host could not be reached",
  reset: "the connection broke before the answer was whole",
  tls: "no secure connection came about",
  timeout: "no answer in time",
  proxy: "the proxy did not make the connection",
  protocol: "the answer broke the rules of HTTP",
  other: "the connection failed",
};

/** Codes under which an answer of the proxy's, rather than of the source's, comes to light. */
const proxyCodes = new Set(["UND_ERR_ABORTED", "UND_ERR_INVALID_ARG"]);

/** The platform's code of a failure, e.g. `ECONNREFUSED`; the first one of several addresses'. */
export function platformCode(thrown: unknown): string {
  const { code, errors, name } = Object(thrown) as {
    readonly code?: unknown;
    readonly errors?: unknown;
    readonly name?: unknown;
  };
  if (typeof code === "string") return code;
  if (Array.isArray(errors) && errors.length > 0) return platformCode(errors[0]);
  return typeof name === "string" ? name : "Error";
}

export function reasonOf(code: string, hasProxy = false): ConnectionReason {
  if (hasProxy && proxyCodes.has(code)) return "proxy";
  return reasons[code] ?? families.find(([prefix]) => code.startsWith(prefix))?.[1] ?? "other";
}

/**
 * A failure below HTTP as an error: `UPSTREAM_TIMEOUT`, or `UPSTREAM_CONNECTION` with `details.reason`. All of them are worth a retry but a
 * failed TLS handshake: a certificate that is wrong now is wrong in a second.
 */
export function connectionFailure(thrown: unknown, hasProxy = false): UpstreamError {
  const code = platformCode(thrown);
  const reason = reasonOf(code, hasProxy);
  return new UpstreamError(reason === "timeout" ? "UPSTREAM_TIMEOUT" : "UPSTREAM_CONNECTION", `${words[reason]} (${code})`, {
    details: { reason },
    // A parser's error carries what it read: that must not get into a log.
    cause: reason === "protocol" ? new Error(code) : asError(thrown),
    retryable: reason !== "tls",
  });
}
