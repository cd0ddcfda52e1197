import { asError, ConfigError, RequestError } from "../../core/errors.ts";
import type { InboxEvent } from "../../store/inbox.ts";
import type { CompletenessDay, Reconciliation } from "../../store/completeness.ts";
import { readConfig } from "../config.ts";
import { createLogger } from "../logger.ts";
import { ConfiguredSecrets } from "../secrets.ts";

interface Options {
  readonly url?: string;
  readonly json?: boolean;
}

interface ListOptions extends Options {
  readonly state?: string;
  readonly source?: string;
  readonly limit?: string;
}

type Shown = Omit<InboxEvent, "body">;
/** A reconciliation reads whole sources. */
const TIMEOUT_MS = 1_800_000;

/** Lists the inbox of a running server, the newest first. */
export async function intakeListCommand(options: ListOptions): Promise<void> {
  const { state, source, limit } = options;
  const query = new URLSearchParams(
    Object.entries({ state, source, limit }).filter(([, value]) => value !== undefined) as [string, string][],
  );
  const { events } = await ask<{ events: readonly Shown[] }>(options, `events?${query.toString()}`);
  if (options.json) return console.log(JSON.stringify(events));
  if (events.length === 0) console.log("There are no such events.");
  for (const event of events) console.log(lineOf(event));
}

/** Shows one event, with its text. */
export async function intakeShowCommand(id: string, options: Options): Promise<void> {
  const { body, ...event } = await ask<InboxEvent>(options, `events/${encodeURIComponent(id)}`);
  if (options.json) return console.log(JSON.stringify({ ...event, body }));
  console.log(lineOf(event));
  console.log(`  known by ${event.identity}, came ${event.deliveries} times, first by ${event.channel}`);
  console.log(body);
}

/** Lets dead events be processed anew, or gives events up. */
export async function intakeDecideCommand(
  action: "retry" | "discard",
  ids: readonly string[],
  options: Options & { all?: boolean },
) {
  if (options.all !== true && ids.length === 0)
    throw new RequestError("REQUEST_INVALID", "name the events by their ids, or say --all for all that are dead");
  const body = JSON.stringify({ ids: options.all ? "all" : ids });
  const { events } = await ask<{ events: number }>(options, action, { method: "POST", body });
  if (options.json) return console.log(JSON.stringify({ events }));
  console.log(`${events} ${events === 1 ? "event" : "events"} ${action === "retry" ? "will be processed anew" : "discarded"}.`);
}

/** Reads sources for what their webhooks missed. */
export async function intakeReconcileCommand(sources: readonly string[], options: Options & { full?: boolean }): Promise<void> {
  const body = JSON.stringify({ sources, full: options.full === true });
  const { reconciliations } = await ask<{ reconciliations: readonly Reconciliation[] }>(options, "reconcile", {
    method: "POST",
    body,
  });
  if (options.json) console.log(JSON.stringify(reconciliations));
  else for (const run of reconciliations) console.log(runLine(run));
  if (reconciliations.some(({ problem }) => problem !== null)) process.exitCode = 2;
}

/** Says how complete events were, day by day, and how the last reconciliations went. */
export async function intakeCompletenessCommand(options: Options & { days?: string }): Promise<void> {
  type Answer = { days: readonly CompletenessDay[]; reconciliations: readonly Reconciliation[] };
  const answer = await ask<Answer>(options, `completeness?days=${encodeURIComponent(options.days ?? "7")}`);
  if (options.json) return console.log(JSON.stringify(answer));
  if (answer.days.length === 0) console.log("No events have come, and none were missed.");
  for (const { day, source, delivered, missed, duplicated, late, outOfOrder } of answer.days) {
    const share = delivered + missed === 0 ? 100 : (100 * delivered) / (delivered + missed);
    console.log(
      `${day} ${source}: ${share.toFixed(1)} % complete: ${delivered} delivered, ${missed} missed, ${duplicated} duplicated, ${late} late, ${outOfOrder} out of order`,
    );
  }
  for (const run of answer.reconciliations) console.log(runLine(run));
}

/** The last reconciliations of a running server; null, and told why, when none answers. */
export async function lastReconciliations(): Promise<readonly Reconciliation[] | null> {
  try {
    return (await ask<{ reconciliations: readonly Reconciliation[] }>({}, "completeness?days=1")).reconciliations;
  } catch (thrown) {
    console.error(`Reconciliations are not listed: ${asError(thrown).message}.`);
    return null;
  }
}

/** A reconciliation in a line. */
export const runLine = ({ source, endedAtMs, isFull, records, found, problem }: Reconciliation): string =>
  `${source} reconciled at ${new Date(endedAtMs).toISOString()}: ${records} ${isFull ? "records" : "changed records"} read, ${found} were others than we knew${problem === null ? "" : ` (${problem})`}`;

function lineOf({ id, source, collection, key, type, state, attempts, receivedAtMs, dueAtMs, outcome }: Shown): string {
  const object = collection === null ? source : `${collection}:${key}`;
  const next = state === "waiting" && attempts > 0 ? `, again at ${new Date(dueAtMs).toISOString()}` : "";
  const tries = attempts > 1 ? ` after ${attempts} attempts` : "";
  return `${id} ${new Date(receivedAtMs).toISOString()} ${object} ${type}: ${state}${tries}${outcome === null ? "" : ` (${outcome})`}${next}`;
}

async function ask<Answer>({ url }: Options, path: string, init: RequestInit = {}): Promise<Answer> {
  const config = readConfig(process.env);
  const base = url ?? `http://127.0.0.1:${config.port}`;
  const secrets = new ConfiguredSecrets(process.env, createLogger("silent", null));
  const token =
    secrets.originOf("INTAKE_TOKEN") === undefined ? {} : { authorization: `Bearer ${secrets.read("INTAKE_TOKEN").reveal()}` };
  const headers = { ...token, ...(init.body ? { "content-type": "application/json" } : {}) };
  let response: Response;
  try {
    response = await fetch(`${base}/intake/${path}`, { ...init, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (cause) {
    throw new ConfigError("CONFIG_INVALID", `no server answers at ${base}: start one, or name it with --url`, { cause });
  }
  const answer = (await response.json()) as Answer & { errors?: readonly { message: string }[] };
  if (!response.ok)
    throw new RequestError("REQUEST_INVALID", answer.errors?.[0]?.message ?? `the server answered ${response.status}`);
  return answer;
}
