/** Every error the product raises: few classes, many stable codes, one table that also documents them. */

interface ErrorRow {
  readonly retryable: boolean;
  /** What the reader can do about it. */
  readonly remedy: string;
}

const row = (retryable: boolean, remedy: string): ErrorRow => ({ retryable, remedy });

/** Codes by class. A code never changes its meaning; `retryable` is its default and an error may state otherwise. */
export const errorTable = {
  Config: {
    CONFIG_INVALID: row(false, "Correct the setting that the message names."),
    CONFIG_SECRET_MISSING: row(false, "Set the environment variable that the message names."),
    SOURCE_INVALID: row(false, "Correct the declaration at the place that the message names."),
  },
  Request: {
    REQUEST_INVALID: row(false, "Correct the argument that the message names."),
    CUSTOMER_KEY_AMBIGUOUS: row(false, "Ask with customer(by: {source, key}) or with one of the listed canonical ids."),
    RATE_UNAVAILABLE: row(false, "Ask for another currency, or declare a source that has the rate."),
    SOURCE_UNKNOWN: row(false, "Use one of the listed sources."),
    CURSOR_INVALID: row(false, "Use a cursor that this connection returned, with the same arguments."),
    DATASET_UNKNOWN: row(false, "Build the tables with `tributary run`, or ask for a version that `datasets` lists."),
    LIMIT_DEPTH: row(false, "Nest fewer selections."),
    LIMIT_COST: row(false, "Ask for smaller lists or fewer fields."),
    LIMIT_ALIASES: row(false, "Split the aliases over several requests."),
    LIMIT_TOKENS: row(false, "Shorten the query, or move data into variables."),
    LIMIT_DIRECTIVES: row(false, "Use fewer directives."),
    LIMIT_BATCH: row(false, "Send fewer operations in one HTTP request."),
    LIMIT_LIST_SIZE: row(false, "Ask for fewer items and follow the page cursor."),
    LIMIT_UPSTREAM_CALLS: row(false, "Ask for fewer customers at once, or fewer fields that cannot be batched."),
    LIMIT_FRAGMENT_CYCLE: row(false, "Remove the fragment that spreads itself."),
    LIMIT_BODY_SIZE: row(false, "Send a smaller request."),
    LIMIT_SUBSCRIPTIONS: row(true, "Close subscriptions that are not needed, or come back later."),
    SUBSCRIPTION_SLOW: row(true, "Read faster or subscribe to less; read anew what you follow, and subscribe again."),
    SUBSCRIPTION_GAP: row(true, "Read anew what you follow, and subscribe again."),
  },
  Access: {
    ACCESS_HOST: row(false, "Call the server by its own name, or name it in ALLOWED_HOSTS."),
    ACCESS_EXPORT: row(
      false,
      "Send EXPORT_TOKEN as a bearer token, or ask from this machine where the server listens on loopback and has none.",
    ),
    ACCESS_INTAKE: row(
      false,
      "Send INTAKE_TOKEN as a bearer token, or ask from this machine where the server listens on loopback and has none.",
    ),
    ACCESS_CROSS_SITE: row(false, "Ask from the same site, or send the header X-Tributary-Preflight: 1."),
  },
  Upstream: {
    UPSTREAM_AUTH: row(false, "Renew the source's credentials."),
    UPSTREAM_FORBIDDEN: row(false, "Grant the source's credential the scope that it lacks."),
    UPSTREAM_NOT_FOUND: row(false, "The record is not in the source any more."),
    UPSTREAM_REJECTED: row(false, "The source refuses this request for good; see its status."),
    UPSTREAM_THROTTLED: row(true, "Come back after retryAfterMs."),
    UPSTREAM_QUOTA_SPENT: row(true, "The source's quota for the day is spent; come back at resumesAt."),
    UPSTREAM_UNAVAILABLE: row(true, "Come back after retryAfterMs."),
    UPSTREAM_TIMEOUT: row(true, "Come back after retryAfterMs, or give a longer deadline."),
    UPSTREAM_CONNECTION: row(true, "Come back after retryAfterMs; check the network and the source's base URL."),
    UPSTREAM_DEADLINE: row(true, "Give a longer deadline, or come back after retryAfterMs."),
    UPSTREAM_BREAKER_OPEN: row(true, "The source failed repeatedly and rests; come back after retryAfterMs."),
    UPSTREAM_MALFORMED: row(true, "The source sent something that is not the JSON it promises; come back later."),
    UPSTREAM_EMPTY: row(true, "The source sent no content where a record was promised; come back later."),
    UPSTREAM_GRAPHQL: row(false, "The source reported errors inside its answer."),
    UPSTREAM_TOO_LARGE: row(false, "Raise the source's response size limit, or ask for less."),
    UPSTREAM_CANCELLED: row(true, "The client went away; ask again."),
    UPSTREAM_LISTING: row(false, "The source's listing cannot be read to its end; see the guard that the message names."),
  },
  Contract: {
    UPSTREAM_CONTRACT: row(false, "The source changed its shape: adapt the declaration's contract or mapping."),
    UPSTREAM_FROZEN: row(
      false,
      "The source changed the shape of a collection that is frozen: adapt its contract, or its drift policy.",
    ),
    BUILD_CHECK: row(
      false,
      "Look at the rows that the message names in their source; correct them there, or the check in src/core/checks.ts: its bound, severity or maxShare.",
    ),
    BUILD_QUARANTINE: row(false, "Look at the file that the message names, and adapt the contract or maxQuarantinedShare."),
  },
  Store: {
    STORE_UNAVAILABLE: row(true, "Check the store that the message names, or else /readyz."),
    STORE_NEWER: row(false, "A newer release has used this store: run that one, or name another store."),
    MIRROR_FULL: row(false, "Raise freshness.maxMirrored of the collection, or let its source be asked for each customer."),
    INDEX_NOT_READY: row(true, "The first fill of the customer index is still running; come back after retryAfterMs."),
  },
  Internal: {
    INTERNAL: row(false, "Report the request id; the log has the cause."),
  },
} as const satisfies Record<string, Readonly<Record<string, ErrorRow>>>;

