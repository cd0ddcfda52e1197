import type { JsForm, SqlForm } from "./form.ts";
import { plainForm } from "./form.ts";
import { plainNumber, plainNumberSql } from "./plain-number.ts";
import { found } from "./sql-text.ts";

const integer = /^-?\d+$/;
const MAX_INT = 2 ** 31 - 1;

function intOf(...[input]: Parameters<JsForm>): number | null {
  const plain = plainNumber(input);
  if (plain === null || !/^-?\d{1,10}$/.test(plain)) return null;
  const value = Number(plain);
  return value >= -MAX_INT - 1 && value <= MAX_INT ? value : null;
}

const intSql: SqlForm = input => `TRY_CAST(${found(plainNumberSql(input), "^-?\\d{1,10}$")} AS INTEGER)::VARCHAR`;

/** The plain number where it has the digits that a pattern allows. */
const plainMatching = (pattern: RegExp) => {
  const js: JsForm = input => {
    const plain = plainNumber(input);
    return plain !== null && pattern.test(plain) ? plain : null;
  };
  return plainForm(js, input => found(plainNumberSql(input), pattern.source));
};

export const intForm = plainForm(intOf, intSql);
export const longForm = plainMatching(integer);
export const decimalForm = plainMatching(/^-?\d{1,28}(?:\.\d{1,10})?$/);
