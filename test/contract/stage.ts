import { baseUrlOf } from "../../src/app/config.ts";
import { ConfiguredSecrets } from "../../src/app/secrets.ts";
import { discoverImitations, discoverSources } from "../../src/app/registry.ts";
import type { AnyEntity } from "../../src/core/canonical.ts";
import { lastDays } from "../../src/core/days.ts";
import { type Json, parseJson } from "../../src/core/json.ts";
import { type Clock, type Logger, systemClock } from "../../src/core/ports.ts";
import { driftJson } from "../../src/sandbox/drift.ts";
import { startSandbox } from "../../src/sandbox/server.ts";
import type { CatalogEntry } from "../../src/source/catalog.ts";
import { type Source, secretVariables } from "../../src/source/define-source.ts";
import type { CallContext } from "../../src/upstream/context.ts";
import { contractBreaks, decode, type Decoded } from "../../src/upstream/decode.ts";
import { readPages } from "../../src/upstream/listing.ts";
import type { Page } from "../../src/upstream/listing/walk.ts";
import type { Fetched } from "../../src/upstream/reads.ts";
import { relatedPages, relatedRecords } from "../../src/upstream/related.ts";
import { Upstream } from "../../src/upstream/upstream.ts";

/** Sources in the order of their names, and everything they have: what the suite loops over. */
export const catalog = await discoverSources();

/** A read that nobody hurries. */
export const patient = (clock: Clock = systemClock): CallContext => ({
  priority: "live",
  signal: new AbortController().signal,
  deadlineAtMs: clock.nowMs() + 600_000,
  requestId: "contract",
});

/** Log lines as text, from every stage of the process: the suite's last test searches them. */
export const loggedLines: string[] = [];

/** Every secret that any stage was given, true or false. */
export const givenSecrets = new Set<string>();

/** What a stage's upstream may differ in. */
export interface UpstreamVariant {
  readonly clock?: Clock;
  /** Replaces what the environment says. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The suite's own unless given. */
  readonly logger?: Logger;
  /** Whether answers may be kept, as declared; a fault may then not meet the next read. */
  readonly isCached?: boolean;
}

/** Answers of a source, by status. */
type Statuses = Readonly<Record<string, number>>;
type Counts = Readonly<Record<string, Readonly<Record<string, Statuses>>>>;

/**
 * A sandbox of so many people and upstreams to it, both without rate limits: limits have their own test, and here they would only cost
 * time. Each upstream is new, so that no breaker remembers an earlier test.
 */
export async function openStage(customers: number) {
  const sandbox = await startSandbox({ port: 0, seed: 7, customers, quotas: false, imitations: await discoverImitations() });
  const upstreams: Upstream[] = [];
  const control = (path: string, method = "GET", body?: object) =>
    fetch(`${sandbox.origin}/__control/${path}`, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
  return {
    days: (entry: CatalogEntry) => lastDays(entry.collection.list.days ?? 30, Date.now()),
    upstream(source: Source, variant: UpstreamVariant = {}): Upstream {
      const environment = { ...sandbox.environment, ...variant.environment };
      for (const name of secretVariables(source)) givenSecrets.add(environment[name] ?? "");
      const upstream = new Upstream(withoutLimits(source, variant.isCached), {
        baseUrl: baseUrlOf(source, environment),
        secrets: new ConfiguredSecrets(environment, recorder),
        clock: variant.clock ?? systemClock,
        random: () => 0,
        logger: variant.logger ?? recorder,
      });
      upstreams.push(upstream);
      return upstream;
    },
    reset: () => control("reset", "POST"),
    async fault(fault: object): Promise<void> {
      const response = await control("faults", "POST", fault);
      if (!response.ok) throw new Error(`fault refused: ${await response.text()}`);
    },
    /** The faults in force, and how many requests each has met. */
    async faults(): Promise<readonly { readonly used: number }[]> {
      return ((await (await control("faults")).json()) as { faults: { used: number }[] }).faults;
    },
    /** Starts to count: the returned function tells what a source has answered since. */
    async counting(source: Source): Promise<() => Promise<Statuses>> {
      const count = async () => statusesIn((await (await control("calls")).json()) as Counts, source.name);
      const before = await count();
      return async () => {
        const changes = Object.entries(await count()).map(([status, now]) => [status, now - (before[status] ?? 0)] as const);
        return Object.fromEntries(changes.filter(([, change]) => change > 0));
      };
    },
    async close(): Promise<void> {
      await Promise.all(upstreams.map(upstream => upstream.close()));
      await sandbox.close();
    },
  };
}

export type Stage = Awaited<ReturnType<typeof openStage>>;

function statusesIn(counts: Counts, source: string): Statuses {
  const total: Record<string, number> = {};
  for (const route of Object.values(counts[source] ?? {}))
    for (const [status, count] of Object.entries(route)) total[status] = (total[status] ?? 0) + count;
  return total;
}

/** Nor is an answer kept: a fault is to meet the next read. */
const withoutLimits = (source: Source, isCached = false): Source => ({
  ...source,
  client: { ...source.client, limits: [], ...(!isCached && { cache: false }) },
});

/** Errors show what JSON would leave out of them. */
const shown = (_name: string, value: unknown): unknown => {
  if (typeof value === "bigint") return String(value);
  return value instanceof Error ? { message: value.message, stack: value.stack, cause: value.cause } : value;
};
const record = (fields: object, message: string): void => void loggedLines.push(JSON.stringify({ message, fields }, shown));
const recorder: Logger = { debug: record, info: record, warn: record, error: record };

/** The pages of a collection's listing, one after another. */
export function pages(stage: Stage, upstream: Upstream, entry: CatalogEntry, pageSize?: number): AsyncGenerator<Page> {
  const { list } = entry.collection;
  const walk = { request: list.request(stage.days(entry)), items: list.items, pages: list.pages };
  return readPages(upstream, pageSize === undefined ? walk : { ...walk, pageSize }, patient());
}

export async function collect<T>(generated: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of generated) all.push(one);
  return all;
}

