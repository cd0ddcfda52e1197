import { type KeptBuild, type KeptPull, listRuns } from "../../pipeline/runs.ts";
import { readConfig } from "../config.ts";
import { lastReconciliations, runLine } from "./intake.ts";

/** Lists the pulls and builds that are kept, with their verdicts and sizes, and the last reconciliations of a running server. */
export async function runsCommand(options: { json?: boolean }): Promise<void> {
  const { home } = readConfig(process.env);
  const runs = await listRuns(home);
  const reconciliations = await lastReconciliations();
  if (options.json) return console.log(JSON.stringify({ ...runs, reconciliations }));
  if (runs.pulls.length + runs.builds.length === 0) console.log(`There are no pulls and no builds in ${home}.`);
  for (const pull of runs.pulls) console.log(pullLine(pull));
  for (const build of runs.builds) console.log(buildLine(build));
  for (const run of reconciliations ?? []) console.log(runLine(run));
}

function pullLine({ source, collection, pull, verdict, reason, records, pages, sizeBytes, ...more }: KeptPull): string {
  const counts = `${records === null ? "" : `${records} records in `}${pages} pages, ${sizeText(sizeBytes)}`;
  const why = reason === null ? "" : ` (${reason.code})`;
  const pause = more.pausedUntil === null ? "" : `, paused until ${more.pausedUntil}`;
  const next = more.mayGoOn ? ", can be gone on with" : "";
  return `pull ${source}.${collection} ${pull}: ${verdict}${more.base === null ? "" : `, what changed after ${more.base}`}${why}, ${counts}${more.isEncrypted ? ", encrypted" : ""}${pause}${next}`;
}

const buildLine = ({ version, builtAt, isComplete, isCurrent, rows, sizeBytes }: KeptBuild): string =>
  `build ${version} of ${builtAt}: ${isComplete ? "complete" : "partial"}, ${rows} rows, ${sizeText(sizeBytes)}${isCurrent ? ", current" : ""}`;

function sizeText(bytes: number): string {
  const power = bytes < 1024 ? 0 : bytes < 1024 ** 2 ? 1 : bytes < 1024 ** 3 ? 2 : 3;
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${["B", "KiB", "MiB", "GiB"][power]}`;
}
