import { asError, ConfigError } from "../../core/errors.ts";
import { parseJson } from "../../core/json.ts";
import type { LiveAnswer, LiveQuery } from "../../pipeline/parity-live.ts";
import { verifyParity } from "../../pipeline/parity.ts";
import { readConfig } from "../config.ts";
import { showProgress } from "../progress.ts";
import { abortOnSignal } from "../until-stopped.ts";

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
