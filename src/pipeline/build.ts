import { rm } from "node:fs/promises";
import { type EntityName, entityNames } from "../core/canonical.ts";
import { type Checks, declaredChecks } from "../core/checks.ts";
import { systemClock } from "../core/ports.ts";
import type { Catalog } from "../source/catalog.ts";
import type { RawKey } from "../store/raw/raw-key.ts";
import { type DatasetRetention, pruneDatasets } from "./dataset-retention.ts";
import { readyToRead } from "../store/raw/segment-reader.ts";
import { type BuildParameters, type CollectionReport, type DatasetManifest, DatasetStore, FORMAT } from "./dataset.ts";
import { runChecks } from "./checks.ts";
import { addFeatures, keepFeatures, makeFeatures } from "./features/make-features.ts";
import { featuresPlan } from "./features/plan.ts";
import { type Decided, type Known, knownAt, reportKnown } from "./history.ts";
import { identify } from "./identify.ts";
import { type BuildInput, type PassedOver, reportInput, reportPassedOver } from "./inputs.ts";
import { type Joined, joinMembers, type MatchCounts } from "./join-report.ts";
import { customersSql, identitiesSql, ownedSql, ownersFound } from "./join.ts";
import { datasetLineage } from "./lineage.ts";
import { load, type TableReport } from "./load.ts";
import { type Normalized, normalize, prepare, type Responses } from "./normalize.ts";
import { type RowChange, rowChanges } from "./row-changes.ts";
import { quarantinedOf, refuseTooMuch } from "./quarantine.ts";
import { type OnProgress, stopIfAborted } from "./progress.ts";
import { type LineageTarget, withRunEvents } from "./run-events.ts";
import { writeContracts } from "./odcs.ts";
import { datasetPlans, tableNames } from "./tables.ts";
import { versionOf } from "./version.ts";
import type { BenchLimits, Workbench } from "../mapping/bench.ts";
import { openWorkbench } from "./workbench.ts";
import { knownShape } from "../upstream/drift/learned-fields.ts";
import type { Shape } from "../upstream/drift/shape.ts";

export interface BuildOptions {
  readonly catalog: Catalog;
  /** Where state is kept: responses are read from `<home>/raw`, the dataset goes to `<home>/dataset/<version>`. */
  readonly home: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
  /** What is asked for; all that is known, in euros, of every customer, unless given. */
  readonly parameters?: Partial<BuildParameters>;
  /** The key of responses that are kept encrypted. */
  readonly rawKey?: RawKey;
  readonly retention?: DatasetRetention;
  /** What is checked; the checks of the entities unless given. */
  readonly checks?: Checks;
  /** What DuckDB may use of the memory, in MiB; beyond it, tables wait on disk. */
  readonly memoryMib?: number;
  /** Where start and end are told, as OpenLineage has it, beside the file in `<home>/openlineage`. */
  readonly lineage?: LineageTarget;
}

export interface BuildResult extends DatasetManifest {
  /** The folder of the dataset. */
  readonly path: string;
  /** False when the same version was there already. */
  readonly isNew: boolean;
  /** Newer pulls that were not taken because an older one is complete. */
  readonly passedOver: readonly PassedOver[];
  /** Tables whose length differs from that in the dataset in use by more than is declared. */
  readonly rowChanges: readonly RowChange[];
}

interface Work {
  readonly bench: Workbench;
  readonly catalog: Catalog;
  readonly folder: string;
  readonly rawKey: RawKey | undefined;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal | undefined;
  readonly parameters: BuildParameters;
  readonly checks: Checks;
  readonly limits?: BenchLimits;
}

/** With the process itself some 4 GiB at most, however many records there are. */
export const DEFAULT_BUILD_MIB = 2048;

/** Every table of a dataset. */
const plans = [...datasetPlans, featuresPlan];

/**
 * Builds the tables from the newest usable responses of every collection; asks no source. The same inputs give the same version, and a version
 * that is there is not built again. Throws `REQUEST_INVALID` when there is nothing to build from, `UPSTREAM_CONTRACT` for values that
 * no column can hold exactly, `UPSTREAM_FROZEN` and `BUILD_QUARANTINE` for records that differ from what was agreed, `BUILD_CHECK` for rows that fail a check, and `STORE_UNAVAILABLE`; then no
 * dataset has changed.
 */
