import { ContractError, UpstreamError } from "../../core/errors.ts";
import { isJsonObject, type Json, keyText, valueAt } from "../../core/json.ts";
import type { Pagination } from "../../source/pagination.ts";
import type { Parameters, UpstreamRequest } from "../../source/request.ts";

/** A page as it came, for a strategy to find the next one. */
export interface Answer {
  /** As it was sent. */
  readonly request: UpstreamRequest;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Json;
  readonly records: readonly Json[];
  /** The cursor that led here; null for the first page. */
  readonly cursor: string | null;
  /** As many records as a full page has: as were asked for, or, where all earlier pages had as many as each other, as those. */
  readonly size: number;
  /** The address under which the source is spoken to. */
  readonly baseUrl: () => string;
}

/** Where the next page starts (null: there is none), and whether it is certain that this was the end. */
export interface Step {
  readonly next: string | null;
  readonly isEndCertain: boolean;
}

/** One style of paging: how a page is asked for, and what its answer says about the next. Knows nothing of sending. */
export interface Strategy<P extends Pagination> {
  request(pages: P, request: UpstreamRequest, cursor: string | null, size: number): UpstreamRequest;
  /** Throws `UPSTREAM_CONTRACT` when what should say how it goes on is not there, `UPSTREAM_LISTING` for a promise that is not kept. */
  next(pages: P, answer: Answer): Step;
}

export const goesOn = (next: string): Step => ({ next, isEndCertain: true });
export const certainEnd: Step = { next: null, isEndCertain: true };
/** An end that only the absence of a cursor says: a full page may have been cut there. */
export const silentEnd = ({ records, size }: Answer): Step => ({ next: null, isEndCertain: records.length < size });

/** A request with more parameters, where its kind takes them: variables of a GraphQL query, members of a form or a JSON object, else the query. */
export function withParameters(request: UpstreamRequest, added: Parameters): UpstreamRequest {
  const { body } = request;
  if (body?.type === "graphql") return { ...request, body: { ...body, variables: { ...body.variables, ...added } } };
  if (body?.type === "form") return { ...request, body: { ...body, value: { ...body.value, ...added } } };
  if (body?.type === "json" && isJsonObject(body.value))
    return { ...request, body: { ...body, value: { ...body.value, ...added } } };
  return { ...request, query: { ...request.query, ...added } };
}

/** The page size as a parameter, where one is declared. */
export const sized = ({ sizeParameter }: { readonly sizeParameter?: string }, size: number): Parameters =>
  sizeParameter === undefined ? {} : { [sizeParameter]: size };

/** Whether there are more, as a flag says; throws `UPSTREAM_CONTRACT` when there is no such flag. */
export function hasMore(body: Json, path: string): boolean {
  const flag = valueAt(body, path);
  if (typeof flag === "boolean") return flag;
  throw new ContractError("UPSTREAM_CONTRACT", `${path}: no flag says whether the listing goes on; the source changed its shape`);
}

/** A number at a path that must be there; one below zero counts nothing. */
export function countAt(body: Json, path: string): number {
  const count = countIn(body, path);
  if (count !== null) return count;
  throw new ContractError("UPSTREAM_CONTRACT", `${path}: no number says how long the listing is; the source changed its shape`);
}

/** A number of things that a source may state; null when there is none. */
export function countIn(body: Json, path: string | undefined): number | null {
  const text = path === undefined ? undefined : keyText(valueAt(body, path));
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null;
}

/** The text of a cursor that was promised. */
export function promised(cursor: unknown, path: string): string {
  const text = keyText(cursor);
  if (text !== undefined) return text;
  throw listingError("broken promise", `the source promises a further page, but ${path} does not say where it starts`);
}

/** A cursor that is the end when it is absent; what should hold one but does not is a change of shape. */
export function cursorOrEnd(body: Json, path: string): string | null {
  const parent = path.includes(".") ? valueAt(body, path.slice(0, path.lastIndexOf("."))) : undefined;
  const cursor = valueAt(body, path);
  if (isJsonObject(parent) && cursor === undefined)
    throw new ContractError(
      "UPSTREAM_CONTRACT",
      `${path}: there is no page cursor where it should be; the source changed its shape`,
    );
  const text = keyText(cursor);
  const isNone = cursor === undefined || cursor === null || cursor === "" || cursor === false;
  if (text === undefined && !isNone)
    throw new ContractError(
      "UPSTREAM_CONTRACT",
      `${path}: the page cursor is neither text nor a whole number; the source changed its shape`,
    );
  return text ?? null;
}

/** A listing that cannot be read on; the guard's name is in `details.guard`. */
export const listingError = (guard: string, message: string, details: object = {}): UpstreamError =>
  new UpstreamError("UPSTREAM_LISTING", message, { details: { ...details, guard } });
