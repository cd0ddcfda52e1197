import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder that the build writes and the gateway reads. */
export const explorerFolder: string = fileURLToPath(new URL("../../../dist/explorer", import.meta.url));

/**
 * The strictest Content-Security-Policy under which the explorer works, as a header value.
 * The editor writes style elements at run time, hence `unsafe-inline` for styles alone; images are data URIs inside the style sheet.
 * @see https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Content-Security-Policy
 */
export const explorerContentSecurityPolicy: string = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** A content coding that the build prepares beside the plain file. */
export type ContentCoding = "br" | "gzip";

/** One file of the explorer, held in memory. */
export interface ExplorerAsset {
  readonly body: Buffer;
  readonly contentType: string;
  /** Weak, because the same tag stands for every content coding. */
  readonly etag: string;
  /** Files whose name carries their hash never change; all others are revalidated. */
  readonly cacheControl: string;
  /** The body in each prepared coding; empty when compression does not pay. */
  readonly encoded: ReadonlyMap<ContentCoding, Buffer>;
}

/** A body as it goes over the wire; `contentEncoding` is absent for the plain one. */
export interface EncodedBody {
  readonly body: Buffer;
  readonly contentEncoding?: ContentCoding;
}

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".woff": "font/woff",
  ".woff2": "font/woff2",
  ".ttf": "font/ttf",
};

/** Suffix of a prepared file, by content coding, best first. */
export const codingSuffixes: ReadonlyMap<ContentCoding, string> = new Map([
  ["br", ".br"],
  ["gzip", ".gz"],
]);

const hashedName = /-[A-Z0-9]{8}\.\w+$/;

function readEncoded(file: string): ReadonlyMap<ContentCoding, Buffer> {
  const prepared = [...codingSuffixes].filter(([, suffix]) => existsSync(file + suffix));
  return new Map(prepared.map(([coding, suffix]) => [coding, readFileSync(file + suffix)]));
}

function readAsset(file: string, contentType: string): ExplorerAsset {
  const body = readFileSync(file);
  return {
    body,
    contentType,
    etag: `W/"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`,
    cacheControl: hashedName.test(file) ? "public, max-age=31536000, immutable" : "no-cache",
    encoded: readEncoded(file),
  };
}

const urlPath = (name: string): string => (name === "index.html" ? "/" : `/explorer/${name}`);

function readBundle(folder: string): ReadonlyMap<string, ExplorerAsset> {
  const assets = new Map<string, ExplorerAsset>();
  for (const name of readdirSync(folder)) {
    const contentType = contentTypes[extname(name)];
    if (contentType !== undefined) assets.set(urlPath(name), readAsset(join(folder, name), contentType));
  }
  return assets;
}

const bundles = new Map<string, ReadonlyMap<string, ExplorerAsset>>();

/**
 * Reads the built explorer into memory, once per folder and process, and returns it by URL path: the page at `/`, the rest below `/explorer/`.
 * @throws Error when the folder holds no built page.
 */
export function readExplorerAssets(folder: string = explorerFolder): ReadonlyMap<string, ExplorerAsset> {
  const known = bundles.get(folder);
  if (known !== undefined) return known;
  if (!existsSync(join(folder, "index.html")))
    throw new Error(`The explorer is not built: ${folder} has no page. Run: npm run prepare`);
  const assets = readBundle(folder);
  bundles.set(folder, assets);
  return assets;
}

function accepts(acceptEncoding: string, coding: ContentCoding): boolean {
  const offers = acceptEncoding.split(",").map(offer =>
    offer
      .trim()
      .toLowerCase()
      .split(/\s*;\s*/),
  );
  return offers.some(([name, ...parameters]) => name === coding && !parameters.some(parameter => /^q=0(\.0*)?$/.test(parameter)));
}

/**
 * Chooses the smallest body that a client takes, given its Accept-Encoding header.
 * @see https://www.rfc-editor.org/rfc/rfc9110#name-accept-encoding
 */
export function encodedBody(asset: ExplorerAsset, acceptEncoding: string | undefined): EncodedBody {
  for (const coding of codingSuffixes.keys()) {
    const body = asset.encoded.get(coding);
    if (body !== undefined && accepts(acceptEncoding ?? "", coding)) return { body, contentEncoding: coding };
  }
  return { body: asset.body };
}
