import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { asError, ConfigError } from "../../core/errors.ts";
import { measureAccuracy } from "../../identity/matching/accuracy.ts";
import { levelNames } from "../../identity/matching/comparison.ts";
import { levelWeight } from "../../identity/matching/estimate.ts";
import { matchRecords, type MatchReport } from "../../identity/matching/match.ts";
import { type MatchModel, readModel } from "../../identity/matching/model.ts";
import { loadFile } from "../../identity/matching/prepare.ts";
import { weightChart } from "../../identity/matching/report.ts";
import { named, quoted } from "../../mapping/sql-text.ts";
import { openBench, type Workbench } from "../../mapping/bench.ts";

interface MatchOptions {
  readonly input: readonly string[];
  readonly config?: string;
  readonly output: string;
  readonly truth?: string;
  readonly json?: boolean;
}

/** Finds the rows of CSV or Parquet files that are one entity and writes clusters: source, key, cluster. */
export async function matchCommand(options: MatchOptions): Promise<void> {
  const model = options.config === undefined ? {} : modelIn(options.config);
  const bench = await openBench(null);
  try {
    const columns = await loadInputs(bench, options.input, model);
    if (options.truth !== undefined && !columns.includes(options.truth))
      throw new ConfigError("CONFIG_INVALID", `--truth: no input has a column ${options.truth}; there are ${columns.join(", ")}`);
    const report = await matchRecords(bench, columns, {
      ...model,
      ignore: [...(model.ignore ?? []), ...(options.truth ? [options.truth] : [])],
    });
    await writeClusters(bench, options.output);
    const accuracy = options.truth === undefined ? undefined : await accuracyBy(bench, options.truth);
    if (options.json) console.log(JSON.stringify({ ...summary(report), output: options.output, ...(accuracy && { accuracy }) }));
    else print(report, options.output, accuracy);
  } finally {
    bench.close();
  }
}

function modelIn(file: string): MatchModel {
  if (!existsSync(file)) throw new ConfigError("CONFIG_INVALID", `--config: there is no file ${file}`);
  try {
    return readModel(JSON.parse(readFileSync(file, "utf8")));
  } catch (thrown) {
    if (thrown instanceof ConfigError) throw thrown;
    throw new ConfigError("CONFIG_INVALID", `--config: ${file} is not JSON: ${asError(thrown).message}`);
  }
}

async function loadInputs(bench: Workbench, files: readonly string[], model: MatchModel): Promise<readonly string[]> {
  const columns = new Set<string>();
  for (const [index, file] of files.entries()) {
    if (!existsSync(file)) throw new ConfigError("CONFIG_INVALID", `--input: there is no file ${file}`);
    const name =
      files.filter(other => basename(other) === basename(file)).length > 1 ? `${index + 1}-${basename(file)}` : basename(file);
    for (const column of await loadFile(bench, file, name, model.key)) columns.add(column);
  }
  return [...columns];
}

async function writeClusters(bench: Workbench, output: string): Promise<void> {
  const format = /\.parquet$/i.test(output) ? "FORMAT parquet" : "FORMAT csv, HEADER";
  await bench.run(
    `COPY (SELECT source, key, cluster FROM cluster ORDER BY cluster, source, key) TO ${quoted(output)} (${format})`,
  );
}

async function accuracyBy(bench: Workbench, column: string) {
  await bench.run(`CREATE TABLE truth AS SELECT source, key, ${named(column)} AS entity FROM input`);
  return measureAccuracy(bench);
}

const summary = ({ records, pairs, links, clusters, blocking, prior, fields }: MatchReport) => ({
  records,
  pairs,
  links,
  clusters,
  blocking,
  prior,
  fields: fields.map(estimate => ({
    column: estimate.field.column,
    kind: estimate.field.kind,
    levels: levelNames(estimate.field).map((name, level) => ({
      name,
      m: estimate.m[level],
      u: estimate.u[level],
      weight: levelWeight(estimate, level),
    })),
  })),
});

function print(report: MatchReport, output: string, accuracy: Awaited<ReturnType<typeof measureAccuracy>> | undefined): void {
  console.log(weightChart(report));
  console.log(`Blocking: ${report.blocking.join("; ")}`);
  console.log(
    `${report.records} records, ${report.pairs} pairs looked at, ${report.links} links, ${report.clusters} clusters: ${output}`,
  );
  for (const [name, { precision, recall, f1 }] of Object.entries(accuracy ?? {}))
    console.log(`By ${name}: precision ${precision.toFixed(4)}, recall ${recall.toFixed(4)}, F1 ${f1.toFixed(4)}`);
}