/** Every record of a collection's listing, as the source wrote it. */
export const recordsOf = async (stage: Stage, entry: CatalogEntry, pageSize?: number): Promise<readonly Json[]> =>
  (await collect(pages(stage, stage.upstream(entry.source), entry, pageSize))).flatMap(page => page.records);

/** Every record of a collection's listing, held against its contract and mapped. */
export const listed = async (stage: Stage, entry: CatalogEntry, pageSize?: number): Promise<readonly Decoded[]> =>
  (await recordsOf(stage, entry, pageSize)).map(found => decode(entry, found));

export const keysOf = (records: readonly Decoded[]): string[] => records.map(({ entity }) => entity.key);

/** Entities in the order of their keys, so that two ways of reading the same can be compared. */
export const byKey = (records: readonly Decoded[]): AnyEntity[] =>
  records.map(({ entity }) => entity).sort((a, b) => (a.key < b.key ? -1 : 1));

/** The collection whose records own a collection's. */
export const ownerOf = (entry: CatalogEntry): CatalogEntry => catalog.get(`${entry.source.name}.${entry.collection.owner ?? ""}`);

/** The records of owners, read through the collection's `related`, whichever way that works. Throws the first failure. */
export async function related(
  stage: Stage,
  upstream: Upstream,
  entry: CatalogEntry,
  ownerKeys: readonly string[],
): Promise<readonly Fetched[]> {
  const read = entry.collection.related;
  if (read === undefined) throw new Error(`${entry.id} has no related read`);
  if (read.mode === "batch") {
    const outcomes = await relatedRecords(upstream, entry, read, ownerKeys, { context: patient(), window: stage.days(entry) });
    return [...outcomes.values()].flatMap(outcome => orThrow(outcome) ?? []);
  }
  const records: Fetched[] = [];
  for (const ownerKey of ownerKeys) {
    const pages = relatedPages(upstream, entry, read, ownerKey, { context: patient(), pageSize: read.pages.maxPageSize });
    for await (const page of pages) records.push(...page.records);
  }
  return records;
}

/** An outcome's value; a failure kept as a value is thrown. */
export function orThrow<T>(outcome: T | Error): T {
  if (outcome instanceof Error) throw outcome;
  return outcome;
}

/** The names along the paths that a mapping reads, the key's last. */
function mappedNames({ collection }: CatalogEntry): string[] {
  const { key, ...fields } = collection.map;
  return [...Object.values(fields), key].flatMap(rule => (rule?.inputs ?? []).flatMap(input => input.split(".").toReversed()));
}

/** A name that the contract cannot do without, and that stands for nothing else in an answer. */
export function requiredName(entry: CatalogEntry, record: Json, isKey: boolean): string {
  const keyPath = entry.collection.map["key"]?.inputs ?? [];
  const text = JSON.stringify(record, (_name, value: unknown) => (typeof value === "bigint" ? Number(value) : value));
  const required = mappedNames(entry).find(name => {
    const drifted = parseJson(driftJson(text, { rename: { from: name, to: `${name}_renamed` } }));
    return keyPath.includes(name) === isKey && contractBreaks(entry, drifted).length > 0;
  });
  if (required === undefined) throw new Error(`${entry.id}: no mapped field is required by the contract`);
  return required;
}
