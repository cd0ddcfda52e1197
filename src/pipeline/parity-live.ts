import { RequestError } from "../core/errors.ts";
import { isJsonObject, type Json, valueAt } from "../core/json.ts";
import type { Clock } from "../core/ports.ts";
import type { EntityName } from "../core/canonical.ts";
import { parityQuery, recordsQuery } from "./parity-questions.ts";

/** Puts a query to the live graph. */
export type LiveQuery = (query: string, variables: Readonly<Record<string, unknown>>) => Promise<LiveAnswer>;

/** The graph's answer as GraphQL over HTTP has it. */
export interface LiveAnswer {
  readonly data?: unknown;
  readonly errors?: readonly LiveError[] | undefined;
}

interface LiveError {
  readonly message: string;
  readonly path?: readonly (string | number)[] | undefined;
  readonly extensions?: Readonly<Record<string, unknown>> | undefined;
}

export type Node = { readonly [name: string]: Json };

/** A scalar of the graph as text; null when it is null or not there. */
export function textOf(value: Json | undefined): string | null {
  if (value === undefined || value === null) return null;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A page of customers as the graph has them. */
export interface LivePage {
  readonly nodes: readonly Node[];
  /** By path below `nodes`, e.g. `3.phone`: the code of the error there. */
  readonly errors: ReadonlyMap<string, string>;
  readonly next: string | null;
}

const MAX_ATTEMPTS = 4;
const MAX_WAIT_MS = 30_000;

/** Records as the graph has them, null for one that it does not have. */
export interface LiveRecords {
  readonly nodes: readonly (Node | null)[];
  /** By path, the record's number first, e.g. `3.rate`: the code of the error there. */
  readonly errors: ReadonlyMap<string, string>;
}

/** Asks for one page of customers. Throws `REQUEST_INVALID` when there is no answer. */
export const askPage = async (live: LiveQuery, variables: Readonly<Record<string, unknown>>, clock: Clock): Promise<LivePage> =>
  pageOf(await askAgain(() => live(parityQuery, variables), clock));

/** Asks for records by id, in the order of their ids. Throws `REQUEST_INVALID` when there is no answer. */
export async function askRecords(
  live: LiveQuery,
  entity: EntityName,
  ids: readonly string[],
  clock: Clock,
): Promise<LiveRecords> {
  const variables = Object.fromEntries(ids.map((id, index) => [`r${index}`, id]));
  const { data, errors = [] } = await askAgain(() => live(recordsQuery(entity, ids.length), variables), clock);
  if (!isJsonObject(data)) throw noAnswer("records", errors);
  const nodes = ids.map((_id, index) => data[`r${index}`]);
  return {
    nodes: nodes.map(node => (isJsonObject(node) ? node : null)),
    errors: new Map(errors.map(({ path = [], extensions = {} }) => [path.join(".").slice(1), codeOf(extensions)])),
  };
}

/** Asks again, after the time that the errors state, while they say that a later try can help. */
async function askAgain(ask: () => Promise<LiveAnswer>, clock: Clock): Promise<LiveAnswer> {
  for (let attempt = 1; ; attempt++) {
    const answer = await ask();
    const waits = (answer.errors ?? []).flatMap(error => waitOf(error) ?? []);
    if (waits.length === 0 || attempt >= MAX_ATTEMPTS) return answer;
    await clock.sleep(Math.min(Math.max(...waits), MAX_WAIT_MS));
  }
}

const noAnswer = (what: string, errors: readonly LiveError[]): RequestError =>
  new RequestError("REQUEST_INVALID", `the graph gave no ${what}: ${errors[0]?.message ?? "without saying why"}`);

/** How long to wait before asking again, in ms; undefined when that would not help. */
function waitOf({ extensions = {} }: LiveError): number | undefined {
  const { retryable, retryAfterMs } = extensions;
  return retryable === true ? (typeof retryAfterMs === "number" ? retryAfterMs : 1_000) : undefined;
}

function pageOf({ data, errors = [] }: LiveAnswer): LivePage {
  const nodes = valueAt(data, "customers.nodes");
  if (!Array.isArray(nodes)) throw noAnswer("customers", errors);
  const cursor = valueAt(data, "customers.pageInfo.endCursor");
  const hasMore = valueAt(data, "customers.pageInfo.hasNextPage") === true;
  return {
    nodes: (nodes as Json[]).filter(isJsonObject),
    errors: new Map(errors.map(({ path = [], extensions = {} }) => [path.slice(2).join("."), codeOf(extensions)])),
    next: hasMore && typeof cursor === "string" ? cursor : null,
  };
}

const codeOf = ({ code }: Readonly<Record<string, unknown>>): string => (typeof code === "string" ? code : "UNKNOWN");
