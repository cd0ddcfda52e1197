import { countryOf } from "./country.ts";
import { type JsForm, plainForm, type SqlForm, type SqlInput } from "./form.ts";
import { phoneOf } from "./phone.ts";
import { remembered } from "./remembered.ts";
import { whenText } from "./sql-text.ts";

/** The country that a text names, each text looked up once. */
export const countryText = remembered(countryOf);

/** The E.164 number of a text after the alpha-2 code of its country (or nothing) and a colon, each read once. */
export const phoneText = remembered(input => {
  const colon = input.indexOf(":");
  return phoneOf(input.slice(colon + 1), colon === 0 ? null : input.slice(0, colon));
});

const countryJs: JsForm = input => (typeof input === "string" ? countryText(input) : null);
const countrySql = (input: SqlInput): string => `tributary_country(${whenText(input)})`;

const phoneJs: JsForm = (input, country) =>
  typeof input === "string" ? phoneText(`${(typeof country === "string" ? countryText(country) : null) ?? ""}:${input}`) : null;
const phoneSql: SqlForm = (input, country) =>
  `tributary_phone(coalesce(${countrySql(country)}, '') || ':' || ${whenText(input)})`;

export const countryForm = plainForm(countryJs, countrySql);
export const phoneForm = plainForm(phoneJs, phoneSql);
