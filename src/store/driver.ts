import type { ConstructorOptions } from "pg-boss";

/** One session of PostgreSQL; what goes wrong is thrown as it comes. */
export interface Session {
  query<Row>(sql: string, parameters?: readonly unknown[]): Promise<Row[]>;
  /** Runs several statements, which take no parameters. */
  script(sql: string): Promise<void>;
}

/** A PostgreSQL, embedded or a server: all in which the two differ. */
export interface Driver extends Pick<Session, "query"> {
  /** For people: what it is and where, without a password. */
  readonly description: string;
  /** Whether other processes may use the same data meanwhile. */
  readonly isShared: boolean;
  /** The schema that everything is in; created when missing. */
  readonly schema: string;
  transaction<T>(work: (inside: Session) => Promise<T>): Promise<T>;
  /** Runs the work in a session that it has for itself, and that ends with it. */
  alone<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** Whether an error says that it could not be reached, in contrast to a refused statement. */
  isLost(error: Error): boolean;
  /** How pg-boss speaks to it. */
  readonly boss: ConstructorOptions;
  close(): Promise<void>;
}
