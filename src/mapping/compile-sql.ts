import type { Collection } from "../source/collection.ts";
import { cleanSql, jsonPath, sqlInputOf } from "./input-sql.ts";
import { namesOf } from "./path-names.ts";
import { issueSql, sqlRule } from "./sql-rule.ts";
import { named, quoted } from "./sql-text.ts";

/** A canonical field in SQL. Both are VARCHAR expressions: the canonical text, and the issue's code or NULL. */
export interface SqlColumn {
  readonly field: string;
  readonly value: string;
  readonly issue: string;
}

/** A collection's mapping in DuckDB's SQL; `clues` are its explicit keys, NULL where a record has none. */
export interface SqlMapping {
  readonly columns: readonly SqlColumn[];
  readonly clues: readonly { space: string; value: string }[];
}

/**
 * Compiles a collection's mapping to expressions over one record, an expression of type JSON. They need `registerFunctions`, and records as
 * `recordText` writes them: each name once in an object, no unpaired surrogate. For many rows take `compileQuery`: it reads a record once.
 * Throws `SOURCE_INVALID` for a rule or a path that cannot be compiled.
 */
export function compileSql(collection: Collection, record = "record"): SqlMapping {
  const place = (path: string) => {
    const at = quoted(jsonPath(namesOf(path)));
    return sqlInputOf({
      type: `json_type(${record}, ${at})`,
      text: cleanSql(`json_extract_string(${record}, ${at})`),
      record,
      path,
    });
  };
  return {
    columns: Object.entries(collection.map).map(([field, rule]) => {
      const compiled = sqlRule(rule, place);
      return { field, value: compiled.value, issue: issueSql(field, compiled) };
    }),
    clues: Object.entries(collection.identity?.keys ?? {}).map(([space, rule]) => ({ space, value: sqlRule(rule, place).value })),
  };
}

/** A query that maps every row of a relation; the expressions of `columns` and `clues` are the quoted names of its columns. */
export interface SqlQuery extends SqlMapping {
  readonly query: string;
}

interface QueryOptions {
  /** A table, a view, or a query in brackets. */
  readonly from: string;
  /** The record among its columns, of type JSON; `record` unless stated. */
  readonly record?: string;
  /** Those of its columns that the query passes on. */
  readonly keep?: readonly string[];
}

/** One stage of the query: what it adds to the columns that are passed on. */
type Stage = readonly { readonly name: string; readonly expression: string }[];

const RECORD = named("the record");
const TYPES = named("input types");
const TEXTS = named("input texts");
const typeColumn = (index: number): string => named(`found ${index} type`);
const foundColumn = (index: number): string => named(`found ${index} text`);
const kindColumn = (index: number): string => named(`input ${index} kind`);
const textColumn = (index: number): string => named(`input ${index} text`);

/**
 * Compiles a collection's mapping to a query that reads every record once: what is found at its paths, then the inputs, the values, the
 * issues. Its columns are named `<field>`, `<field> issue` and `clue <space>`. Needs and throws what `compileSql` does.
 */
export function compileQuery(collection: Collection, { from, record = "record", keep = [] }: QueryOptions): SqlQuery {
  const paths = pathsOf(collection);
  const fields = fieldStages(collection, paths);
  const clues = clueStage(collection, paths);
  const read = stage(from, keep, [...listStage(record, paths), { name: RECORD, expression: record }]);
  const found = stage(`(${read})`, [...keep, RECORD], paths.flatMap(foundStage));
  const inputs = stage(`(${found})`, keep, paths.flatMap(inputStage));
  const values = stage(`(${inputs})`, keep, [...fields.flatMap(({ valued }) => valued), ...clues]);
  const outer = fields.flatMap(({ column }) => [
    { name: column.value, expression: column.value },
    { name: column.name, expression: column.issue },
  ]);
  const clueColumns = clues.map(({ name }) => ({ name, expression: name }));
  return {
    query: stage(`(${values})`, keep, [...outer, ...clueColumns]),
    columns: fields.map(({ field, column }) => ({ field, value: column.value, issue: column.name })),
    clues: clues.map(({ space, name }) => ({ space, value: name })),
  };
}

function stage(from: string, keep: readonly string[], added: Stage): string {
  const columns = [...keep, ...added.map(({ name, expression }) => (name === expression ? name : `${expression} AS ${name}`))];
  return `SELECT ${columns.join(", ")} FROM ${from}`;
}

/** Every path that the mapping reads, once. */
function pathsOf({ map, identity }: Collection): readonly string[] {
  const rules = [...Object.values(map), ...Object.values(identity?.keys ?? {})];
  return [...new Set(rules.flatMap(({ inputs }) => inputs))];
}

function listStage(record: string, paths: readonly string[]): Stage {
  if (paths.length === 0) return [];
  const list = `[${paths.map(path => quoted(jsonPath(namesOf(path)))).join(", ")}]`;
  return [
    { name: TYPES, expression: `json_type(${record}, ${list})` },
    { name: TEXTS, expression: `json_extract_string(${record}, ${list})` },
  ];
}

function foundStage(_path: string, index: number): Stage {
  return [
    { name: typeColumn(index), expression: `${TYPES}[${index + 1}]` },
    { name: foundColumn(index), expression: cleanSql(`${TEXTS}[${index + 1}]`) },
  ];
}

function inputStage(path: string, index: number): Stage {
  const { kind, text } = sqlInputOf({ type: typeColumn(index), text: foundColumn(index), record: RECORD, path });
  return [
    { name: kindColumn(index), expression: kind },
    { name: textColumn(index), expression: text },
  ];
}

const placeIn = (paths: readonly string[]) => (path: string) => ({
  kind: kindColumn(paths.indexOf(path)),
  text: textColumn(paths.indexOf(path)),
});

function fieldStages({ map }: Collection, paths: readonly string[]) {
  return Object.entries(map).map(([field, rule]) => {
    const compiled = sqlRule(rule, placeIn(paths));
    const [value, isPresent, name] = [named(field), named(`${field} present`), named(`${field} issue`)];
    const valued: Stage = [
      { name: value, expression: compiled.value },
      { name: isPresent, expression: compiled.isPresent },
    ];
    return { field, valued, column: { name, value, issue: issueSql(field, { ...compiled, value, isPresent }) } };
  });
}

const clueStage = ({ identity }: Collection, paths: readonly string[]) =>
  Object.entries(identity?.keys ?? {}).map(([space, rule]) => ({
    space,
    name: named(`clue ${space}`),
    expression: sqlRule(rule, placeIn(paths)).value,
  }));
