import type { Workbench } from "../../mapping/bench.ts";

/** What the matcher needs of DuckDB: statements run one after another on one connection. */
export type Engine = Pick<Workbench, "run" | "rows" | "columns" | "append">;
