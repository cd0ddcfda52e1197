import { type Cluster, type Decision, type Edge, type IdentityRecord, resolveWithEvidence } from "../identity/resolve.ts";
import { named, quoted } from "../mapping/sql-text.ts";
import type { Normalized } from "./normalize.ts";
import type { BenchLimits, Row, Workbench } from "../mapping/bench.ts";

/** Rows that are handed to DuckDB before it is told to store them. */
const FLUSH_ROWS = 10_000;

/**
 * Finds out who is who among the normalized customers and keeps it as the table `member`: collection, key, customer id, and the record's
 * position in its cluster, by which "the smallest key" is decided, so that text is compared in one place only; and as `identity_edges` why. Returns the
 * number of customers.
 */
export async function identify(
  bench: Workbench,
  customers: readonly Normalized[],
  { decisions, limits = {} }: { readonly decisions: readonly Decision[]; readonly limits?: BenchLimits },
): Promise<number> {
  const records: IdentityRecord[] = [];
  for (const each of customers) for (const record of await identityRecords(bench, each)) records.push(record);
  const single = customers.filter(({ input }) => input.entry.collection.identity?.onePerCustomer);
  const rules = { onePerCustomer: new Set(single.map(({ input }) => input.entry.id)), decisions };
  const { clusters, edges } = await resolveWithEvidence(records, rules, limits);
  await bench.run("CREATE TABLE member (collection VARCHAR, key VARCHAR, customer_id VARCHAR, position VARCHAR)");
  await append(bench, "member", membersOf(clusters));
  await bench.run("ALTER TABLE member ALTER position TYPE INTEGER");
  await bench.run(`CREATE TABLE identity_edges (a VARCHAR, b VARCHAR, rule VARCHAR, evidence VARCHAR, weight VARCHAR)`);
  await append(bench, "identity_edges", edgeRows(edges));
  return clusters.length;
}

function* membersOf(clusters: readonly Cluster[]): Generator<TextRow> {
  for (const { id, members } of clusters)
    for (const [position, { collection, key }] of members.entries()) yield [collection, key, id, String(position)];
}

function* edgeRows(edges: readonly Edge[]): Generator<TextRow> {
  for (const { a, b, by, evidence, weight } of edges) yield [a < b ? a : b, a < b ? b : a, by, evidence || null, weight];
}

type TextRow = readonly (string | null)[];

async function append(bench: Workbench, table: string, rows: Iterable<TextRow>): Promise<void> {
  const appender = await bench.connection.createAppender(table);
  let appended = 0;
  for (const row of rows) {
    for (const text of row) {
      if (text === null) appender.appendNull();
      else appender.appendVarchar(text);
    }
    appender.endRow();
    if (++appended % FLUSH_ROWS === 0) appender.flushSync();
  }
  appender.closeSync();
}

async function identityRecords(bench: Workbench, { input, table, clues }: Normalized): Promise<IdentityRecord[]> {
  const selected = clues.map(({ value }, index) => `, ${value} AS ${named(`c${index}`)}`).join("");
  const rows = await bench.rows(`SELECT "key" AS record_key, name, email, phone, company, country${selected} FROM ${table}`);
  const spaces = clues.map(({ space }) => space);
  return rows.map(row => identityRecord(input.entry.id, spaces, row));
}

function identityRecord(collection: string, spaces: readonly string[], row: Row): IdentityRecord {
  const clues = spaces.flatMap((space, index) => {
    const value = row[`c${index}`] ?? null;
    return value === null ? [] : [{ space, value }];
  });
  const text = (column: string) => row[column] ?? null;
  return {
    collection,
    key: String(row["record_key"]),
    name: text("name"),
    email: text("email"),
    phone: text("phone"),
    company: text("company"),
    country: text("country"),
    clues,
  };
}

/** How many records of a collection have found a customer's other records, or their owner, and how many stand alone. */
export interface MatchCounts {
  readonly matched: number;
  readonly unmatched: number;
}

/** Counts the records of a collection of customers whose cluster reaches into another source. */
export async function matchesOf(bench: Workbench, { input }: Normalized): Promise<MatchCounts> {
  const { id, source } = input.entry;
  const [row] = await bench.rows(`
    SELECT count(*) AS total, count(*) FILTER (EXISTS (
      SELECT 1 FROM member AS other WHERE other.customer_id = member.customer_id AND NOT starts_with(other.collection, ${quoted(`${source.name}.`)})
    )) AS matched FROM member WHERE collection = ${quoted(id)}`);
  const matched = Number(row?.["matched"]);
  return { matched, unmatched: Number(row?.["total"]) - matched };
}
