import { stat } from "node:fs/promises";
import type { Row } from "../mapping/bench.ts";
import { type DatasetManifest, DatasetStore, FORMAT } from "./dataset.ts";
import { openDataset } from "./dataset-reader.ts";
import { OpenDatasets } from "./dataset-tables.ts";

/** Rows of quarantine are few and small. */
const LIMITS = { threads: 1, memoryMib: 256 };

/** The datasets of a home, for whoever only looks at them. */
export function datasetViews(home: string) {
  const store = new DatasetStore(home);
  const all = async () => {
    const current = await store.currentVersion();
    const readable = (await store.all()).filter(({ format }) => format === FORMAT);
    const views = await Promise.all(readable.map(manifest => viewOf(store, manifest, current)));
    return views.toSorted((a, b) => b.builtAt.localeCompare(a.builtAt));
  };
  const opened = new OpenDatasets(home);
  return {
    all,
    open: (version: string | null) => opened.open(version),
    close: () => opened.close(),
    async find(version: string | null) {
      const wanted = version ?? (await store.currentVersion());
      return (await all()).find(view => view.version === wanted) ?? null;
    },
  };
}

async function viewOf(store: DatasetStore, manifest: DatasetManifest, current: string | undefined) {
  const { version, isComplete, tables, inputs, collections, join, checks, lineage } = manifest;
  const { mtime } = await stat(store.manifestOf(version));
  return {
    version,
    builtAt: mtime.toISOString(),
    isCurrent: version === current,
    isComplete,
    tables: tables.map(({ name, rows, files }) => ({
      name,
      rows,
      sizeBytes: files.reduce((total, { sizeBytes }) => total + sizeBytes, 0),
    })),
    verdicts: inputs.map(({ source, collection, pull, verdict }) => ({ source, collection, pull, verdict })),
    matches: collections,
    join: { ...join, kind: join.kind.toUpperCase() },
    checks: checks.map(each => ({ ...each, severity: each.severity.toUpperCase() })),
    lineage(table: string, column: string) {
      const found = lineage.find(each => each.table === table && each.column === column);
      if (found === undefined) return null;
      return { ...found, sources: found.sources.map(source => ({ ...source, ruleVersion: source.version })) };
    },
    quarantine: (from: number, first: number) => quarantineOf(store, manifest, from, first),
  };
}

async function quarantineOf(
  store: DatasetStore,
  manifest: DatasetManifest,
  from: number,
  first: number,
): Promise<readonly Row[]> {
  const bench = await openDataset({ manifest, path: store.pathOf(manifest.version), root: store.root }, LIMITS);
  try {
    return await bench.rows(`SELECT * FROM quarantine ORDER BY source, collection, raw, reason LIMIT ${first} OFFSET ${from}`);
  } finally {
    await bench.close();
  }
}
