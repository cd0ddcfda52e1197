import { rm } from "node:fs/promises";
import { type EntityName, entityNames } from "../core/canonical.ts";
import { systemClock } from "../core/ports.ts";
import type { Catalog } from "../source/catalog.ts";
import { type IdentityDecision, IdentityDecisions } from "../store/identity-decisions.ts";
import type { RawKey } from "../store/raw/raw-key.ts";
import { type DatasetRetention, pruneDatasets } from "./dataset-retention.ts";
import { readyToRead } from "../store/raw/segment-reader.ts";
import { type BuildParameters, type CollectionReport, type DatasetManifest, DatasetStore, FORMAT } from "./dataset.ts";
import { makeFeatures } from "./features/make-features.ts";
import { featuresPlan } from "./features/plan.ts";
import { identify, matchesOf } from "./identify.ts";
import { type BuildInput, chooseInputs, type PassedOver, reportInput, reportPassedOver } from "./inputs.ts";
import { customersSql, identitiesSql, ownedSql, ownersFound } from "./join.ts";
import { datasetLineage } from "./lineage.ts";
import { load, type TableReport } from "./load.ts";
import { type Normalized, normalize, prepare, type Responses } from "./normalize.ts";
import { refuseTooMuch } from "./quarantine.ts";
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
  /** What is asked for; all that is known, in euros, unless given. */
  readonly parameters?: BuildParameters;
  /** The key of responses that are kept encrypted. */
  readonly rawKey?: RawKey;
  readonly retention?: DatasetRetention;
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
}

interface Work {
  readonly bench: Workbench;
  readonly catalog: Catalog;
  readonly folder: string;
  readonly rawKey: RawKey | undefined;
  readonly onProgress: OnProgress;
  readonly signal: AbortSignal | undefined;
  readonly decisions: readonly Pick<IdentityDecision, "type" | "a" | "b">[];
  readonly parameters: BuildParameters;
  readonly limits?: BenchLimits;
}

/** Every table of a dataset. */
const plans = [...datasetPlans, featuresPlan];

/**
 * Builds the tables from the newest usable responses of every collection; asks no source. The same inputs give the same version, and a version
 * that is there is not built again. Throws `REQUEST_INVALID` when there is nothing to build from, `UPSTREAM_CONTRACT` for values that
 * no column can hold exactly, `UPSTREAM_FROZEN` and `BUILD_QUARANTINE` for records that differ from what was agreed, and `STORE_UNAVAILABLE`; then no
 * dataset has changed.
 */
export async function build(options: BuildOptions): Promise<BuildResult> {
  const { catalog, home, signal, rawKey } = options;
  const onProgress = options.onProgress ?? (() => undefined);
  const { parameters = defaultParameters } = options;
  const { asOf } = parameters;
  const inputs = await chooseInputs(catalog, home, asOf);
  const decisions = (await new IdentityDecisions(home).list()).filter(({ at }) => asOf === null || at <= asOf);
  const version = await versionOf(catalog, inputs, decisions, parameters);
  const store = new DatasetStore(home);
  const known = await store.find(version);
  const make = (folder: string) =>
    makeDataset({ catalog, folder, rawKey, onProgress, signal, decisions, parameters }, inputs, version);
  const publish = () => store.publish(version, make);
  const manifest = known ?? (await withRunEvents({ home, version, inputs, target: options.lineage }, publish));
  // What was known long ago is not what readers of the newest dataset look for.
  if (asOf === null) await store.select(version);
  await pruneDatasets(home, { ...options.retention, nowMs: systemClock.nowMs() });
  return { ...manifest, path: store.pathOf(version), isNew: known === undefined, passedOver: inputs.flatMap(reportPassedOver) };
}

const defaultParameters: BuildParameters = { asOf: null, currency: "EUR" };

/** Makes the files of a dataset in a folder: a function of inputs, decisions and code alone. */
export async function makeDataset(
  parts: Omit<Work, "bench">,
  inputs: readonly BuildInput[],
  version: string,
): Promise<DatasetManifest> {
  const spill = `${parts.folder}/spill`;
  const bench = await openWorkbench(parts.catalog, spill, knownFields(inputs), parts.limits);
  try {
    const work = { ...parts, bench };
    const normalized = await normalizeAll(work, inputs);
    await refuseTooMuch(bench, normalized, { folder: parts.folder, version });
    const tables = await makeTables(work, normalized);
    const collections: CollectionReport[] = [];
    for (const each of normalized) collections.push(await reportCollection(bench, each));
    const reports = inputs.map(reportInput);
    const manifest: DatasetManifest = {
      format: FORMAT,
      version,
      isComplete: reports.every(({ verdict }) => verdict === "complete"),
      parameters: parts.parameters,
      inputs: reports,
      decisions: parts.decisions.map(({ type, a, b }) => ({ type, a, b })),
      tables,
      collections,
      lineage: datasetLineage(parts.catalog),
    };
    await writeContracts(parts.folder, manifest, plans);
    return manifest;
  } finally {
    bench.close();
    await rm(spill, { recursive: true, force: true });
  }
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

async function makeTables(
  { bench, catalog, folder, onProgress, signal, decisions, parameters, limits }: Work,
  normalized: readonly Normalized[],
): Promise<TableReport[]> {
  const of = (entity: EntityName) => normalized.filter(({ input }) => input.entry.collection.canonical === entity);
  onProgress({ stage: "identity", records: await identify(bench, of("Customer"), { decisions, ...(limits && { limits }) }) });
  for (const entity of entityNames) {
    stopIfAborted(signal, "the build");
    const sql = entity === "Customer" ? customersSql(catalog, of(entity)) : ownedSql(entity, of(entity));
    await bench.run(`CREATE TABLE ${tableNames[entity]} AS ${sql}`);
    onProgress({ stage: "join" });
  }
  await bench.run(`CREATE TABLE identities AS ${identitiesSql(of("Customer"))}`);
  await makeFeatures(
    bench,
    normalized.map(({ input }) => input),
    parameters,
  );
  const tables: TableReport[] = [];
  for (const plan of plans) {
    stopIfAborted(signal, "the build");
    const table = await load(bench, plan, folder);
    tables.push(table);
    onProgress({ stage: "load", records: table.rows });
  }
  return tables;
}

async function reportCollection(bench: Workbench, normalized: Normalized): Promise<CollectionReport> {
  const { entry } = normalized.input;
  const entity = entry.collection.canonical;
  const matches = await (entity === "Customer"
    ? matchesOf(bench, normalized)
    : ownersFound(bench, tableNames[entity], normalized));
  const { counts, drift } = normalized;
  return { source: entry.source.name, collection: entry.name, ...counts, ...matches, drift };
}
