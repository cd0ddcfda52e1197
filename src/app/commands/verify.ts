import { asError, ConfigError } from "../../core/errors.ts";
import { parseJson } from "../../core/json.ts";
import type { LiveAnswer, LiveQuery } from "../../pipeline/parity-live.ts";
import { verifyParity } from "../../pipeline/parity.ts";
import { verifyVersion } from "../../pipeline/verify-version.ts";
import { readConfig } from "../config.ts";
import { createLogger } from "../logger.ts";
import { showProgress } from "../progress.ts";
import { rawKeyOption } from "../raw-key.ts";
import { discoverSources } from "../registry.ts";
import { abortOnSignal } from "../until-stopped.ts";

/** Derives a version once more from the kept responses and compares every byte; exits with 1 when one differs. */
export async function verifyVersionCommand(version: string | undefined, options: { json?: boolean }): Promise<void> {
  const { home, logLevel, logFile } = readConfig(process.env);
  const key = rawKeyOption(process.env, createLogger(logLevel, logFile ?? `${home}/tributary.log`));
  const progress = showProgress();
  const which = version === undefined ? {} : { version };
  const parts = { catalog: await discoverSources(), home, signal: abortOnSignal(), onProgress: progress.show, ...key, ...which };
  const result = await verifyVersion(parts).finally(() => progress.end());
  if (options.json) console.log(JSON.stringify(result));
  else {
    for (const { name, outcome } of result.files) if (outcome !== "equal") console.log(`${name}: ${outcome}`);
    const equal = result.files.filter(({ outcome }) => outcome === "equal").length;
    console.log(
      `Dataset ${result.version}, derived anew with ${result.threads} threads: ${equal} of ${result.files.length} files equal, byte for byte`,
    );
  }
  if (!result.isReproduced) process.exitCode = 1;
}

const TIMEOUT_MS = 60_000;

/** Compares every customer's live answer with its rows in the current dataset, field by field; exits with 1 when one differs. */
export async function verifyParityCommand(options: { url?: string; json?: boolean }): Promise<void> {
  const { home, port } = readConfig(process.env);
  const live = graphAt(options.url ?? `http://127.0.0.1:${port}/graphql`);
  const progress = showProgress();
  const parts = { home, live, signal: abortOnSignal(), onProgress: progress.show };
  const result = await verifyParity(parts).finally(() => progress.end());
  if (options.json) console.log(JSON.stringify(result));
  else {
    for (const difference of result.differences) console.log(JSON.stringify(difference));
    const share = result.fields === 0 ? 0 : (100 * result.equal) / result.fields;
    console.log(
      `${result.customers} customers, ${result.fields} values compared, ${result.equal} equal (${share.toFixed(2)} %), dataset ${result.version}`,
    );
    const { customers, records } = result.leftOut;
    if (customers + records > 0)
      console.log(
        `The dataset does without ${customers} customers and ${records} records of the graph: its join and its checks left them out.`,
      );
  }
  if (!result.isEqual) process.exitCode = 1;
}

const graphAt =
  (url: string): LiveQuery =>
  async (query, variables) => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/graphql-response+json" },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch((cause: unknown) => {
      throw new ConfigError(
        "CONFIG_INVALID",
        `no graph answers at ${url} (${asError(cause).message}): run tributary start or serve, or name it with --url`,
        { cause },
      );
    });
    return parseJson(await response.text()) as unknown as LiveAnswer;
  };
