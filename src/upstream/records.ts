import { ContractError } from "../core/errors.ts";
import { isJsonObject, type Json } from "../core/json.ts";

/**
 * The records at an items path: `[*]` goes through an array that must be there, and the path `[*]` alone through a body that is one. Null is taken for "nothing here" only where an array holds it,
 * and then in place of a record; everywhere else it is a break of the contract.
 */
export function itemsAt(body: Json, path: string, place: string): readonly Json[] {
  let found: readonly Json[] = [body];
  let isFromArray = false;
  for (const step of path.split(".")) {
    const isEach = step.endsWith("[*]");
    const name = isEach ? step.slice(0, -3) : step;
    const holders = isFromArray ? found.filter(item => item !== null) : found;
    found = holders.flatMap(item => stepInto(item, name, isEach, `${place}: ${path}`));
    isFromArray = isEach;
  }
  return found;
}

function stepInto(item: Json, name: string, isEach: boolean, place: string): readonly Json[] {
  const isItself = name === "" && isEach;
  const next = isItself ? item : isJsonObject(item) && Object.hasOwn(item, name) ? item[name] : undefined;
  if (next === undefined) throw missing(place, name, "is not there");
  if (!isEach) return [next];
  if (!Array.isArray(next)) throw missing(place, name, "is not a list");
  return next as readonly Json[];
}

const missing = (place: string, name: string, problem: string): ContractError =>
  new ContractError("UPSTREAM_CONTRACT", `${place}: ${name || "the body"} ${problem}; the source changed its shape`);