export async function build(options: BuildOptions): Promise<BuildResult> {
  const { catalog, home, signal, rawKey, checks = declaredChecks } = options;
  const onProgress = options.onProgress ?? (() => undefined);
  const parameters = { ...defaultParameters, ...options.parameters };
  const { asOf } = parameters;
  const known = await knownAt(catalog, home, parameters);
  const { inputs } = known.at(-1)!;
  const version = await versionOf(catalog, known, parameters, checks);
  const store = new DatasetStore(home);
  const found = await store.find(version);
  const limits = { memoryMib: options.memoryMib ?? DEFAULT_BUILD_MIB };
  const make = (folder: string) =>
    makeDataset({ catalog, folder, rawKey, onProgress, signal, parameters, checks, limits }, known, version);
  const publish = () => store.publish(version, make);
  const manifest = found ?? (await withRunEvents({ home, version, inputs, target: options.lineage }, publish));
  const changes = asOf === null ? rowChanges(await datasetInUse(store), manifest, checks) : [];
  // What was known long ago is not what readers of the newest dataset look for.
  if (asOf === null) await store.select(version);
  await pruneDatasets(home, { ...options.retention, nowMs: systemClock.nowMs() });
  const passedOver = inputs.flatMap(reportPassedOver);
  return { ...manifest, path: store.pathOf(version), isNew: found === undefined, passedOver, rowChanges: changes };
}

async function datasetInUse(store: DatasetStore): Promise<DatasetManifest | undefined> {
  const version = await store.currentVersion();
  return version === undefined ? undefined : store.find(version);
}

const defaultParameters: BuildParameters = { asOf: null, earlier: [], currency: "EUR", join: { kind: "outer" } };

/** Makes the files of a dataset in a folder: a function of inputs, decisions and code alone. */
export async function makeDataset(
  parts: Omit<Work, "bench">,
  known: readonly [...Known[], Known],
  version: string,
): Promise<DatasetManifest> {
  const history = known.slice(0, -1);
  const { inputs, decisions } = known.at(-1)!;
  const before = await earlierFeatures(parts, history, version);
  return withBench(parts, inputs, async work => {
    const { normalized, joined, checks } = await stage(work, known.at(-1)!, version);
    await makeFeatures(work.bench, known.at(-1)!, parts.parameters);
    await addFeatures(work.bench, before);
    for (const file of before) await rm(file);
    const tables = await loadTables(work);
    const collections: CollectionReport[] = [];
    for (const each of normalized) collections.push(await reportCollection(work.bench, each, joined));
    const reports = inputs.map(reportInput);
    const manifest: DatasetManifest = {
      format: FORMAT,
      version,
      isComplete: reports.every(({ verdict }) => verdict === "complete"),
      parameters: parts.parameters,
      inputs: reports,
      decisions,
      history: history.map(reportKnown),
      tables,
      collections,
      join: joined.report,
      checks,
      lineage: datasetLineage(parts.catalog),
    };
    await writeContracts(parts.folder, manifest, plans);
    return manifest;
  });
}

async function withBench<T>(
  parts: Omit<Work, "bench">,
  inputs: readonly BuildInput[],
  run: (work: Work) => Promise<T>,
): Promise<T> {
  const spill = `${parts.folder}/spill`;
  const bench = await openWorkbench(parts.catalog, spill, knownFields(inputs), parts.limits);
  try {
    return await run({ ...parts, bench });
  } finally {
    bench.close();
    await rm(spill, { recursive: true, force: true });
  }
}

/** Stages the checked tables of the entities as they were known. */
async function stage(work: Work, { inputs, decisions }: Known, version: string) {
  const { bench, folder, checks } = work;
  const normalized = await normalizeAll(work, inputs);
  await refuseTooMuch(bench, normalized, { folder, version });
  const joined = await joinTables(work, normalized, decisions);
  return { normalized, joined, checks: await runChecks(bench, normalized, checks) };
}

/** Makes the features of earlier moments, each as a build of that moment would. */
async function earlierFeatures(
  parts: Omit<Work, "bench">,
  history: readonly Known[],
  version: string,
): Promise<readonly string[]> {
  const files = history.map((_known, index) => `${parts.folder}/earlier-${index}.parquet`);
  for (const [index, known] of history.entries())
    await withBench(parts, known.inputs, async work => {
      await stage(work, known, version);
      await makeFeatures(work.bench, known, parts.parameters);
      await keepFeatures(work.bench, files[index]!);
    });
  return files;
}

