import type { FieldNode } from "graphql";
import { errorTable, RequestError } from "../../core/errors.ts";
import type { FieldCost, ListSize } from "./cost-model.ts";
import { beyondLimit } from "./limits.ts";

/** Items of a list about which the schema says nothing. */
const UNSTATED_LIST_SIZE = 10;

/** A value that a query gives to a slicing argument. */
export interface Slice {
  readonly argument: string;
  /** Null: given as `null`, where no assumed size steps in. */
  readonly value: number | null;
}

/** How long a list may become. */
export interface Sizing {
  readonly size: number;
  readonly slices: readonly Slice[];
}

type Arguments = Readonly<Record<string, unknown>>;

/** The size of a field's list by its slicing arguments, else as assumed. Throws `LIMIT_LIST_SIZE` when the schema wants exactly one argument. */
export function sizingOf(field: FieldCost, node: FieldNode, values: Arguments): Sizing {
  const { listSize } = field;
  if (!listSize) return { size: UNSTATED_LIST_SIZE, slices: [] };
  const given = listSize.slicingArguments.map(path => ({ argument: path, value: valueAt(values, path) }));
  checkOne(field, listSize, node, given);
  const numbers = given.flatMap(({ value }) => (typeof value === "number" ? [value] : []));
  const slices = given.flatMap(({ argument, value }) => (typeof value === "number" ? [{ argument, value }] : []));
  if (numbers.length > 0) return { size: Math.max(0, ...numbers), slices };
  const endless = given.find(({ value }) => value === null);
  if (endless && listSize.assumedSize === null)
    return { size: UNSTATED_LIST_SIZE, slices: [{ argument: endless.argument, value: null }] };
  return { size: listSize.assumedSize ?? UNSTATED_LIST_SIZE, slices };
}

/** Throws `LIMIT_LIST_SIZE` when a slicing argument is above the limit, below zero or null. */
export function checkSlices(place: string, slices: readonly Slice[], maxListSize: number): void {
  for (const { argument, value } of slices) {
    if (value !== null && value >= 0 && value <= maxListSize) continue;
    if (value !== null && value > maxListSize)
      throw beyondLimit("LIMIT_LIST_SIZE", { fact: `${place}(${argument}:) is ${value}`, value, limit: maxListSize });
    throw refusal(`${place}(${argument}:) is ${value}, it has to be a number from 0 to the limit of ${maxListSize}`, {
      limit: maxListSize,
      value,
    });
  }
}

function checkOne(
  { place }: FieldCost,
  listSize: ListSize,
  node: FieldNode,
  given: readonly { argument: string; value: unknown }[],
): void {
  if (!listSize.requiresOne || given.length === 0) return;
  const written = new Set(node.arguments?.map(argument => argument.name.value));
  const chosen = given.filter(({ argument, value }) => written.has(rootOf(argument)) && typeof value === "number");
  const hasDefault = given.some(({ value }) => typeof value === "number");
  if (chosen.length === 1 || (chosen.length === 0 && hasDefault)) return;
  throw refusal(`${place} has ${chosen.length} of ${listSize.slicingArguments.join(", ")}, it takes exactly 1`, {
    limit: 1,
    value: chosen.length,
  });
}

const refusal = (fact: string, details: { limit: number; value: number | null }): RequestError =>
  new RequestError("LIMIT_LIST_SIZE", `${fact}. ${errorTable.Request.LIMIT_LIST_SIZE.remedy}`, { details });

const rootOf = (path: string): string => path.split(".", 1)[0] ?? path;

function valueAt(values: Arguments, path: string): unknown {
  let value: unknown = values;
  for (const name of path.split(".")) {
    if (value === null || value === undefined) return value;
    value = (value as Arguments)[name];
  }
  return value;
}
