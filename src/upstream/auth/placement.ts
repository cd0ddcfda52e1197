import type { Placement } from "../../source/auth.ts";
import type { WireRequest } from "../wire.ts";
import type { Authorizer } from "./authorizer.ts";

/** The request with a value at its place; a cookie joins those that are there. */
export function placed(request: WireRequest, { in: place, name, prefix = "" }: Placement, value: string): WireRequest {
  const text = `${prefix}${value}`;
  switch (place) {
    case "header":
      return { ...request, headers: { ...request.headers, [name.toLowerCase()]: text } };
    case "cookie": {
      const before = request.headers["cookie"];
      const cookie = `${name}=${encodeURIComponent(text)}`;
      return { ...request, headers: { ...request.headers, cookie: before === undefined ? cookie : `${before}; ${cookie}` } };
    }
    case "query": {
      const url = new URL(request.url);
      url.searchParams.set(name, text);
      return { ...request, url };
    }
  }
}

/** A credential that is what it is: read anew for each request, so that it can be replaced while the process runs. */
export function fixedCredential(placement: Placement, read: () => string, scope: () => string): Authorizer {
  return {
    authorize: async request => {
      const credential = read();
      return { request: placed(request, placement, credential), credential };
    },
    // Whoever replaced the secret since the request was sent has made another attempt worthwhile.
    renew: used => used !== undefined && used !== read(),
    scope,
  };
}
