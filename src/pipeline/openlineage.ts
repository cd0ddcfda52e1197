import type { CheckReport } from "./checks.ts";
import type { DatasetManifest } from "./dataset.ts";
import type { InputReport } from "./inputs.ts";
import type { ColumnLineage, ColumnSource } from "./lineage.ts";
import type { TableReport } from "./load.ts";
import { tableNames } from "./tables.ts";

const spec = "https://openlineage.io/spec";
/** What stands behind these events: a name that stays, not a place. */
const PRODUCER = "urn:tributary:build";
const JOB = "build";

interface Facet {
  readonly _producer: string;
  readonly _schemaURL: string;
  readonly [name: string]: unknown;
}
type Facets = Readonly<Record<string, Facet>>;

interface EventDataset {
  readonly namespace: string;
  readonly name: string;
  readonly facets?: Facets;
  readonly inputFacets?: Facets;
  readonly outputFacets?: Facets;
}

/**
 * A step in the life of a build, as OpenLineage has it. Inputs are the pulled collections, outputs the tables.
 * @see https://openlineage.io/docs/spec/object-model
 */
export interface RunEvent {
  readonly eventType: "START" | "COMPLETE" | "FAIL";
  /** RFC 3339, UTC. */
  readonly eventTime: string;
  readonly run: { readonly runId: string; readonly facets?: Facets };
  readonly job: { readonly namespace: string; readonly name: string };
  readonly inputs: readonly EventDataset[];
  readonly outputs: readonly EventDataset[];
  readonly producer: string;
  readonly schemaURL: string;
}

/** The one build that events are about. */
export interface BuildRun {
  /** A UUID. */
  readonly runId: string;
  /** Tells this installation's jobs and datasets from others'. */
  readonly namespace: string;
  readonly inputs: readonly InputReport[];
}

export const startEvent = (run: BuildRun, eventTime: string): RunEvent => ({
  ...base(run, "START", eventTime),
  inputs: run.inputs.map(input => inputDataset(run, input)),
});

/** The end of a build that has made a dataset. */
export const completeEvent = (run: BuildRun, eventTime: string, manifest: DatasetManifest): RunEvent => ({
  ...base(run, "COMPLETE", eventTime),
  inputs: run.inputs.map(input => ({ ...inputDataset(run, input), inputFacets: assertions(input, manifest) })),
  outputs: manifest.tables.map(table => outputDataset(run, table, manifest)),
});

/** The end of a build that has made nothing. `message`: what is safe to show. */
export const failEvent = (run: BuildRun, eventTime: string, message: string): RunEvent => ({
  ...base(run, "FAIL", eventTime),
  run: {
    runId: run.runId,
    facets: { errorMessage: facet("1-0-1", "ErrorMessageRunFacet", { message, programmingLanguage: "TypeScript" }) },
  },
  inputs: run.inputs.map(input => inputDataset(run, input)),
});

const base = ({ runId, namespace }: BuildRun, eventType: RunEvent["eventType"], eventTime: string): RunEvent => ({
  eventType,
  eventTime,
  run: { runId },
  job: { namespace, name: JOB },
  inputs: [],
  outputs: [],
  producer: PRODUCER,
  schemaURL: `${spec}/2-0-2/OpenLineage.json#/$defs/RunEvent`,
});

const facet = (version: string, name: string, content: object): Facet => ({
  _producer: PRODUCER,
  _schemaURL: `${spec}/facets/${version}/${name}.json#/$defs/${name}`,
  ...content,
});

const sourceNamespace = ({ namespace }: BuildRun, source: string): string => `${namespace}/${source}`;

function inputDataset(run: BuildRun, { source, collection, pull, increments }: InputReport): EventDataset {
  const datasetVersion = [pull, ...increments].join("+");
  const version = pull === null ? {} : { facets: { version: facet("1-0-1", "DatasetVersionDatasetFacet", { datasetVersion }) } };
  return { namespace: sourceNamespace(run, source), name: collection, ...version };
}

function assertions(input: InputReport, { collections, checks }: DatasetManifest): Facets {
  const { source, collection, verdict } = input;
  const report = collections.find(each => each.source === source && each.collection === collection);
  const said = [
    { assertion: "complete", success: verdict === "complete" },
    { assertion: "none_in_quarantine", success: report?.quarantined === 0 },
    { assertion: "all_values_readable", success: report?.issues === 0 },
    { assertion: "keys_unique", success: report?.duplicates === 0 },
    ...checks.filter(({ table }) => table === tableNames[input.entity]).map(check => checkAssertion(input, check)),
  ];
  return { dataQualityAssertions: facet("1-0-1", "DataQualityAssertionsDatasetFacet", { assertions: said }) };
}

/** A check is said of every collection that its table was made of; where it is known whose rows fail, of those only. */
function checkAssertion({ source, collection }: InputReport, { table, check, columns, failed, failedIn }: CheckReport) {
  const isAnothers = failedIn.length > 0 && !failedIn.includes(`${source}.${collection}`);
  const column = columns.length === 1 ? { column: columns[0]! } : {};
  return { assertion: `${table}.${check}`, success: failed === 0 || isAnothers, ...column };
}

function outputDataset(run: BuildRun, { name, rows, files }: TableReport, { version, lineage }: DatasetManifest): EventDataset {
  const columns = lineage.filter(({ table }) => table === name);
  const fields = columns.map(({ column, type, made }) => ({ name: column, type, ...(made !== null && { description: made }) }));
  const size = files.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  const described =
    columns.length === 0
      ? {}
      : { schema: facet("1-1-1", "SchemaDatasetFacet", { fields }), columnLineage: lineageFacet(run, columns) };
  return {
    namespace: run.namespace,
    name,
    facets: { version: facet("1-0-1", "DatasetVersionDatasetFacet", { datasetVersion: version }), ...described },
    outputFacets: {
      outputStatistics: facet("1-0-2", "OutputStatisticsOutputDatasetFacet", { rowCount: rows, size, fileCount: files.length }),
    },
  };
}

function lineageFacet(run: BuildRun, columns: readonly ColumnLineage[]): Facet {
  const fields = columns
    .filter(({ sources }) => sources.some(({ inputs }) => inputs.length > 0))
    .map(({ column, sources }) => [column, { inputFields: sources.flatMap(source => inputFields(run, source)) }] as const);
  return facet("1-2-0", "ColumnLineageDatasetFacet", { fields: Object.fromEntries(fields) });
}

const inputFields = (run: BuildRun, { source, collection, inputs, rule, unit, version, rank }: ColumnSource) =>
  inputs.map(field => {
    const place = rank === null ? "" : `, survivorship rank ${rank}`;
    const description = `rule ${rule}${unit === null ? "" : ` in ${unit}`}, version ${version}${place}`;
    const transformations = [{ type: "DIRECT", subtype: "TRANSFORMATION", description, masking: false }];
    return { namespace: sourceNamespace(run, source), name: collection, field, transformations };
  });
