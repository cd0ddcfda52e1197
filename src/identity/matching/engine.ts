/** What the matcher needs of DuckDB: statements run one after another on one connection. */
export interface Engine {
  run(sql: string): Promise<void>;
  rows(sql: string): Promise<readonly Readonly<Record<string, string | null>>[]>;
}
