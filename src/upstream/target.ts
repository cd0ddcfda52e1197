import { UpstreamError } from "../core/errors.ts";
import type { Parameters, UpstreamRequest } from "../source/request.ts";

/** A request's address under the base URL; throws `UPSTREAM_REJECTED` for a path that leads out of it. */
export function targetOf(baseUrl: string, request: UpstreamRequest): URL {
  const base = new URL(baseUrl);
  const target = request.path.startsWith("/") ? new URL(base.href.replace(/\/$/, "") + request.path) : undefined;
  if (target === undefined || climbs(request.path) || !isUnder(base, target))
    throw new UpstreamError("UPSTREAM_REJECTED", `${request.operation} leads away from the declared host`);
  for (const [name, value] of definedEntries(request.query)) target.searchParams.set(name, value);
  return target;
}

/**
 * Path and query, relative to the base URL, of an address that a source gave: absolute, or relative to the request that it answered, whose path
 * under the base URL is `requestPath`. Undefined when it leads to another host, out of the base URL's path, or carries credentials: then it must
 * not be followed. @see https://www.rfc-editor.org/rfc/rfc3986#section-5
 */
export function underBase(baseUrl: string, href: string, requestPath = "/"): string | undefined {
  const base = new URL(baseUrl);
  const target = URL.parse(href, base.href.replace(/\/$/, "") + requestPath);
  if (target === null || target.username !== "" || target.password !== "" || climbs(href) || !isUnder(base, target))
    return undefined;
  return `/${target.pathname.slice(folderOf(base).length)}${target.search}`;
}

/** Whether an address keeps to the base URL's origin and below its path. */
const isUnder = (base: URL, target: URL): boolean =>
  target.origin === base.origin && `${target.pathname}/`.startsWith(folderOf(base));

const folderOf = (base: URL): string => base.pathname.replace(/\/*$/, "/");

/** Whether a path has a dot segment, in any of the forms that a URL parser takes for one. */
const climbs = (path: string): boolean =>
  (path.split(/[?#]/, 1)[0] ?? "").split(/[/\\]/).some(segment => /^(\.|%2e){1,2}$/i.test(segment));

export function definedEntries(parameters: Parameters | undefined): [string, string][] {
  return Object.entries(parameters ?? {}).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));
}
