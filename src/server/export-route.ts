import { createHash, timingSafeEqual } from "node:crypto";
import { open } from "node:fs/promises";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { AccessError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import { isCrossSite } from "./csrf.ts";
import { rangeOf } from "./range.ts";

/** What a client asks for; what it leaves out is undefined. */
export interface TableRequest {
  readonly table: string;
  readonly format: string | undefined;
  readonly columns: readonly string[] | undefined;
  readonly version: string | undefined;
}

/** A table as a file. */
export interface TableExport {
  /** Of the dataset. */
  readonly version: string;
  /** Stands for the bytes. */
  readonly tag: string;
  readonly fileName: string;
  readonly mediaType: string;
  /** The path of the file, once it is there. */
  readonly file: () => Promise<string>;
}

export interface ExportOptions {
  /** Throws `REQUEST_INVALID` for what is not there. */
  readonly find: (request: TableRequest) => Promise<TableExport>;
  /** The bearer token that whoever has it exports with; null: nobody but this machine may, and only while the server listens on loopback. */
  readonly token: Secret | null;
  /** Whether the server listens on loopback alone. */
  readonly isLoopback: boolean;
}

interface ExportQuery {
  readonly format?: string | string[];
  readonly columns?: string | string[];
  readonly version?: string | string[];
}

/** `GET /export/<table>?format=&columns=&version=`: a table of a dataset as a file, whole or in ranges. */
export function mountExport(app: FastifyInstance, options: ExportOptions): void {
  app.get<{ Params: { table: string }; Querystring: ExportQuery }>("/export/:table", async (request, reply) => {
    admit(options, request, reply);
    const { format, columns, version } = request.query;
    const found = await options.find({
      table: request.params.table,
      format: one(format),
      columns: one(columns)
        ?.split(",")
        .map(name => name.trim()),
      version: one(version),
    });
    return send(found, request, reply);
  });
}

const one = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value.at(-1) : value);

const isLocal = (address: string): boolean => /^(127\.|::1$|::ffff:127\.)/.test(address);
const proxyHeaders = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

/** Throws `ACCESS_EXPORT` for who may not export. */
function admit({ token, isLoopback }: ExportOptions, { headers, socket }: FastifyRequest, reply: FastifyReply): void {
  if (isCrossSite(headers)) throw new AccessError("ACCESS_CROSS_SITE", "a browser sent this request for another site");
  if (token === null) {
    const isForwarded = proxyHeaders.some(name => headers[name] !== undefined);
    if (isLoopback && !isForwarded && isLocal(socket.remoteAddress ?? "")) return;
    throw new AccessError("ACCESS_EXPORT", "this server exports nothing: no EXPORT_TOKEN is set");
  }
  const given = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  if (given !== undefined && isSame(given, token.reveal())) return;
  const problem = given === undefined ? "" : ', error="invalid_token"';
  reply.header("www-authenticate", `Bearer realm="tributary", scope="export"${problem}`); // RFC 6750, section 3
  throw new AccessError("ACCESS_EXPORT", given === undefined ? "an export wants a token" : "this token may not export");
}

/** Takes as long whatever is given. */
function isSame(given: string, token: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}

async function send(found: TableExport, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const etag = `"${found.tag}"`;
  reply.headers({
    etag,
    "accept-ranges": "bytes",
    "cache-control": "private, no-cache",
    "x-tributary-dataset": found.version,
  });
  if (matches(request.headers["if-none-match"], etag)) return reply.code(304).send();
  const file = await open(await found.file(), "r");
  try {
    const { size } = await file.stat();
    const range = rangeOf(request.headers, etag, size);
    reply.type(found.mediaType).header("content-disposition", `attachment; filename="${found.fileName}"`);
    if (range === "unsatisfiable") {
      await file.close();
      return reply.code(416).type("application/json").header("content-range", `bytes */${size}`).send({ size });
    }
    const { start, end } = range ?? { start: 0, end: size - 1 };
    if (range !== null) reply.code(206).header("content-range", `bytes ${start}-${end}/${size}`);
    reply.header("content-length", end - start + 1);
    // The open file is read on even if its name goes meanwhile; the stream closes it.
    return await reply.send(file.createReadStream({ start, end: Math.max(start, end) }));
  } catch (thrown) {
    await file.close();
    throw thrown;
  }
}

/** Whether `If-None-Match` names what would be sent; compared weakly. @see https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2 */
const matches = (header: string | undefined, etag: string): boolean =>
  header !== undefined && header.split(",").some(each => ["*", etag, `W/${etag}`].includes(each.trim()));
