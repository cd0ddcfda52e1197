import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AnyEntity } from "../../src/core/canonical.ts";
import { type CollectionVerdict, pull } from "../../src/pipeline/pull.ts";
import { type CatalogEntry, createCatalog } from "../../src/source/catalog.ts";
import { lookupRecords } from "../../src/upstream/lookup.ts";
import type { Upstream } from "../../src/upstream/upstream.ts";
import { byKey, catalog, listed, openStage, patient, type Stage } from "../contract/stage.ts";
import { silent } from "./world.ts";

/** What a source did that fails now and then, and what came of it. */
export interface RandomFaults {
  /** Requests that the source saw on each path. */
  readonly calls: { readonly pull: number; readonly live: number };
  /** Faults that they met. */
  readonly broken: number;
  readonly retries: number;
  readonly verdict: CollectionVerdict;
  /** Entities as they are, in the order of their keys. */
  readonly truth: readonly AnyEntity[];
  readonly live: { readonly records: readonly AnyEntity[]; readonly failures: readonly Error[] };
  readonly pullMs: number;
  readonly liveMs: number;
}

const kinds = [
  { kind: "status", status: 503 },
  { kind: "reset" },
  { kind: "cut-headers" },
  { kind: "cut-chunk" },
  { kind: "truncate" },
  { kind: "malformed" },
  { kind: "empty" },
];
/** Lookups under way at once. */
const AT_ONCE = 20;

/** Pulls a listing in pages of one record, then looks every record up by its key, while `percent` in a hundred requests fail, each kind as often. */
export async function runRandomFaults({ customers, percent }: { customers: number; percent: number }): Promise<RandomFaults> {
  const stage = await openStage(customers);
  const home = await mkdtemp(join(tmpdir(), "tributary-random-"));
  try {
    const entry = onePerPage(catalog.get("accounts.customers"));
    const truth = byKey(await listed(stage, catalog.get("accounts.customers")));
    const upstream = stage.upstream(entry.source, { logger: silent });
    const counted = await stage.counting(entry.source);
    for (const each of kinds) await stage.fault({ source: entry.source.name, percent: percent / kinds.length, ...each });
    const startedAtMs = performance.now();
    const { verdicts } = await pull({ catalog: createCatalog([entry.source]), upstreams: () => upstream, home });
    const pulled = sum(await counted());
    const pulledAtMs = performance.now();
    const live = await lookUp(upstream, entry, truth);
    const liveMs = performance.now() - pulledAtMs;
    const calls = { pull: pulled, live: sum(await counted()) - pulled };
    const { retries } = await upstream.status();
    const [verdict] = verdicts;
    return {
      calls,
      broken: await brokenBy(stage),
      retries,
      verdict: verdict!,
      truth,
      live,
      pullMs: pulledAtMs - startedAtMs,
      liveMs,
    };
  } finally {
    await stage.close();
    await rm(home, { recursive: true, force: true });
  }
}

/** The same collection alone, in pages of one record. */
function onePerPage({ source, name, collection }: CatalogEntry): CatalogEntry {
  const pages = { ...collection.list.pages, maxPageSize: 1 };
  const client = { ...source.client, limits: [] };
  return createCatalog([{ ...source, client, collections: { [name]: { ...collection, list: { ...collection.list, pages } } } }])
    .entries[0]!;
}

async function lookUp(upstream: Upstream, entry: CatalogEntry, truth: readonly AnyEntity[]): Promise<RandomFaults["live"]> {
  const records: AnyEntity[] = [];
  const failures: Error[] = [];
  const keys = truth.map(({ key }) => key);
  const worker = async () => {
    for (let key = keys.pop(); key !== undefined; key = keys.pop()) {
      const outcome = (await lookupRecords(upstream, entry, [key], patient())).get(key);
      if (outcome instanceof Error) failures.push(outcome);
      else if (outcome) records.push(outcome.entity);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { records: records.sort((a, b) => (a.key < b.key ? -1 : 1)), failures };
}

async function brokenBy(stage: Stage): Promise<number> {
  const used = (await stage.faults()).map(fault => fault.used);
  return used.reduce((total, count) => total + count, 0);
}

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0);
