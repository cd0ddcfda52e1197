import { currencyExponents, exponentOf } from "../core/currency.ts";
import type { RuleData } from "../source/rule.ts";
import type { Form, JsForm, SqlForm } from "./form.ts";
import { plainNumber, plainNumberSql } from "./plain-number.ts";
import { found, quoted } from "./sql-text.ts";
import { currencyForm } from "./text-forms.ts";

/** Writes a plain number as an amount with a currency's digits; null where it cannot be one. */
interface AmountReader {
  readonly js: (plain: string, exponent: number) => string | null;
  readonly sql: (plain: string, exponent: number) => string;
}

const integer = /^-?\d{1,28}$/;

const fromMinorUnits: AmountReader = {
  js: (plain, exponent) => {
    if (!integer.test(plain)) return null;
    if (exponent === 0) return plain;
    const sign = plain.startsWith("-") ? "-" : "";
    const digits = plain.slice(sign.length).padStart(exponent + 1, "0");
    return `${sign}${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
  },
  sql: (plain, exponent) => {
    const minor = found(plain, integer.source);
    if (exponent === 0) return minor;
    const padded = `regexp_replace(${minor}, '^(-?)', '\\1${"0".repeat(exponent)}')`;
    return `regexp_replace(${padded}, '^(-?)0*(\\d+)(\\d{${exponent}})$', '\\1\\2.\\3')`;
  },
};

const fromMajorUnits: AmountReader = {
  js: (plain, exponent) => {
    const [whole = "", fraction = ""] = plain.split(".");
    if (!integer.test(whole) || fraction.length > exponent) return null;
    return exponent === 0 ? whole : `${whole}.${fraction.padEnd(exponent, "0")}`;
  },
  sql: (plain, exponent) => {
    if (exponent === 0) return found(plain, integer.source);
    const pointed = `regexp_replace(${plain}, '^-?\\d+$', '\\0.')`;
    return found(`${pointed} || '${"0".repeat(exponent)}'`, `^(-?\\d{1,28}\\.\\d{${exponent}})0*$`, 1);
  },
};

const currencyRule: RuleData = { rule: "currency", inputs: [] };
const currencyOf = currencyForm.js(currencyRule);
const currencySql = currencyForm.sql(currencyRule);

const amountJs =
  (reader: AmountReader): JsForm =>
  (amount, currency) => {
    const plain = plainNumber(amount);
    const code = currencyOf(currency, undefined);
    return plain === null || typeof code !== "string" ? null : reader.js(plain, exponentOf(code));
  };

/** The listed currencies by their exponent. */
const byExponent = Map.groupBy(Object.entries(currencyExponents), ([, exponent]) => exponent);

function amountSql(reader: AmountReader): SqlForm {
  return (amount, currency) => {
    const plain = plainNumberSql(amount);
    const code = currencySql(currency, currency);
    const listed = [...byExponent].map(([exponent, entries]) => {
      const codes = entries.map(([listedCode]) => quoted(listedCode)).join(", ");
      return `WHEN ${code} IN (${codes}) THEN ${reader.sql(plain, exponent)}`;
    });
    return `CASE WHEN ${code} IS NULL THEN NULL ${listed.join(" ")} ELSE ${reader.sql(plain, exponentOf(""))} END`;
  };
}

const moneyForm = (reader: AmountReader): Form => ({ js: () => amountJs(reader), sql: () => amountSql(reader) });

export const minorUnitsForm = moneyForm(fromMinorUnits);
export const majorUnitsForm = moneyForm(fromMajorUnits);
