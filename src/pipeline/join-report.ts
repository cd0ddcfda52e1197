import { ConfigError } from "../core/errors.ts";
import type { Workbench } from "../mapping/bench.ts";
import { quoted } from "../mapping/sql-text.ts";
import type { Normalized } from "./normalize.ts";

/**
 * How the records of several sources become one table of customers. `outer`: every customer that any source knows; `inner`: only those that every one
 * of the named sources knows, and what belongs to them.
 */
export type Join = { readonly kind: "outer" } | { readonly kind: "inner"; readonly sources: readonly string[] };

/** How many records have found a customer's other records, or their owner, and how many stand alone: together all of them. */
export interface MatchCounts {
  /** Of customers: records that are one customer with a record of another source; of others: records whose customer is known. */
  readonly matched: number;
  readonly unmatched: number;
  /** Records that are one customer with another record of the same source; each is among the matched or the unmatched too. */
  readonly multiplyMatched: number;
}

/** How the records of one source's customers fared in the join. */
export interface SourceMatches extends MatchCounts {
  readonly source: string;
  readonly records: number;
}

/** How the join went; counted before an inner join leaves anything out. */
export interface JoinReport {
  readonly kind: Join["kind"];
  /** The sources that every customer must be in; none of an outer join. */
  readonly required: readonly string[];
  /** Customers that are in the dataset. */
  readonly customers: number;
  /** Customers that an inner join left out. */
  readonly leftOut: number;
  readonly sources: readonly SourceMatches[];
}

/** The report, and the counts of every collection by its id. */
export interface Joined {
  readonly report: JoinReport;
  readonly matches: ReadonlyMap<string, MatchCounts>;
}

/** Counts how the customers' records match, and leaves those out of `member` that an inner join does not keep. Throws `CONFIG_INVALID` for a source without customers. */
export async function joinMembers(bench: Workbench, customers: readonly Normalized[], join: Join): Promise<Joined> {
  const sources = [...new Set(customers.map(({ input }) => input.entry.source.name))];
  const required = join.kind === "outer" ? [] : join.sources;
  const unknown = required.filter(source => !sources.includes(source));
  if (unknown.length > 0)
    throw new ConfigError(
      "CONFIG_INVALID",
      `the inner join names ${unknown.join(", ")}, but customers come from ${sources.join(", ")}`,
    );
  const placed = placedSql(customers);
  const counts = placed === null ? [] : await countMatches(bench, placed);
  const before = await customerCount(bench);
  if (placed !== null && required.length > 0) await leaveOut(bench, placed, required);
  const kept = await customerCount(bench);
  const report = {
    kind: join.kind,
    required,
    customers: kept,
    leftOut: before - kept,
    sources: sources.map(name => sumOf(name, counts)),
  };
  return { report, matches: new Map(counts.map(({ collection, matches }) => [collection, matches])) };
}

/** The members with the source of each. */
const placedSql = (customers: readonly Normalized[]): string | null => {
  if (customers.length === 0) return null;
  const places = customers.map(({ input: { entry } }) => `(${quoted(entry.id)}, ${quoted(entry.source.name)})`);
  return `SELECT member.*, place.source FROM member JOIN (VALUES ${places.join(", ")}) AS place (collection, source) USING (collection)`;
};

interface CollectionMatches {
  readonly collection: string;
  readonly source: string;
  readonly matches: MatchCounts;
}

async function countMatches(bench: Workbench, placed: string): Promise<readonly CollectionMatches[]> {
  const rows = await bench.rows(`
    SELECT collection, source, count(*) AS records, count(*) FILTER (everywhere > own) AS matched, count(*) FILTER (own > 1) AS multiply FROM (
      SELECT collection, source, count(*) OVER (PARTITION BY customer_id, source) AS own, count(*) OVER (PARTITION BY customer_id) AS everywhere
      FROM (${placed})) GROUP BY ALL`);
  return rows.map(row => {
    const [records, matched, multiplyMatched] = [Number(row["records"]), Number(row["matched"]), Number(row["multiply"])];
    const matches = { matched, unmatched: records - matched, multiplyMatched };
    return { collection: String(row["collection"]), source: String(row["source"]), matches };
  });
}

function sumOf(source: string, counts: readonly CollectionMatches[]): SourceMatches {
  const own = counts.filter(each => each.source === source).map(({ matches }) => matches);
  const sum = (name: keyof MatchCounts) => own.reduce((total, each) => total + each[name], 0);
  const [matched, unmatched] = [sum("matched"), sum("unmatched")];
  return { source, records: matched + unmatched, matched, unmatched, multiplyMatched: sum("multiplyMatched") };
}

async function leaveOut(bench: Workbench, placed: string, required: readonly string[]): Promise<void> {
  const names = [...new Set(required)];
  await bench.run(`DELETE FROM member WHERE customer_id NOT IN (
    SELECT customer_id FROM (${placed}) WHERE source IN (${names.map(quoted).join(", ")})
    GROUP BY customer_id HAVING count(DISTINCT source) = ${names.length})`);
  await bench.run(`DELETE FROM identity_edges WHERE a NOT IN (SELECT collection || ':' || key FROM member)`);
}

async function customerCount(bench: Workbench): Promise<number> {
  const [row] = await bench.rows(`SELECT count(DISTINCT customer_id) AS n FROM member`);
  return Number(row?.["n"]);
}
