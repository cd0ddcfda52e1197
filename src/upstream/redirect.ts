import { UpstreamError } from "../core/errors.ts";
import type { WireRequest } from "./wire.ts";

const statuses = new Set([301, 302, 303, 307, 308]);
/** Headers that another host may see: none that speaks for us, however a source names them. */
const impersonalNames = new Set(["accept", "accept-encoding", "accept-language", "user-agent"]);

export const isRedirect = (status: number): boolean => statuses.has(status);

/** The host that a redirect points to, for messages: never path or query, which may hold secrets. */
export const redirectHost = (location: string | undefined, from?: URL): string | undefined =>
  (location === undefined ? null : URL.parse(location, from?.href))?.host || undefined;

/**
 * The request that a redirect asks for: the same origin's with its headers, another origin's, if it is one of `otherHosts`, without those that
 * speak for us. Throws `UPSTREAM_REJECTED` when it leads elsewhere.
 */
export function redirected(request: WireRequest, location: string | undefined, otherHosts: readonly string[]): WireRequest {
  const url = location === undefined ? null : URL.parse(location, request.url.href);
  if (url === null) throw new UpstreamError("UPSTREAM_REJECTED", "the source redirects to an address that cannot be read");
  if (url.origin === request.url.origin) return { ...request, url };
  if (!isOtherHost(url, request.url, otherHosts))
    throw new UpstreamError("UPSTREAM_REJECTED", `the source redirects to ${url.host}, which is not declared`, {
      details: { redirectHost: url.host },
    });
  return { ...request, url, headers: impersonal(request.headers) };
}

/** Whether an address is at one of the declared other hosts, no less securely than `from`, and without credentials in it. */
export const isOtherHost = (url: URL, from: URL, otherHosts: readonly string[]): boolean =>
  otherHosts.includes(url.host) &&
  (url.protocol === "https:" || url.protocol === from.protocol) &&
  /^https?:$/.test(url.protocol) &&
  url.username + url.password === "";

const impersonal = (headers: WireRequest["headers"]): WireRequest["headers"] =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => impersonalNames.has(name)));
