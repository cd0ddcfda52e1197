/** One request to a source, described and not yet sent. `src/upstream` is the only place that sends it. */
export interface UpstreamRequest {
  /** The route class: names the request in limits, breaker, logs and errors, e.g. `things.batchRead`. Never holds a key. */
  readonly operation: string;
  readonly method: "GET" | "POST";
  /** Path under the source's base URL, starting with `/`; values in it are already percent-encoded. */
  readonly path: string;
  readonly query?: Parameters;
  readonly body?: RequestBody;
  /** Whether sending it twice does no harm; only then, or with an idempotency key, is it retried. */
  readonly isSafe: boolean;
  /**
   * Makes the source take a second sending for the first: the same for every attempt of one intent, new for every intent, at most 255 characters.
   * Needs `client.idempotency`.
   */
  readonly idempotencyKey?: string;
  /** Whether 404 or 410 says that a record is not there; otherwise they say that the address is wrong. */
  readonly mayBeAbsent?: boolean;
  /** What it takes from a limit that counts requests; 1 unless stated. */
  readonly weight?: number;
  /** What it takes from a budget that counts points; 1 unless stated. */
  readonly cost?: number;
}

/** Query or variable values; an undefined one is left out. */
export type Parameters = Readonly<Record<string, string | number | boolean | undefined>>;

export type RequestBody =
  | { readonly type: "json"; readonly value: unknown }
  | { readonly type: "form"; readonly value: Parameters }
  | { readonly type: "graphql"; readonly document: string; readonly variables: Readonly<Record<string, unknown>> };

/** A read by GET. */
export const get = (operation: string, path: string, query: Parameters = {}): UpstreamRequest => ({
  operation,
  method: "GET",
  path,
  query,
  isSafe: true,
});

/** A read that the provider wants as a POST with a JSON body, e.g. a batch read: safe to repeat. */
export const readByPost = (operation: string, path: string, value: unknown): UpstreamRequest => ({
  operation,
  method: "POST",
  path,
  body: { type: "json", value },
  isSafe: true,
});

/** A GraphQL query (never a mutation): safe to repeat. `cost` is what the provider will count for it, estimated from above. */
export const graphqlQuery = (
  operation: string,
  path: string,
  document: string,
  variables: Readonly<Record<string, unknown>>,
  cost = 1,
): UpstreamRequest => ({ operation, method: "POST", path, body: { type: "graphql", document, variables }, isSafe: true, cost });

/** Whether a request may be sent again: it is safe, or carries a key by which its source knows it again. */
export const isRepeatable = (request: UpstreamRequest): boolean => request.isSafe || request.idempotencyKey !== undefined;
