import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { AccessError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import { isCrossSite } from "./csrf.ts";

/** Who may do something over HTTP that not everybody may. */
export interface Door {
  /** As RFC 6750 has it. */
  readonly scope: "export" | "intake";
  readonly code: "ACCESS_EXPORT" | "ACCESS_INTAKE";
  /** The setting that holds the token. */
  readonly variable: string;
  /** The bearer token of those who may; null: nobody but this machine may, and only while the server listens on loopback. */
  readonly token: Secret | null;
  /** Whether the server listens on loopback alone. */
  readonly isLoopback: boolean;
}

const isLocal = (address: string): boolean => /^(127\.|::1$|::ffff:127\.)/.test(address);
const proxyHeaders = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

/** Throws the door's code for who may not pass, and `ACCESS_CROSS_SITE` for a page of another site. */
export function admit(door: Door, { headers, socket }: FastifyRequest, reply: FastifyReply): void {
  const { scope, code, variable, token, isLoopback } = door;
  if (isCrossSite(headers)) throw new AccessError("ACCESS_CROSS_SITE", "a browser sent this request for another site");
  if (token === null) {
    const isForwarded = proxyHeaders.some(name => headers[name] !== undefined);
    if (isLoopback && !isForwarded && isLocal(socket.remoteAddress ?? "")) return;
    throw new AccessError(code, `this is for whoever has the token, and no ${variable} is set`);
  }
  const given = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  if (given !== undefined && isSame(given, token.reveal())) return;
  const problem = given === undefined ? "" : ', error="invalid_token"';
  reply.header("www-authenticate", `Bearer realm="tributary", scope="${scope}"${problem}`); // RFC 6750, section 3
  throw new AccessError(code, given === undefined ? "this wants a token" : "this token is not the one");
}

/** Takes as long whatever is given. */
function isSame(given: string, token: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