/** The fields that were known before each pull. */
function knownFields(inputs: readonly BuildInput[]): (collection: string) => Shape | null {
  const shapes = new Map(
    inputs.map(({ entry, pull }) => {
      const before = pull?.manifest.fields?.before ?? null;
      return [entry.id, before && knownShape(entry.collection, before)];
    }),
  );
  return collection => shapes.get(collection) ?? null;
}

async function normalizeAll(
  { bench, folder, rawKey, onProgress, signal }: Work,
  inputs: readonly BuildInput[],
): Promise<Normalized[]> {
  await prepare(bench);
  const normalized: Normalized[] = [];
  for (const [index, input] of inputs.entries()) {
    stopIfAborted(signal, "the build");
    const each = await normalizeOne(bench, input, { table: `collection_${index}`, key: rawKey, folder: `${folder}/plain` });
    normalized.push(each);
    const { source, name } = input.entry;
    onProgress({ stage: "normalize", source: source.name, collection: name, records: each.counts.records });
  }
  return normalized;
}

/** What is kept encrypted lies in the dataset's unfinished folder as plain files meanwhile. */
async function normalizeOne(
  bench: Workbench,
  input: BuildInput,
  { table, key, folder }: { readonly table: string; readonly key: RawKey | undefined; readonly folder: string },
): Promise<Normalized> {
  const pulls = [...(input.pull === null ? [] : [input.pull]), ...input.increments];
  try {
    const responses: Responses[] = [];
    for (const pull of pulls) {
      const longestLineBytes = Math.max(0, ...pull.manifest.segments.map(segment => segment.longestLineBytes));
      const paths = await readyToRead(pull, { key, folder });
      responses.push({ pull: pull.manifest.pull, paths, longestLineBytes, ...pull.manifest.update });
    }
    return await normalize(bench, input, { table, responses });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Stages the tables of the entities, joined to their customers. */
async function joinTables(
  { bench, catalog, onProgress, signal, parameters: { join } }: Work,
  normalized: readonly Normalized[],
  decisions: readonly Decided[],
): Promise<Joined> {
  const of = (entity: EntityName) => normalized.filter(({ input }) => input.entry.collection.canonical === entity);
  onProgress({ stage: "identity", records: await identify(bench, of("Customer"), decisions) });
  const joined = await joinMembers(bench, of("Customer"), join);
  for (const entity of entityNames) {
    stopIfAborted(signal, "the build");
    const sql = entity === "Customer" ? customersSql(catalog, of(entity)) : ownedSql(entity, of(entity), join.kind);
    await bench.run(`CREATE TABLE ${tableNames[entity]} AS ${sql}`);
    onProgress({ stage: "join" });
  }
  await bench.run(`CREATE TABLE identities AS ${identitiesSql(of("Customer"))}`);
  const matches = new Map(joined.matches);
  for (const each of normalized) {
    const { id, collection } = each.input.entry;
    if (collection.canonical !== "Customer") matches.set(id, await ownersFound(bench, tableNames[collection.canonical], each));
  }
  return { ...joined, matches };
}

/** Writes all staged tables. */
async function loadTables({ bench, folder, onProgress, signal }: Work): Promise<TableReport[]> {
  const tables: TableReport[] = [];
  for (const plan of plans) {
    stopIfAborted(signal, "the build");
    const table = await load(bench, plan, folder);
    tables.push(table);
    onProgress({ stage: "load", records: table.rows });
  }
  return tables;
}

async function reportCollection(bench: Workbench, normalized: Normalized, joined: Joined): Promise<CollectionReport> {
  const { entry } = normalized.input;
  const { counts, drift } = normalized;
  const quarantined = await quarantinedOf(bench, entry);
  return {
    source: entry.source.name,
    collection: entry.name,
    ...counts,
    quarantined,
    ...(joined.matches.get(entry.id) ?? noMatches),
    drift,
  };
}

const noMatches: MatchCounts = { matched: 0, unmatched: 0, multiplyMatched: 0 };
