import { type ErrorCode, errorTable, RequestError } from "../../core/errors.ts";

/** What one request may ask for at most; every limit is checked before anything is executed. */
export interface QueryLimits {
  /** Fields inside one another, fragments written out. */
  readonly maxDepth: number;
  /** Static cost by the weights in the schema; an object counts 1 unless its type says otherwise. */
  readonly maxCost: number;
  /** Aliases in a document. */
  readonly maxAliases: number;
  /** Tokens of a document, and selections of it once its fragments are written out. */
  readonly maxTokens: number;
  /** Directives in a document. */
  readonly maxDirectives: number;
  /** Operations in one HTTP request. */
  readonly maxBatch: number;
  /** Items that a slicing argument may ask for. */
  readonly maxListSize: number;
  /** Estimated requests to sources. */
  readonly maxUpstreamCalls: number;
  /** Size of an HTTP request's body. */
  readonly maxBodyBytes: number;
}

/** Room for 100 customers with invoices, tickets and a month of usage in one query; none for a query that would run into its deadline anyway. */
export const defaultLimits: QueryLimits = {
  maxDepth: 12,
  maxCost: 20_000,
  maxAliases: 60,
  maxTokens: 4_000,
  maxDirectives: 60,
  maxBatch: 5,
  maxListSize: 200,
  maxUpstreamCalls: 400,
  maxBodyBytes: 256 * 1024,
};

type LimitCode = Extract<ErrorCode, `LIMIT_${string}`>;

/** What was asked for and what is allowed. */
interface Excess {
  /** The value in a sentence, e.g. `the query is 19 levels deep`. */
  readonly fact: string;
  readonly value: number;
  readonly limit: number;
}

/** The error for a request beyond a limit: names value, limit and the remedy of the error table; `details` has `limit` and `value`. */
export function beyondLimit(code: LimitCode, { fact, value, limit }: Excess): RequestError {
  return new RequestError(code, `${fact}, the limit is ${limit}. ${errorTable.Request[code].remedy}`, {
    details: { limit, value },
  });
}

/** Throws `beyondLimit` when the value is larger than the limit. */
export function checkLimit(code: LimitCode, excess: Excess): void {
  if (excess.value > excess.limit) throw beyondLimit(code, excess);
}

/** A sum or product that stays a safe integer, so that bombs cannot turn it into `Infinity` or `NaN`. */
export const saturated = (value: number): number => Math.min(value, Number.MAX_SAFE_INTEGER);
