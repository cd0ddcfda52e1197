import { open } from "node:fs/promises";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { admit, type Door } from "./admit.ts";
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
  /** Who may export. */
  readonly door: Door;
}

interface ExportQuery {
  readonly format?: string | string[];
  readonly columns?: string | string[];
  readonly version?: string | string[];
}

/** `GET /export/<table>?format=&columns=&version=`: a table of a dataset as a file, whole or in ranges. */
export function mountExport(app: FastifyInstance, options: ExportOptions): void {
  app.get<{ Params: { table: string }; Querystring: ExportQuery }>("/export/:table", async (request, reply) => {
    admit(options.door, request, reply);
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
