import { badParameter, noSuch } from "./sandbox-errors.ts";

/** The objects of one kind, newest first. */
export interface Sequence<Item> {
  /** How the provider names one: `customer`. */
  readonly object: string;
  readonly length: number;
  /** Epoch seconds; never grows as positions grow. */
  createdAt(position: number): number;
  /** The object at a position, or null when it has been deleted. */
  at(position: number): Item | null;
  /** -1 when there is no such object. */
  positionOf(id: string): number;
}

/** A page as the provider sends it. @see https://docs.stripe.com/api/pagination */
export interface Page<Item> {
  readonly object: "list";
  readonly url: string;
  readonly has_more: boolean;
  readonly data: readonly Item[];
}

/** Query parameters after parsing: repeated names arrive as lists. */
export type Query = Readonly<Record<string, string | readonly string[]>>;

const PAGING = ["limit", "starting_after", "ending_before"];
const CREATED = ["created", "created[gt]", "created[gte]", "created[lt]", "created[lte]"];
const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 100;

/** One value of a parameter, undefined when absent. Throws for a repeated one. */
export function single(query: Query, name: string): string | undefined {
  const value = query[name];
  if (typeof value === "object") throw badParameter(name, "parameter_invalid_string", `Invalid string: ${value.join(", ")}`);
  return value;
}

/** Refuses parameters that the route does not know, as the provider does. */
function refuseUnknown(query: Query, known: readonly string[]): void {
  const unknown = Object.keys(query).find(name => !known.includes(name));
  if (unknown !== undefined) throw badParameter(unknown, "parameter_unknown", `Received unknown parameter: ${unknown}`);
}

function integer(query: Query, name: string): number | undefined {
  const text = single(query, name);
  if (text === undefined) return undefined;
  if (!/^-?\d+$/.test(text)) throw badParameter(name, "parameter_invalid_integer", `Invalid integer: ${text}`);
  return Number(text);
}

function limitOf(query: Query): number {
  const limit = integer(query, "limit") ?? DEFAULT_LIMIT;
  if (limit >= 1 && limit <= MAX_LIMIT) return limit;
  const bound = limit < 1 ? "greater than or equal to 1" : `less than or equal to ${MAX_LIMIT}`;
  throw badParameter("limit", "parameter_invalid_integer", `This value must be ${bound}.`);
}

/** The first position whose object is older than an instant. */
function firstBefore(sequence: Sequence<unknown>, seconds: number): number {
  let low = 0;
  for (let high = sequence.length; low < high;) {
    const middle = (low + high) >>> 1;
    if (sequence.createdAt(middle) >= seconds) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The stretch of positions that the `created` filters leave. */
function stretchOf(sequence: Sequence<unknown>, query: Query): readonly [from: number, to: number] {
  const at = integer(query, "created");
  const lower = [at, integer(query, "created[gte]"), (integer(query, "created[gt]") ?? Number.NaN) + 1];
  const upper = [at, integer(query, "created[lte]"), (integer(query, "created[lt]") ?? Number.NaN) - 1];
  const known = (bounds: readonly (number | undefined)[]) =>
    bounds.filter(bound => bound !== undefined && !Number.isNaN(bound)) as number[];
  const latest = Math.min(...known(upper));
  const earliest = Math.max(...known(lower));
  return [
    latest === Infinity ? 0 : firstBefore(sequence, latest + 1),
    earliest === -Infinity ? sequence.length : firstBefore(sequence, earliest),
  ];
}

function positionOf(sequence: Sequence<unknown>, query: Query, name: string): number | undefined {
  const id = single(query, name);
  if (id === undefined) return undefined;
  const position = sequence.positionOf(id);
  if (position < 0) throw noSuch(sequence.object, id, name, 400);
  return position;
}

interface Walk<Item> {
  readonly sequence: Sequence<Item>;
  readonly start: number;
  readonly step: 1 | -1;
  readonly within: readonly [from: number, to: number];
  readonly wanted: (item: Item) => boolean;
}

/** Up to `count` objects met on a walk. */
function collect<Item>({ sequence, start, step, within: [from, to], wanted }: Walk<Item>, count: number): Item[] {
  const found: Item[] = [];
  for (let position = start; position >= from && position < to && found.length < count; position += step) {
    const item = sequence.at(position);
    if (item !== null && wanted(item)) found.push(item);
  }
  return found;
}

/** What a listing is asked for beyond paging and `created`. */
export interface ListingRequest<Item> {
  readonly url: string;
  readonly query: Query;
  /** Parameters of this route beyond paging and `created`. */
  readonly filters: readonly string[];
  readonly wanted: (item: Item) => boolean;
}

/** One page of a sequence. Throws `StripeError` on bad parameters. */
export function listPage<Item>(sequence: Sequence<Item>, { url, query, filters, wanted }: ListingRequest<Item>): Page<Item> {
  refuseUnknown(query, [...PAGING, ...CREATED, ...filters]);
  const limit = limitOf(query);
  const within = stretchOf(sequence, query);
  const after = positionOf(sequence, query, "starting_after");
  const before = positionOf(sequence, query, "ending_before");
  if (after !== undefined && before !== undefined)
    throw badParameter(
      "starting_after",
      "parameters_exclusive",
      "You may only specify one of these parameters: starting_after, ending_before.",
    );
  const backwards = before !== undefined;
  const start = backwards ? Math.min(before, within[1]) - 1 : Math.max((after ?? -1) + 1, within[0]);
  const found = collect({ sequence, start, step: backwards ? -1 : 1, within, wanted }, limit + 1);
  const data = found.slice(0, limit);
  return { object: "list", url, has_more: found.length > limit, data: backwards ? data.toReversed() : data };
}
