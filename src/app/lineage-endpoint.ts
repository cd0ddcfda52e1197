import { asError, ConfigError } from "../core/errors.ts";
import type { Logger } from "../core/ports.ts";
import type { Secret } from "../core/secret.ts";
import type { RunEvent } from "../pipeline/openlineage.ts";
import type { LineageTarget } from "../pipeline/run-events.ts";
import { ConfiguredSecrets } from "./secrets.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where OpenLineage's clients send events to, below the address of a server. */
const DEFAULT_PATH = "/api/v1/lineage";
const API_KEY = "OPENLINEAGE_API_KEY";

export interface LineageEndpoint {
  /** The server's address; one with a path of its own is taken as it is. */
  readonly url: string;
  readonly namespace: string;
  readonly timeoutMs: number;
  readonly apiKey?: Secret;
  readonly logger: Logger;
  /** Says to whoever started the build that an event was not taken. */
  readonly warn: (text: string) => void;
}

/** Sends events to an OpenLineage server. One that is not taken is said aloud and logged, and never fails the build. Throws `CONFIG_INVALID` for what is no address. */
export function lineageEndpoint({ url, namespace, timeoutMs, apiKey, logger, warn }: LineageEndpoint): LineageTarget {
  const target = URL.parse(url);
  if (target === null || !/^https?:$/.test(target.protocol))
    throw new ConfigError("CONFIG_INVALID", "OPENLINEAGE_URL is not an http or https address");
  if (target.pathname === "/") target.pathname = DEFAULT_PATH;
  const headers = { "content-type": "application/json", ...(apiKey && { authorization: `Bearer ${apiKey.reveal()}` }) };
  const post = async (event: RunEvent): Promise<string | null> => {
    const body = JSON.stringify(event);
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(target, { method: "POST", headers, body, signal, redirect: "error" });
    await response.body?.cancel();
    return response.ok ? null : `it answered ${response.status}`;
  };
  return {
    namespace,
    async emit(event) {
      const problem = await post(event).catch(problemOf);
      if (problem === null) return;
      logger.error(
        { eventType: event.eventType, runId: event.run.runId, host: target.host, problem },
        "a lineage event was not taken",
      );
      warn(
        `The lineage event ${event.eventType} was not taken by ${target.host}: ${problem}. It is in the home's folder openlineage.`,
      );
    },
  };
}

/** What `fetch` throws says why only in its cause; neither holds more of the address than the host. */
function problemOf(thrown: unknown): string {
  const { message, cause } = asError(thrown);
  return cause === undefined ? message : `${message} (${asError(cause).message})`;
}

/** The endpoint that the environment names, as an option of a build; none where none is named. Throws `CONFIG_INVALID` and `CONFIG_SECRET_MISSING`. */
export function lineageOption(
  { lineage }: { readonly lineage: { readonly url: string | null; readonly namespace: string; readonly timeoutMs: number } },
  environment: Environment,
  logger: Logger,
): { readonly lineage?: LineageTarget } {
  if (lineage.url === null) return {};
  const secrets = new ConfiguredSecrets(environment, logger);
  const apiKey = secrets.originOf(API_KEY) === undefined ? {} : { apiKey: secrets.read(API_KEY) };
  return { lineage: lineageEndpoint({ ...lineage, url: lineage.url, ...apiKey, logger, warn: text => console.error(text) }) };
}
