import { canonical, type EntityName } from "../core/canonical.ts";
import { isJsonObject, type Json } from "../core/json.ts";
import type { LeftOut } from "./left-out.ts";
import { type LivePage, type LiveRecords, type Node, textOf } from "./parity-live.ts";
import { customerFields, graphFields, type RecordList, recordLists } from "./parity-questions.ts";
import { tableNames } from "./tables.ts";
import type { Row } from "../mapping/bench.ts";

/** A place where dataset and graph do not say the same. */
export interface Difference {
  /** Canonical id; null for a record that belongs to nobody. */
  readonly customer: string | null;
  /** A field, or a list (of nobody's records: a table) with the record's id and the field, e.g. `tickets[desk.tickets:7].status`. */
  readonly field: string;
  readonly dataset: string | null;
  readonly live: string | null;
}

/** A customer's rows in the dataset, canonical field → canonical text. */
export interface DatasetCustomer {
  readonly row: Row;
  readonly lists: ReadonlyMap<string, readonly Row[]>;
}

const MAX_SHOWN = 20;
const ABSENT = "(absent)";

/** Counts what was compared and keeps the first differences. */
export class Comparison {
  fields = 0;
  equal = 0;
  readonly differences: Difference[] = [];
  readonly leftOut: LeftOut;

  /** @param leftOut what the dataset does without on purpose */
  constructor(leftOut: LeftOut) {
    this.leftOut = leftOut;
  }

  /** Compares one value of both. */
  value(customer: string | null, field: string, dataset: string | null, live: string | null): void {
    this.fields++;
    if (dataset === live) this.equal++;
    else if (this.differences.length < MAX_SHOWN) this.differences.push({ customer, field, dataset, live });
  }

  /** Counts a customer that only one of both has. */
  absent(customer: string, whose: "dataset" | "live"): void {
    this.value(customer, "id", whose === "dataset" ? ABSENT : customer, whose === "live" ? ABSENT : customer);
  }
}

/** Compares one customer of a page with its rows. A value that the source gave and nobody can read is null in both. */
export function compareCustomer(comparison: Comparison, page: LivePage, index: number, dataset: DatasetCustomer): void {
  const node = page.nodes[index]!;
  const customer = textOf(node["id"]) ?? "";
  const place: Place = { comparison, page, customer };
  for (const field of customerFields) {
    comparison.value(customer, field, dataset.row[field] ?? null, liveText(place, "Customer", field, node, `${index}.${field}`));
  }
  for (const list of recordLists)
    compareList(place, list, {
      live: node[list.name] ?? null,
      path: `${index}.${list.name}`,
      rows: dataset.lists.get(list.name) ?? [],
    });
}

interface Place {
  readonly comparison: Comparison;
  readonly page: LivePage;
  readonly customer: string;
}

/** Compares records that belong to nobody with what the graph says of their ids, one after another. */
export function compareRecords(comparison: Comparison, answer: LiveRecords, rows: readonly Row[], entity: EntityName): void {
  for (const [index, row] of rows.entries()) {
    const id = row["id"] ?? "";
    const place = `${tableNames[entity]}[${id}]`;
    const node = answer.nodes[index];
    if (!node) {
      comparison.value(null, place, id, answer.errors.has(`${index}`) ? `error ${answer.errors.get(`${index}`)}` : ABSENT);
      continue;
    }
    for (const field of graphFields(entity)) {
      const live = liveText({ page: answer }, entity, field, node, `${index}.${field}`);
      comparison.value(null, `${place}.${field}`, row[field] ?? null, live);
    }
  }
}

function compareList(
  place: Place,
  list: RecordList,
  { live, path, rows }: { live: Json; path: string; rows: readonly Row[] },
): void {
  const { comparison, customer, page } = place;
  if (!Array.isArray(live))
    return comparison.value(customer, list.name, `${rows.length} records`, `error ${page.errors.get(path) ?? "unknown"}`);
  if (rows.length > list.most)
    return comparison.value(customer, list.name, `${rows.length} records`, `at most ${list.most} records`);
  const nodes = byIdentifier(
    (live as Json[]).filter(isJsonObject).map((node, at) => [textOf(node[list.identifier]), { node, at }]),
  );
  const byId = byIdentifier(rows.map(row => [row[list.identifier] ?? null, row]));
  const lacking = [...nodes.keys()].filter(id => !byId.has(id));
  const leftOut = new Set(lacking.filter(id => comparison.leftOut.takesRecord(id, list.entity === "UsageDay")));
  comparison.value(customer, `${list.name}: how many`, String(rows.length), String(live.length - leftOut.size));
  for (const [id, { node, at }] of nodes) {
    const row = byId.get(id);
    if (leftOut.has(id)) continue;
    if (!row) comparison.value(customer, `${list.name}[${id}]`, ABSENT, id);
    else
      for (const field of list.fields) {
        comparison.value(
          customer,
          `${list.name}[${id}].${field}`,
          row[field] ?? null,
          liveText(place, list.entity, field, node, `${path}.${at}.${field}`),
        );
      }
  }
  for (const id of byId.keys()) if (!nodes.has(id)) comparison.value(customer, `${list.name}[${id}]`, id, ABSENT);
}

/** Records by what identifies them; where several have the same, they are told apart by their order. */
function byIdentifier<T>(entries: readonly (readonly [string | null, T])[]): ReadonlyMap<string, T> {
  const found = new Map<string, T>();
  for (const [identifier, value] of entries) {
    let [name, number] = [identifier ?? "", 1];
    while (found.has(name)) name = `${identifier ?? ""} (${++number})`;
    found.set(name, value);
  }
  return found;
}

/** A value of the graph as canonical text; where an error stands in its place that is not about the value, the error. */
function liveText(
  { page }: { readonly page: Pick<LivePage, "errors"> },
  entity: EntityName,
  field: string,
  node: Node,
  path: string,
): string | null {
  const code = page.errors.get(path);
  if (code !== undefined && code !== "UPSTREAM_CONTRACT") return `error ${code}`;
  const value = textOf(node[field]);
  if (value === null) return null;
  const kinds: Readonly<Record<string, { readonly kind: string }>> = canonical[entity];
  return kinds[field]?.kind === "decimal" ? withoutTrailingZeros(value) : value;
}

/** A column of decimals has no digits of its own for each currency; what counts is the number. */
const withoutTrailingZeros = (decimal: string): string => (decimal.includes(".") ? decimal.replace(/\.?0+$/, "") : decimal);
