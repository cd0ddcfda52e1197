import { named } from "../../mapping/sql-text.ts";
import type { Engine } from "./engine.ts";
import type { Field, FieldKind } from "./model.ts";

/** What the values of a column look like. */
interface Profile {
  readonly column: string;
  readonly filled: number;
  readonly distinct: number;
  /** Shares of the values, from 0 to 1. */
  readonly mailboxes: number;
  readonly dates: number;
  readonly digits: number;
  readonly numbers: number;
  readonly averageWords: number;
  readonly averageLength: number;
}

const DATE = "^(\\d{4}[-/.]?(0[1-9]|1[0-2])[-/.]?(0[1-9]|[12]\\d|3[01]))(T.*)?$";

async function profileOf(engine: Engine, table: string, column: string): Promise<Profile> {
  const value = `trim(${named(column)})`;
  const shareOf = (condition: string) => `coalesce(avg((${condition})::INT), 0)`;
  const [row] = await engine.rows(`
    SELECT count(*) AS filled, count(DISTINCT lower(${value})) AS "distinct",
      ${shareOf(`regexp_full_match(${value}, '[^@\\s]+@[^@\\s]+\\.[^@\\s]+')`)} AS mailboxes,
      ${shareOf(`regexp_matches(${value}, '${DATE}')`)} AS dates,
      ${shareOf(`regexp_full_match(${value}, '[-+() 0-9./]*[0-9][-+() 0-9./]*')`)} AS digits,
      ${shareOf(`regexp_full_match(${value}, '[^0-9]{0,2}-?[0-9]+([.,][0-9]+)?')`)} AS numbers,
      coalesce(avg(len(string_split(${value}, ' '))), 0) AS words, coalesce(avg(length(${value})), 0) AS length
    FROM ${table} WHERE ${value} <> ''`);
  const number = (name: string) => Number(row?.[name] ?? 0);
  return {
    column,
    filled: number("filled"),
    distinct: number("distinct"),
    mailboxes: number("mailboxes"),
    dates: number("dates"),
    digits: number("digits"),
    numbers: number("numbers"),
    averageWords: number("words"),
    averageLength: number("length"),
  };
}

const MOST = 0.8;
const FEW_VALUES = 40;

/** The kind that a column's values look like; undefined for one that cannot tell records apart. */
function kindOf(profile: Profile): FieldKind | undefined {
  const { column, filled, distinct } = profile;
  if (filled === 0 || distinct < 2) return undefined;
  if (profile.mailboxes >= MOST) return "email";
  if (profile.dates >= MOST) return "date";
  if (/phone|mobile|fax/i.test(column) && profile.digits >= 0.5) return "phone";
  if (/price|amount|cost/i.test(column) && profile.numbers >= 0.5) return "number";
  if (distinct <= FEW_VALUES) return "category";
  if (profile.digits >= MOST) return profile.averageLength >= 6 ? "identifier" : "code";
  return profile.averageWords > 2.2 ? "text" : "name";
}

/** The fields of a table worth comparing, with the kinds that their values look like. */
export async function inferFields(engine: Engine, table: string, columns: readonly string[]): Promise<Field[]> {
  const fields: Field[] = [];
  for (const column of columns) {
    const kind = kindOf(await profileOf(engine, table, column));
    if (kind !== undefined) fields.push({ column, kind });
  }
  return fields;
}
