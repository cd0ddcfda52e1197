import { createKeys } from "./keys.ts";
import type { Keys } from "./keys.ts";
import { personOf } from "./person.ts";
import type { Person } from "./person.ts";
import { Dice, hashText } from "./random.ts";
import { renderPerson } from "./rendering.ts";
import type { Rendering } from "./rendering.ts";
import { arrivalOf, copiesOf, listTraces, ratesOf } from "./traces.ts";
import type { Rates, Traces } from "./traces.ts";

export type { Lifecycle } from "./person.ts";
export type { Rendering } from "./rendering.ts";
export type { Traces } from "./traces.ts";
export { Dice } from "./random.ts";

/** How many people there are and which world they live in. */
export interface PopulationOptions {
  readonly seed: number;
  /** 1 to 4,000,000. */
  readonly size: number;
}

/**
 * The people behind every source's data. All of it is a pure function of the seed and an index; only {@link Population.traces}
 * keeps anything, in typed arrays, made on first use.
 */
export interface Population {
  readonly seed: number;
  readonly size: number;
  readonly keys: Keys;
  /** The truth about a person, index 0 to `size` - 1. */
  person(index: number): Person;
  /** The records a source holds, oldest first. `rates` default to those of the source's name. */
  traces(source: string, rates?: Rates): Traces;
  /** Whether a source knows the person, without listing its traces. */
  isPresent(source: string, person: number): boolean;
  /** The person as a source wrote them down. `copy` defaults to 0. */
  rendering(person: number, source: string, copy?: number): Rendering;
  /** When the source made that record, epoch milliseconds, whole seconds. */
  recordedAt(person: number, source: string, copy?: number): number;
  /** Reproducible draws for whatever else hangs on a person or a record: `dice("stripe.invoices", person, n)`. */
  dice(scope: string, index: number, part?: number): Dice;
  /** Whether this trace states another source's key; deterministic by `scope`, always true for person 0. */
  states(scope: string, person: number, share: number, copy?: number): boolean;
}

const MAX_SIZE = 4_000_000;

/** Makes a population. Throws `RangeError` when the size is not an integer from 1 to 4,000,000. */
export function createPopulation({ seed, size }: PopulationOptions): Population {
  if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE)
    throw new RangeError(`a population has 1 to ${MAX_SIZE} people, not ${size}: set the number of customers within that`);
  const kept = new Map<string, Traces>();
  const traces = (source: string, rates = ratesOf(source)) => {
    const name = `${source}/${rates.presence}/${rates.duplicates}`;
    const found = kept.get(name) ?? listTraces(seed, source, size, rates);
    kept.set(name, found);
    return found;
  };
  const dice = (scope: string, index: number, part = 0) => new Dice(seed, hashText(scope), index, part);
  const rendering = (person: number, source: string, copy = 0) =>
    renderPerson(personOf(seed, person), part => dice(source, person, part * 2 + copy));
  return {
    seed,
    size,
    keys: createKeys(seed),
    person: index => personOf(seed, index),
    traces,
    isPresent: (source, person) => copiesOf(seed, source, person) > 0,
    rendering,
    recordedAt: (person, source, copy = 0) => arrivalOf(seed, source, { person, copy }),
    dice,
    states: (scope, person, share, copy = 0) => person === 0 || dice(scope, person, copy).chance(share),
  };
}
