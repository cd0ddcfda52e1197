import { entityNames } from "../core/canonical.ts";
import type { Checks } from "../core/checks.ts";
import type { DatasetManifest } from "./dataset.ts";
import { tableNames } from "./tables.ts";

/** A table that has become longer or shorter than in the dataset that was in use, by more than is declared. */
export interface RowChange {
  readonly table: string;
  /** The version that was in use. */
  readonly since: string;
  readonly before: number;
  readonly after: number;
  /** By what share of the rows before it may differ. */
  readonly maxShare: number;
}

/**
 * Compares the lengths of the tables. What was in use before is no input of a dataset, so this is told by the build and is no part of what it makes.
 * @returns the tables that changed by more than is declared; none where there was no other dataset
 */
export function rowChanges(previous: DatasetManifest | undefined, made: DatasetManifest, checks: Checks): readonly RowChange[] {
  if (previous === undefined || previous.version === made.version) return [];
  return entityNames.flatMap(entity => {
    const table = tableNames[entity];
    const rowsIn = ({ tables }: DatasetManifest) => tables.find(({ name }) => name === table)?.rows ?? 0;
    const [before, after] = [rowsIn(previous), rowsIn(made)];
    const { maxRowChange: maxShare } = checks[entity];
    if (Math.abs(after - before) <= maxShare * before) return [];
    return [{ table, since: previous.version, before, after, maxShare }];
  });
}
