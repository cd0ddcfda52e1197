import type { FastifyInstance } from "fastify";
import { encodedBody, explorerContentSecurityPolicy, readExplorerAssets } from "./explorer/assets.ts";

/** Serves the bundled explorer: the page at `/`, its files below `/explorer/`. Throws when it was not built. */
export function mountExplorer(app: FastifyInstance): void {
  for (const [path, asset] of readExplorerAssets()) {
    app.get(path, (request, reply) => {
      reply
        .header("content-security-policy", explorerContentSecurityPolicy)
        .header("cache-control", asset.cacheControl)
        .header("etag", asset.etag)
        .header("vary", "accept-encoding");
      if (request.headers["if-none-match"] === asset.etag) return reply.code(304).send();
      const { body, contentEncoding } = encodedBody(asset, request.headers["accept-encoding"]);
      if (contentEncoding !== undefined) reply.header("content-encoding", contentEncoding);
      return reply.header("content-type", asset.contentType).send(body);
    });
  }
}
