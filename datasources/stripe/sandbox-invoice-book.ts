import type { Population, Traces } from "../../src/sandbox/population.ts";
import type { CustomerBook } from "./sandbox-customers.ts";
import { countInvoices, invoiceCreatedAt, invoiceKeys, makeInvoice } from "./sandbox-invoices.ts";
import type { Invoice } from "./sandbox-invoices.ts";
import type { Sequence } from "./sandbox-listing.ts";

/** One invoice's place in the world. */
export interface InvoicePlace {
  readonly person: number;
  readonly n: number;
}

/** The invoices of a world with what has been written to them since. */
export interface InvoiceBook {
  /** All of them, newest first. Made on first use: 8 bytes an invoice. */
  all(): Sequence<Invoice>;
  /** One customer's, newest first. */
  of(person: number): Sequence<Invoice>;
  /** Where a key's invoice is, or null when there is none. */
  placeOf(id: string): InvoicePlace | null;
  get(place: InvoicePlace): Invoice;
  patch(place: InvoicePlace, patch: Partial<Invoice>): Invoice;
  reset(): void;
}

const STRIDE = 64;
const MINUTE = 60;

/** Every invoice as creation minute and place packed into one exact double, oldest first. */
function packInvoices(population: Population, traces: Traces, span: number): Float64Array {
  let count = 0;
  for (let at = 0; at < traces.length; at++) count += countInvoices(population, traces.at(at).person);
  const packed = new Float64Array(count);
  let next = 0;
  for (let at = 0; at < traces.length; at++) {
    const { person } = traces.at(at);
    const invoices = countInvoices(population, person);
    for (let n = 0; n < invoices; n++)
      packed[next++] = (invoiceCreatedAt(population, person, n) / MINUTE) * span + person * STRIDE + n;
  }
  return packed.sort();
}

function rankOf(sorted: Float64Array, value: number): number {
  let low = 0;
  for (let high = sorted.length; low < high;) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === value ? low : -1;
}

const unpack = (code: number): InvoicePlace => ({ person: Math.floor(code / STRIDE), n: code % STRIDE });

/** Opens the invoices of the customers that this source knows. */
export function openInvoices(population: Population, customers: CustomerBook): InvoiceBook {
  const keys = invoiceKeys(population);
  const patches = new Map<number, Partial<Invoice>>();
  const span = 2 ** Math.ceil(Math.log2(population.size * STRIDE));
  let sorted: Float64Array | undefined;
  const packed = () => (sorted ??= packInvoices(population, population.traces("stripe"), span));
  const get = ({ person, n }: InvoicePlace) => ({ ...makeInvoice(population, person, n), ...patches.get(person * STRIDE + n) });
  const placeOf = (id: string) => {
    const place = keys.indexOf(id);
    if (place === null || customers.keyOf(place.person) === null) return null;
    return place.n < countInvoices(population, place.person) ? place : null;
  };
  const of = (person: number): Sequence<Invoice> => {
    const length = countInvoices(population, person);
    const placeAt = (position: number) => ({ person, n: length - 1 - position });
    return {
      object: "invoice",
      length,
      createdAt: position => invoiceCreatedAt(population, person, placeAt(position).n),
      at: position => get(placeAt(position)),
      positionOf: id => {
        const place = placeOf(id);
        return place?.person === person ? length - 1 - place.n : -1;
      },
    };
  };
  const valueAt = (position: number) => packed()[packed().length - 1 - position] ?? Number.NaN;
  const all = (): Sequence<Invoice> => ({
    object: "invoice",
    length: packed().length,
    createdAt: position => Math.floor(valueAt(position) / span) * MINUTE,
    at: position => get(unpack(valueAt(position) % span)),
    positionOf: id => {
      const place = placeOf(id);
      if (place === null) return -1;
      const value = (invoiceCreatedAt(population, place.person, place.n) / MINUTE) * span + place.person * STRIDE + place.n;
      return packed().length - 1 - rankOf(packed(), value);
    },
  });
  const patch = (place: InvoicePlace, change: Partial<Invoice>) => {
    const code = place.person * STRIDE + place.n;
    patches.set(code, { ...patches.get(code), ...change });
    return get(place);
  };
  return { all, of, placeOf, get, patch, reset: () => patches.clear() };
}
