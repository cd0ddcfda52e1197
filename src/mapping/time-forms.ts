import type { JsForm, SqlForm } from "./form.ts";
import { plainForm } from "./form.ts";
import { plainNumber, plainNumberSql } from "./plain-number.ts";
import { found, matches, whenText } from "./sql-text.ts";

/** Instants and dates of the years 0001 to 9999, proleptic Gregorian. */
const FIRST_MS = -62_135_596_800_000;
const LAST_MS = 253_402_300_799_999;

const instant = (ms: number): string | null => (ms >= FIRST_MS && ms <= LAST_MS ? new Date(ms).toISOString() : null);

/** An epoch count in a unit of so many milliseconds. */
function epochForm(unitMs: number) {
  const digits = /^-?\d{1,15}$/;
  const js: JsForm = input => {
    const plain = plainNumber(input);
    return plain !== null && digits.test(plain) ? instant(Number(plain) * unitMs) : null;
  };
  const sql: SqlForm = input => {
    const ms = `TRY_CAST(${found(plainNumberSql(input), digits.source)} AS BIGINT) * ${unitMs}`;
    const inRange = `${ms} BETWEEN ${FIRST_MS} AND ${LAST_MS}`;
    return `strftime(epoch_ms(CASE WHEN ${inRange} THEN ${ms} END), '%Y-%m-%dT%H:%M:%S.%gZ')`;
  };
  return plainForm(js, sql);
}

const datePattern = /^(\d{4})-(\d{2})-(\d{2})$/;
const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const isLeapYear = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);

/** Whether a day of the years 0001 to 9999 exists, its parts given as digits. */
function isDay(year: string, month: string, day: string): boolean {
  const days = month === "02" && isLeapYear(Number(year)) ? 29 : (monthDays[Number(month) - 1] ?? 0);
  return year !== "0000" && day !== "00" && Number(day) <= days;
}

const dateOf: JsForm = input => {
  const match = typeof input === "string" ? datePattern.exec(input) : null;
  return match && isDay(match[1] ?? "", match[2] ?? "", match[3] ?? "") ? match[0] : null;
};

/** A text that looks like a date, as the DATE that it is or NULL. */
const existingDay = (text: string): string => `CASE WHEN left(${text}, 4) <> '0000' THEN TRY_CAST(${text} AS DATE) END`;

const dateSql: SqlForm = input =>
  `CASE WHEN ${matches(whenText(input), datePattern.source)} THEN (${existingDay(input.text)})::VARCHAR END`;

const hourMinute = "([01]\\d|2[0-3]):([0-5]\\d)";
const dateTime = new RegExp(
  `^(\\d{4})-(\\d{2})-(\\d{2})[Tt ](${hourMinute}:[0-5]\\d)(?:\\.(\\d{1,3})\\d*)?(?:[Zz]|([+-])${hourMinute})$`,
);

const MINUTE_MS = 60_000;

function rfc3339Of(...[input]: Parameters<JsForm>): string | null {
  const match = typeof input === "string" ? dateTime.exec(input) : null;
  if (!match) return null;
  const [text, year = "", month = "", day = "", time = "", , , fraction = "", sign, hours, minutes] = match;
  if (!isDay(year, month, day)) return null;
  const written = `${text.slice(0, 10)}T${time}.${fraction.padEnd(3, "0")}Z`;
  if (sign === undefined) return written;
  const offsetMs = (Number(hours) * 60 + Number(minutes)) * MINUTE_MS;
  return instant(Date.parse(written) + (sign === "+" ? -offsetMs : offsetMs));
}

const millisecondsSql = (text: string): string => `rpad(regexp_extract(${text}, '\\.(\\d{1,3})', 1), 3, '0')`;

/** A well-formed date-time with an offset, in UTC: DuckDB shifts whole seconds, the milliseconds stay as they are written. */
function shiftedSql(text: string): string {
  const minutes = `TRY_CAST(left(right(${text}, 5), 2) AS INTEGER) * 60 + TRY_CAST(right(${text}, 2) AS INTEGER)`;
  const offset = `to_minutes(CASE WHEN left(right(${text}, 6), 1) = '+' THEN -1 ELSE 1 END * (${minutes}))`;
  const utc = `TRY_CAST(left(${text}, 10) || ' ' || substr(${text}, 12, 8) AS TIMESTAMP) + ${offset}`;
  const inRange = `year(${utc}) BETWEEN 1 AND 9999`;
  return `CASE WHEN ${inRange} THEN strftime(${utc}, '%Y-%m-%dT%H:%M:%S.') || ${millisecondsSql(text)} || 'Z' END`;
}

const rfc3339Sql: SqlForm = input => {
  const { text } = input;
  const written = `left(${text}, 10) || 'T' || substr(${text}, 12, 8) || '.' || ${millisecondsSql(text)} || 'Z'`;
  const read = `CASE WHEN right(${text}, 1) IN ('Z', 'z') THEN ${written} ELSE ${shiftedSql(text)} END`;
  return (
    `CASE WHEN ${matches(whenText(input), dateTime.source)} THEN ` +
    `CASE WHEN (${existingDay(`left(${text}, 10)`)}) IS NOT NULL THEN ${read} END END`
  );
};

export const epochSecondsForm = epochForm(1000);
export const epochMillisForm = epochForm(1);
export const dateForm = plainForm(dateOf, dateSql);
export const rfc3339Form = plainForm(rfc3339Of, rfc3339Sql);
