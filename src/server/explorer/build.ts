/** Bundles the explorer into dist/explorer, so that the gateway serves it without the internet. Skips when nothing changed. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build, type BuildOptions, type Plugin } from "esbuild";
import { codingSuffixes, explorerFolder, type ContentCoding } from "./assets.ts";

const sourceFolder = dirname(fileURLToPath(import.meta.url));
const projectFolder = join(explorerFolder, "../..");
const stampName = ".stamp";

const settings: BuildOptions = {
  absWorkingDir: projectFolder,
  outdir: explorerFolder,
  bundle: true,
  minify: true,
  write: false,
  target: "es2022",
  platform: "browser",
  legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "error",
};

/** The page's style sheet already contains the editor's; the editor's own imports would bring all of it a second time. */
const dropEditorStyles: Plugin = {
  name: "drop-editor-styles",
  setup(host) {
    host.onLoad({ filter: /node_modules[\\/]monaco-editor[\\/].*\.css$/ }, () => ({ contents: "", loader: "empty" }));
  },
};

/** Turns fonts embedded in the style sheet into files: a browser then loads only those it shows, and the policy needs no data: fonts. */
const extractFonts: Plugin = {
  name: "extract-fonts",
  setup(host) {
    host.onResolve({ filter: /^data:font\// }, ({ path }) => ({ path: fontName(path), namespace: "font", pluginData: path }));
    host.onLoad({ filter: /.*/, namespace: "font" }, ({ pluginData }) => ({
      contents: Buffer.from(String(pluginData).split(",", 2)[1] ?? "", "base64"),
      loader: "file",
    }));
  },
};

function fontName(dataUri: string): string {
  const digest = createHash("sha256").update(dataUri).digest("hex").slice(0, 8);
  return `font-${digest}.${/^data:font\/(\w+)/.exec(dataUri)?.[1] ?? "font"}`;
}

const page: BuildOptions = {
  ...settings,
  entryPoints: { explorer: join(sourceFolder, "page.jsx") },
  format: "esm",
  splitting: true,
  jsx: "automatic",
  // GraphiQL asks for these two by a name that leads to a CommonJS file, whose exports a dynamic import does not see.
  alias: { "prettier/parser-graphql": "prettier/plugins/graphql", "prettier/parser-babel": "prettier/plugins/babel" },
  plugins: [dropEditorStyles, extractFonts],
};

const workers: BuildOptions = {
  ...settings,
  entryPoints: {
    "editor.worker": "monaco-editor/esm/vs/editor/editor.worker.js",
    "json.worker": "monaco-editor/esm/vs/language/json/json.worker.js",
    "graphql.worker": "monaco-graphql/esm/graphql.worker.js",
  },
  format: "iife",
};

function fingerprint(): string {
  const hash = createHash("sha256");
  const sources = readdirSync(sourceFolder).sort();
  for (const file of [join(projectFolder, "package-lock.json"), ...sources.map(name => join(sourceFolder, name))]) {
    hash
      .update(`${basename(file)}\0`)
      .update(readFileSync(file))
      .update("\0");
  }
  return hash.digest("hex");
}

function isCurrent(stamp: string): boolean {
  const file = join(explorerFolder, stampName);
  return existsSync(file) && readFileSync(file, "utf8") === stamp;
}

async function bundle(): Promise<Map<string, Uint8Array>> {
  const results = await Promise.all([build(page), build(workers)]);
  const files = new Map(
    results.flatMap(({ outputFiles }) => outputFiles ?? []).map(file => [basename(file.path), file.contents]),
  );
  return files.set("index.html", readFileSync(join(sourceFolder, "index.html")));
}

const compress: Readonly<Record<ContentCoding, (body: Uint8Array) => Buffer>> = {
  // Measured on these files: quality 9 takes 0.5 s for 1.68 MB, quality 11 takes 7.3 s for 1.53 MB, and every install pays it.
  br: body => brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }),
  gzip: body => gzipSync(body),
};

const isCompressible = (name: string): boolean => /\.(html|js|css|ttf)$/.test(name);

function writeCompressed(file: string, body: Uint8Array): number[] {
  return [...codingSuffixes].map(([coding, suffix]) => {
    const packed = compress[coding](body);
    writeFileSync(file + suffix, packed);
    return packed.length;
  });
}

function writeFiles(folder: string, files: ReadonlyMap<string, Uint8Array>): { plainBytes: number; brotliBytes: number } {
  const total = { plainBytes: 0, brotliBytes: 0 };
  for (const [name, body] of files) {
    writeFileSync(join(folder, name), body);
    total.plainBytes += body.length;
    total.brotliBytes += isCompressible(name) ? (writeCompressed(join(folder, name), body)[0] ?? 0) : body.length;
  }
  return total;
}

function publish(files: ReadonlyMap<string, Uint8Array>, stamp: string): { plainBytes: number; brotliBytes: number } {
  const unfinished = `${explorerFolder}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  const total = writeFiles(unfinished, files);
  writeFileSync(join(unfinished, stampName), stamp);
  rmSync(explorerFolder, { recursive: true, force: true });
  renameSync(unfinished, explorerFolder);
  return total;
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

const stamp = fingerprint();
if (isCurrent(stamp)) {
  console.log("explorer: up to date");
} else {
  const startedMs = performance.now();
  const files = await bundle();
  const { plainBytes, brotliBytes } = publish(files, stamp);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`explorer: ${files.size} files, ${megabytes(plainBytes)} (${megabytes(brotliBytes)} compressed) in ${seconds} s`);
}
