import type { SqlInput } from "./form.ts";
import { exactFractionSql } from "./plain-number.ts";
import { trimmedSql } from "./white-space.ts";

/** DuckDB's JSON path of an input, given as its names. */
export const jsonPath = (names: readonly string[]): string => `$${names.map(name => `."${name}"`).join("")}`;

/** What DuckDB says of a value in a record: its JSON type and its text, both VARCHAR expressions. */
interface Found {
  readonly type: string;
  readonly text: string;
  readonly record: string;
  readonly path: string;
}

/** The input that a value found in a record is. */
export const sqlInputOf = (found: Found): SqlInput => ({ kind: kindOf(found), text: textOf(found) });

const kindOf = ({ type, text }: Found): string =>
  `CASE ${type} WHEN 'VARCHAR' THEN CASE WHEN ${trimmedSql(text)} = '' THEN NULL WHEN contains(${text}, chr(0)) THEN 'other' ELSE 'text' END ` +
  `WHEN 'NULL' THEN NULL WHEN 'BOOLEAN' THEN 'boolean' WHEN 'OBJECT' THEN 'other' WHEN 'ARRAY' THEN 'other' ` +
  `ELSE CASE WHEN ${type} IS NOT NULL THEN 'number' END END`;

const textOf = ({ type, text, record, path }: Found): string =>
  `CASE ${type} WHEN 'VARCHAR' THEN CASE WHEN contains(${text}, chr(0)) THEN NULL ELSE nullif(${trimmedSql(text)}, '') END ` +
  `WHEN 'BOOLEAN' THEN ${text} WHEN 'BIGINT' THEN ${text} WHEN 'UBIGINT' THEN ${text} ` +
  `WHEN 'DOUBLE' THEN ${exactFractionSql(text, record, path)} END`;
