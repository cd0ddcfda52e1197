import type { IncomingHttpHeaders } from "node:http";

/** A header that a page of another site cannot send without asking first (a CORS preflight, which is answered with a refusal). */
const preflightHeader = "x-tributary-preflight";

/**
 * Whether a browser sent this request on behalf of another site. Every current browser says so in `Sec-Fetch-Site`; an older one at least
 * names the `Origin` of anything but a plain GET. Programs that are not browsers send neither.
 * @see https://developer.mozilla.org/docs/Web/HTTP/Headers/Sec-Fetch-Site
 */
export function isCrossSite(headers: IncomingHttpHeaders): boolean {
  if (headers[preflightHeader] !== undefined) return false;
  const site = headers["sec-fetch-site"];
  if (site !== undefined) return site !== "same-origin" && site !== "none";
  return headers.origin !== undefined && hostOf(headers.origin) !== headers.host;
}

const hostOf = (origin: string): string | undefined => (URL.canParse(origin) ? new URL(origin).host : undefined);
