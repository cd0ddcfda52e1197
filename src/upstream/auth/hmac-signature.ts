import { createHash, createHmac, randomUUID } from "node:crypto";
import type { CanonicalPart, HmacAuth } from "../../source/auth.ts";
import type { WireRequest } from "../wire.ts";
import type { Authorizer, AuthorizerParts } from "./authorizer.ts";
import { placed } from "./placement.ts";

/** What is signed beside the request itself. */
interface Moment {
  readonly timestamp: string;
  readonly nonce: string;
}

/** Signs every request by a keyed hash over the declared parts of it. */
export function hmacSignature(auth: HmacAuth, { secrets, clock }: AuthorizerParts, scope: () => string): Authorizer {
  return {
    async authorize(request) {
      const moment = { timestamp: timestampOf(auth, clock.nowMs()), nonce: randomUUID() };
      let prepared = request;
      if (auth.timestamp) prepared = placed(prepared, auth.timestamp, moment.timestamp);
      if (auth.nonce) prepared = placed(prepared, auth.nonce, moment.nonce);
      if (auth.keyId) prepared = placed(prepared, auth.keyId, secrets.read(auth.keyId.secret).reveal());
      const text = auth.canonical.map(part => partOf(part, prepared, moment)).join(auth.separator ?? "");
      const key = Buffer.from(secrets.read(auth.secret).reveal(), auth.secretEncoding ?? "utf8");
      const signature = createHmac(auth.algorithm, key).update(text).digest(auth.encoding);
      return { request: placed(prepared, auth.signature, signature), credential: scope() };
    },
    renew: used => used !== undefined && used !== scope(),
    scope,
  };
}

function timestampOf({ timestamp }: HmacAuth, nowMs: number): string {
  switch (timestamp?.unit) {
    case "milliseconds":
      return String(nowMs);
    case "rfc3339":
      return new Date(nowMs).toISOString();
    case "seconds":
    case undefined:
      return String(Math.floor(nowMs / 1000));
  }
}

function partOf(part: CanonicalPart, { method, url, headers, body = "" }: WireRequest, moment: Moment): string {
  if (typeof part === "object") return "text" in part ? part.text : (headers[part.header.toLowerCase()] ?? "");
  switch (part) {
    case "method":
      return method;
    case "path":
      return url.pathname;
    case "query":
      return url.search.slice(1);
    case "path-and-query":
      return `${url.pathname}${url.search}`;
    case "url":
      return url.href;
    case "host":
      return url.host;
    case "body":
      return body;
    case "body-sha256":
      return createHash("sha256").update(body).digest("hex");
    case "timestamp":
      return moment.timestamp;
    case "nonce":
      return moment.nonce;
  }
}
