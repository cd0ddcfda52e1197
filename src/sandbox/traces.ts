import { createdAtOf } from "./person.ts";
import { Dice, hashText } from "./random.ts";

/** How many people a source knows, and how many of them twice; shares from 0 to 1. */
export interface Rates {
  readonly presence: number;
  readonly duplicates: number;
}

/** One record about a person: `copy` 0 is the first, 1 the duplicate. */
export interface Trace {
  readonly person: number;
  readonly copy: number;
}

/** Every trace a source holds, oldest first. */
export interface Traces {
  readonly length: number;
  /** The trace at a position from 0 to `length` - 1. Throws `RangeError` outside. */
  at(position: number): Trace;
  /** Where a trace stands, or -1 when the source has none. `copy` defaults to 0. */
  positionOf(person: number, copy?: number): number;
  /** How many records the source holds of this person: 0, 1 or 2. */
  copiesOf(person: number): number;
  /** When the record was made there, epoch milliseconds, whole seconds; never falls as positions grow. */
  createdAt(position: number): number;
  /** The first position whose record was made at or after an instant; `length` when none. */
  firstAtOrAfter(instantMs: number): number;
}

/** The rates of a source that states none: it keeps seven people in ten, once. */
export const usualRates: Rates = { presence: 0.7, duplicates: 0 };

const PRESENCE = hashText("presence");
const ARRIVAL = hashText("arrival");
const COPY_BIT = 2;
const EPOCH_SECONDS = Date.UTC(2020, 0, 1) / 1000;
const LAST_ARRIVAL = Date.UTC(2026, 9, 1);
const DAY_SECONDS = 86_400;

/** How many records a source holds of a person: a pure function of seed, source and person. */
export function copiesOf(seed: number, source: string, person: number, rates: Rates): number {
  if (person === 0) return 1;
  const dice = new Dice(mix32(seed, source), PRESENCE, person);
  if (!dice.chance(rates.presence)) return 0;
  return dice.chance(rates.duplicates) ? 2 : 1;
}

const mix32 = (seed: number, source: string) => (seed ^ hashText(source)) >>> 0;

/**
 * When a source made its record, epoch milliseconds: within 60 days of the person's first appearance, a duplicate within a
 * year, and none after 1 October 2026.
 */
export function arrivalOf(seed: number, source: string, { person, copy }: Trace): number {
  const dice = new Dice(mix32(seed, source), ARRIVAL, person, copy);
  const appearedAt = createdAtOf(seed, person);
  const spanSeconds = Math.min((copy === 0 ? 60 : 365) * DAY_SECONDS, (LAST_ARRIVAL - appearedAt) / 1000);
  return appearedAt + Math.floor(spanSeconds * dice.fraction() * dice.fraction()) * 1000;
}

/** Sorts by time by packing seconds and trace into one exact double; native numeric sort needs no objects. */
function sortedTraces(seed: number, source: string, people: number, rates: Rates): Float64Array {
  const packed = new Float64Array(people * COPY_BIT);
  const span = 2 ** Math.ceil(Math.log2(people * COPY_BIT));
  let count = 0;
  for (let person = 0; person < people; person++) {
    const copies = copiesOf(seed, source, person, rates);
    for (let copy = 0; copy < copies; copy++) {
      const seconds = arrivalOf(seed, source, { person, copy }) / 1000 - EPOCH_SECONDS;
      packed[count++] = seconds * span + person * COPY_BIT + copy;
    }
  }
  const sorted = packed.slice(0, count).sort();
  for (let at = 0; at < count; at++) sorted[at] = (sorted[at] ?? 0) % span;
  return sorted;
}

/** Lists a source's traces of `people` people. Memory: 12 bytes a person and 4 a trace; one million take about a second. */
export function listTraces(seed: number, source: string, people: number, rates: Rates): Traces {
  const codes = Uint32Array.from(sortedTraces(seed, source, people, rates));
  const positions = new Int32Array(people * COPY_BIT).fill(-1);
  codes.forEach((code, position) => (positions[code] = position));
  const codeAt = (position: number) => {
    const code = codes[position];
    if (code === undefined) throw new RangeError(`position ${position} is outside the ${codes.length} traces of ${source}`);
    return code;
  };
  const at = (position: number): Trace => ({ person: codeAt(position) >>> 1, copy: codeAt(position) & 1 });
  const positionOf = (person: number, copy = 0) => positions[person * COPY_BIT + copy] ?? -1;
  const createdAt = (position: number) => arrivalOf(seed, source, at(position));
  const firstAtOrAfter = (instantMs: number) => {
    let low = 0;
    for (let high = codes.length; low < high;) {
      const middle = (low + high) >>> 1;
      if (createdAt(middle) < instantMs) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const copies = (person: number) => (positionOf(person) < 0 ? 0 : positionOf(person, 1) < 0 ? 1 : 2);
  return { length: codes.length, at, positionOf, copiesOf: copies, createdAt, firstAtOrAfter };
}
