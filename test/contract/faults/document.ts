import { tableOf } from "../../unit/docs/tables.ts";
import { type FaultCase, faultCases } from "./cases.ts";
import type { Cell, Path } from "./lane.ts";

/** What came of every case, by source. */
export type Matrix = ReadonlyMap<string, Readonly<Record<Path, readonly Cell[]>>>;

const introduction = `# Fault matrix

What becomes of every fault that the sandbox can inject, at every source, on both paths. This file is generated from a run:
\`UPDATE_DOCS=1 npm test -- test/contract/fault-matrix\` writes it anew, and without it the same test holds a new run against it. The run compares every record that came with the true one; a
cell that hangs, crashes or holds wrong data without an error fails the test, and so does a socket or timer that is left over.

One collection of each source is read, without rate limits: live one record by its key, with a query's deadline of 10 s; in bulk the whole listing, by a pull, in pages of 5 where it is paged. Unless its row says _once_, the fault
meets every request after the credentials were got.

- **answered**, **complete**: every value is the true one.
- **null** (live): the field is null, with an error of this code. **partial**, **unknown** (bulk): the pull's verdict, with the code of its first reason; what came before is kept, records that break
  their contract are named in the manifest and go to quarantine in a build.
- **absent**: the source itself says, in its own form, that it has no such record.
- **×3**: the most attempts that one request took; none is said for one.
- **≤ 2 s**, **≤ 15 s**, **≤ 10 min**, **≤ 20 min**: waits and timeouts by the product's clock, with jitter at half of its ceiling; nothing is said where there were none.
`;

const buckets: readonly (readonly [number, string])[] = [
  [50, ""],
  [2_000, "≤ 2 s"],
  [15_000, "≤ 15 s"],
  [600_000, "≤ 10 min"],
  [1_200_000, "≤ 20 min"],
];

const bucketOf = (waitedMs: number): string => buckets.find(([limit]) => waitedMs <= limit)?.[1] ?? "longer";
const shown: Readonly<Partial<Record<Cell["outcome"], string>>> = { error: "null" };

function textOf({ outcome, code, attempts, waitedMs }: Cell): string {
  const parts = [
    `${shown[outcome] ?? outcome}${code === undefined ? "" : ` \`${code}\``}`,
    attempts > 1 ? `×${attempts}` : "",
    bucketOf(waitedMs),
  ];
  return parts.filter(Boolean).join(", ");
}

function tableFor(path: Path, matrix: Matrix): string {
  const sources = [...matrix];
  const rowOf = ({ name, kind }: FaultCase, at: number) => [
    name,
    `\`${kind}\``,
    ...sources.map(([, cells]) => textOf(cells[path][at]!)),
  ];
  return tableOf(["fault", "kind", ...sources.map(([source]) => source)], faultCases.map(rowOf));
}

/** `docs/fault-matrix.md`, from a run. */
export const matrixDocument = (matrix: Matrix): string => `${introduction}
## Live

${tableFor("live", matrix)}

## Bulk

${tableFor("bulk", matrix)}
`;
