import { quoted } from "../../mapping/sql-text.ts";
import { levelNames } from "./comparison.ts";
import type { Field } from "./model.ts";

/** SQL over a row of levels: `email: equal; name: Jaro–Winkler ≥ 0.95`, the fields that a record of the pair lacks left out. */
export const agreementSql = (fields: readonly Field[]): string =>
  `concat_ws('; ', ${fields.map((field, index) => `CASE g${index} ${agreementsOf(field).join(" ")} END`).join(", ")})`;

const agreementsOf = (field: Field): string[] =>
  levelNames(field).map((name, level) => `WHEN ${level} THEN ${quoted(`${field.column}: ${name}`)}`);
