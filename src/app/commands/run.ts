import { readConfig } from "../config.ts";
import { exitCodeOf } from "../exit-codes.ts";
import { abortOnSignal } from "../until-stopped.ts";
import { buildTables, printResult } from "./build.ts";
import { type PullFlags, printVerdicts, pullSources } from "./pull.ts";

/**
 * Pulls the named sources (all unless named) and builds the tables from what is kept. Exits as a pull does unless `allowPartial`; one that was stopped
 * builds nothing.
 */
export async function runCommand(
  names: readonly string[],
  options: PullFlags & { json?: boolean; allowPartial?: boolean },
): Promise<void> {
  const config = readConfig(process.env);
  const signal = abortOnSignal();
  const verdicts = await pullSources(config, { ...options, names, signal });
  const code = exitCodeOf(verdicts);
  process.exitCode = options.allowPartial && !signal.aborted ? 0 : code;
  if (!options.json) printVerdicts(verdicts);
  const result = signal.aborted ? undefined : await buildTables(config, signal);
  if (options.json) console.log(JSON.stringify({ verdicts, ...result }));
  else if (result) printResult(result);
}