type Table = typeof errorTable;
export type ErrorCode = { [C in keyof Table]: keyof Table[C] }[keyof Table];
type CodeOf<C extends keyof Table> = keyof Table[C] & string;

const rows: Readonly<Record<string, ErrorRow>> = Object.assign({}, ...Object.values(errorTable));

/** Facts about an error that may be shown: never a secret, an upstream body or a URL's query. */
export interface ErrorDetails {
  readonly source?: string;
  readonly collection?: string;
  readonly httpStatus?: number;
  readonly attempts?: number;
  readonly retryAfterMs?: number;
  readonly requestId?: string;
  readonly [name: string]: unknown;
}

interface ErrorOptions {
  readonly details?: ErrorDetails;
  readonly cause?: unknown;
  readonly retryable?: boolean;
}

/** The one base: a stable `code`, whether a retry can help, and details that are safe to show. */
export class TributaryError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly retryable: boolean;
  readonly details: ErrorDetails;
  constructor(code: Code, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.retryable = options.retryable ?? rows[code]?.retryable ?? false;
    this.details = options.details ?? {};
  }
  /** What the reader can do about it, from the error table. */
  get remedy(): string {
    return rows[this.code]?.remedy ?? "";
  }
}

/** A setting, secret or declaration is wrong; raised at start or when a secret is first needed. */
export class ConfigError extends TributaryError<CodeOf<"Config">> {}
/** The caller asked for something that cannot be answered, or for too much. */
export class RequestError extends TributaryError<CodeOf<"Request">> {}
/** The caller may not do this. */
export class AccessError extends TributaryError<CodeOf<"Access">> {}
/** A source did not answer as it should. */
export class UpstreamError extends TributaryError<CodeOf<"Upstream">> {}
/** A source answered in a shape or with a value that its declaration does not allow. */
export class ContractError extends TributaryError<CodeOf<"Contract">> {}
/** The product's own store cannot answer. */
export class StoreError extends TributaryError<CodeOf<"Store">> {}

/** Whatever was thrown as an `Error`, so that it can be kept as a value. */
export const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));
