import type { SqlInput } from "./form.ts";
import { exactFractionSql } from "./plain-number.ts";
import { trimmedSql } from "./white-space.ts";

/** DuckDB's JSON path of an input, given as its names. */
export const jsonPath = (names: readonly string[]): string => `$${names.map(name => `."${name}"`).join("")}`;

/** The text that DuckDB extracts from a record, trimmed; NULL when nothing is left. What is no text has no white space to lose. */
export const cleanSql = (text: string): string => `nullif(${trimmedSql(text)}, '')`;

/** What DuckDB finds at a path of a record: its JSON type and its clean text, both VARCHAR expressions. */
interface Found {
  readonly type: string;
  readonly text: string;
  readonly record: string;
  readonly path: string;
}

/** The input that a value found in a record is. */
export const sqlInputOf = (found: Found): SqlInput => ({ kind: kindOf(found), text: textOf(found) });

const kindOf = ({ type, text }: Found): string => {
  const textKind = `CASE WHEN contains(${text}, chr(0)) THEN 'other' WHEN ${text} IS NOT NULL THEN 'text' END`;
  const numbers = "'BIGINT', 'UBIGINT', 'DOUBLE'";
  return (
    `CASE WHEN ${type} = 'VARCHAR' THEN ${textKind} WHEN ${type} IN (${numbers}) THEN 'number' ` +
    `WHEN ${type} = 'BOOLEAN' THEN 'boolean' WHEN ${type} IN ('OBJECT', 'ARRAY') THEN 'other' END`
  );
};

const textOf = ({ type, text, record, path }: Found): string =>
  `CASE WHEN ${type} = 'VARCHAR' THEN CASE WHEN NOT contains(${text}, chr(0)) THEN ${text} END ` +
  `WHEN ${type} IN ('BOOLEAN', 'BIGINT', 'UBIGINT') THEN ${text} ` +
  `WHEN ${type} = 'DOUBLE' THEN ${exactFractionSql(text, record, path)} END`;
