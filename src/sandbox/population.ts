import { createKeys } from "./keys.ts";
import type { Keys } from "./keys.ts";
import { personOf } from "./person.ts";
import type { Person } from "./person.ts";
import { Dice, hashText } from "./random.ts";
import { renderPerson } from "./rendering.ts";
import type { Rendering } from "./rendering.ts";
import { arrivalOf, copiesOf, listTraces, usualRates } from "./traces.ts";
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
  /** What share of the people each source knows, by the source's name; the usual one where a source is not there. */
  readonly rates?: Readonly<Record<string, Rates>>;
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
  /** The records a source holds, oldest first. */
  traces(source: string): Traces;
  /** Whether a source knows the person, without listing its traces. */
  isPresent(source: string, person: number): boolean;
  /** The person as a source wrote them down. `copy` defaults to 0. */
  rendering(person: number, source: string, copy?: number): Rendering;
  /** When the source made that record, epoch milliseconds, whole seconds. */
  recordedAt(person: number, source: string, copy?: number): number;
  /** Reproducible draws for whatever else hangs on a person or a record: `dice("source.collection", person, n)`. */
  dice(scope: string, index: number, part?: number): Dice;
  /** Whether this trace states another source's key; deterministic by `scope`, always true for person 0. */
  states(scope: string, person: number, share: number, copy?: number): boolean;
}

const MAX_SIZE = 4_000_000;

/** Makes a population. Throws `RangeError` when the size is not an integer from 1 to 4,000,000. */
export function createPopulation({ seed, size, rates = {} }: PopulationOptions): Population {
  if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE)
    throw new RangeError(`a population has 1 to ${MAX_SIZE} people, not ${size}: set the number of customers within that`);
  const kept = new Map<string, Traces>();
  const ratesOf = (source: string) => rates[source] ?? usualRates;
  const traces = (source: string) => {
    const found = kept.get(source) ?? listTraces(seed, source, size, ratesOf(source));
    kept.set(source, found);
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
    isPresent: (source, person) => copiesOf(seed, source, person, ratesOf(source)) > 0,
    rendering,
    recordedAt: (person, source, copy = 0) => arrivalOf(seed, source, { person, copy }),
    dice,
    states: (scope, person, share, copy = 0) => person === 0 || dice(scope, person, copy).chance(share),
  };
}
