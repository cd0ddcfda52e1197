import { dirname } from "node:path";
import { ContractError } from "../core/errors.ts";
import type { Workbench } from "../mapping/bench.ts";
import { quoted } from "../mapping/sql-text.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { DriftKind, DriftPolicy } from "../source/drift.ts";
import type { BuildInput } from "./inputs.ts";

/** One way in which the records of a collection differ from what was agreed. */
export interface DriftReport {
  readonly kind: DriftKind;
  readonly field: string;
  readonly policy: DriftPolicy;
  readonly expected: string;
  /** What was found last, where it may be shown; and in which record. */
  readonly offending: string;
  readonly key: string | null;
  readonly raw: string;
  readonly count: number;
  /** When the first and the last of these records were received. */
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
}

const DEFAULT_MAX_SHARE = 0.05;
/** So few are never too many. */
const FEW = 10;

/** The findings of a table of records, one row each: what the JSON texts in its column `drift` say. */
const findingsSql = (records: string): string => `
  SELECT pull, line, "index", raw, received_at, json_extract_string(drift, '$.key') AS key,
    unnest(from_json(json_extract(drift, '$.findings'), '["JSON"]')) AS finding
  FROM ${records} WHERE drift IS NOT NULL`;

const part = (name: string): string => `json_extract_string(finding, '$.${name}')`;

/** How the records of a table differ, gravest kinds of difference not first but in the order of kind and field. */
export async function driftIn(bench: Workbench, records: string): Promise<readonly DriftReport[]> {
  const latest = (expression: string) => `arg_max(${expression}, (pull, line, "index"))`;
  const rows = await bench.rows(`
    SELECT ${part("kind")} AS kind, ${part("field")} AS field, ${part("policy")} AS policy, ${latest(part("expected"))} AS expected,
      ${latest(part("offending"))} AS offending, ${latest("coalesce(key, '')")} AS key, ${latest("raw")} AS raw, count(*) AS count,
      min(received_at) AS first_seen, max(received_at) AS last_seen
    FROM (${findingsSql(records)}) GROUP BY ALL ORDER BY kind, field, policy`);
  return rows.map(row => ({
    kind: String(row["kind"]) as DriftKind,
    field: String(row["field"]),
    policy: String(row["policy"]) as DriftPolicy,
    expected: String(row["expected"]),
    offending: String(row["offending"]),
    key: row["key"] || null,
    raw: String(row["raw"]),
    count: Number(row["count"]),
    firstSeenAt: String(row["first_seen"]),
    lastSeenAt: String(row["last_seen"]),
  }));
}

/** The rows of `quarantine`: records that were refused or left out, and those without a key. Personal values are not in it. */
export const quarantineSql = ({ entry }: BuildInput, records: string, keyless: string): string => {
  const source = `${quoted(entry.source.name)} AS source, ${quoted(entry.name)} AS collection`;
  const worst = ["policy", "kind", "field", "expected", "offending"].map(
    name => `json_extract_string(drift, '$.worst.${name}') AS ${name}`,
  );
  return `
  SELECT ${source}, json_extract_string(drift, '$.key') AS key, CASE policy WHEN 'discard_row' THEN 'DISCARDED' ELSE 'CONTRACT' END AS reason,
    ${worst.join(", ")}, json_extract_string(drift, '$.breaks') AS detail, pull, raw
  FROM ${records} WHERE policy IS NOT NULL
  UNION ALL
  SELECT ${source}, "key", 'NO_KEY', NULL, NULL, 'key', NULL, NULL, "key issue", pull, raw FROM (${keyless})`;
};

/** Throws `UPSTREAM_FROZEN` when a record of a frozen collection differs. */
export async function refuseFrozen(bench: Workbench, { entry }: BuildInput, records: string): Promise<void> {
  const [row] = await bench.rows(`
    SELECT count(*) OVER () AS n, raw, pull, json_extract_string(drift, '$.breaks') AS breaks FROM ${records}
    WHERE policy = 'freeze' ORDER BY pull, line, "index" LIMIT 1`);
  if (row === undefined) return;
  const place = `${entry.source.title}: ${entry.name} is frozen, and ${row["n"]} records differ; the first at ${row["breaks"]}`;
  throw new ContractError("UPSTREAM_FROZEN", `${place}, ${row["raw"]} of pull ${row["pull"]}`, {
    details: { source: entry.source.name, collection: entry.name },
  });
}

/** How many records of a collection are in quarantine, those of rows that failed a check too. */
export async function quarantinedOf(bench: Workbench, { source, name }: CatalogEntry): Promise<number> {
  const place = `source = ${quoted(source.name)} AND collection = ${quoted(name)}`;
  const [row] = await bench.rows(`SELECT count(*) AS n FROM quarantine WHERE ${place}`);
  return Number(row?.["n"]);
}

/** How many records of a collection there were, and how many of them are in quarantine. */
export interface QuarantineShare {
  readonly input: BuildInput;
  readonly counts: { readonly records: number; readonly quarantined: number };
}

const isTooMuch = ({ input, counts: { records, quarantined } }: QuarantineShare): boolean =>
  quarantined > Math.max(FEW, (input.entry.collection.maxQuarantinedShare ?? DEFAULT_MAX_SHARE) * records);

/**
 * Throws `BUILD_QUARANTINE` when more records of a collection are in quarantine than it allows; what is there is then written as JSON lines beside the
 * datasets, for somebody to look at.
 */
export async function refuseTooMuch(
  bench: Workbench,
  shares: readonly QuarantineShare[],
  { folder, version }: { readonly folder: string; readonly version: string },
): Promise<void> {
  const tooMuch = shares.filter(isTooMuch);
  if (tooMuch.length === 0) return;
  const file = `${dirname(folder)}/${version}.quarantine.jsonl`;
  await bench.run(`COPY (SELECT * FROM quarantine ORDER BY source, collection, raw) TO ${quoted(file)} (FORMAT json)`);
  const named = tooMuch.map(({ input, counts }) => `${input.entry.id} (${counts.quarantined} of ${counts.records} records)`);
  throw new ContractError("BUILD_QUARANTINE", `too much is in quarantine: ${named.join(", ")}; see ${file}`, {
    details: { collections: tooMuch.map(({ input }) => input.entry.id), file },
  });
}
