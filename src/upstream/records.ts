import { ContractError } from "../core/errors.ts";
import { pointerTo } from "../core/json-pointer.ts";
import { isJsonObject, type Json } from "../core/json.ts";

/** A value in a body and where it stands there: a JSON pointer, RFC 6901. */
export interface LocatedItem {
  readonly item: Json;
  readonly pointer: string;
}

/**
 * The records at an items path; the empty one is that of a body which is a record. `[*]` goes through an array that must be there, and the path `[*]` alone through a body that is one. Null is taken for "nothing here" only where an array holds it,
 * and then in place of a record; everywhere else it is a break of the contract.
 */
export const itemsAt = (body: Json, path: string, place: string): readonly Json[] =>
  locatedItems(body, path, place).map(({ item }) => item);

/** The same with the place of each. */
export function locatedItems(body: Json, path: string, place: string): readonly LocatedItem[] {
  let found: readonly LocatedItem[] = [{ item: body, pointer: "" }];
  if (path === "") return found;
  let isFromArray = false;
  for (const step of path.split(".")) {
    const isEach = step.endsWith("[*]");
    const name = isEach ? step.slice(0, -3) : step;
    const holders = isFromArray ? found.filter(({ item }) => item !== null) : found;
    found = holders.flatMap(holder => stepInto(holder, name, isEach, `${place}: ${path}`));
    isFromArray = isEach;
  }
  return found;
}

function stepInto({ item, pointer }: LocatedItem, name: string, isEach: boolean, place: string): readonly LocatedItem[] {
  const isItself = name === "" && isEach;
  const next = isItself ? item : isJsonObject(item) && Object.hasOwn(item, name) ? item[name] : undefined;
  if (next === undefined) throw missing(place, name, "is not there");
  const at = isItself ? pointer : `${pointer}${pointerTo([name])}`;
  if (!isEach) return [{ item: next, pointer: at }];
  if (!Array.isArray(next)) throw missing(place, name, "is not a list");
  return (next as readonly Json[]).map((each, index) => ({ item: each, pointer: `${at}/${index}` }));
}

const missing = (place: string, name: string, problem: string): ContractError =>
  new ContractError("UPSTREAM_CONTRACT", `${place}: ${name || "the body"} ${problem}; the source changed its shape`);
