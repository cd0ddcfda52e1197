import type { RuleData } from "../source/rule.ts";
import { type Form, type Input, type JsForm, plainForm, type SqlForm, type SqlInput } from "./form.ts";
import { plainNumber } from "./plain-number.ts";
import { found, matches, quoted, whenText } from "./sql-text.ts";
import { asciiLower, asciiLowerSql, collapsed, collapsedSql, isAsciiSql } from "./white-space.ts";

const integer = /^-?\d+$/;

/** Text as it is or an integer as its digits. */
function keyOf(input: Input): string | null {
  if (typeof input === "string") return input;
  const plain = plainNumber(input);
  return plain !== null && integer.test(plain) ? plain : null;
}

const keySql = ({ kind, text }: SqlInput): string =>
  `CASE ${kind} WHEN 'text' THEN ${text} WHEN 'number' THEN ${found(text, integer.source)} END`;

const joinedJs =
  ({ separator = "", inputs }: RuleData): JsForm =>
  (first, second, third) => {
    const [left, right] = [keyOf(first), keyOf(second)];
    if (left === null || right === null) return null;
    if (inputs.length < 3) return left + separator + right;
    const last = keyOf(third);
    return last === null ? null : left + separator + right + separator + last;
  };

const joinedSql =
  ({ separator = "", inputs }: RuleData): SqlForm =>
  (first, second, third) => {
    const parts = [first, second, ...(third !== undefined && inputs.length > 2 ? [third] : [])];
    return parts.map(keySql).join(` || ${quoted(separator)} || `);
  };

const isNamePart = (input: Input): input is string | undefined => input === undefined || typeof input === "string";

function fullNameOf(given: Input, family: Input): string | null {
  if (!isNamePart(given) || !isNamePart(family)) return null;
  const name = given === undefined || family === undefined ? (given ?? family) : `${given} ${family}`;
  return name === undefined ? null : collapsed(name).normalize("NFC");
}

function fullNameSql(given: SqlInput, family: SqlInput): string {
  const written = `concat_ws(' ', ${given.text}, ${family.text})`;
  const name = `CASE WHEN ${isAsciiSql(written)} THEN ${collapsedSql(written)} ELSE tributary_nfc(${collapsedSql(written)}) END`;
  const isName = [given, family].map(({ kind }) => `coalesce(${kind}, 'text') = 'text'`).join(" AND ");
  return `CASE WHEN ${isName} THEN nullif(${name}, '') END`;
}

/** Unicode's White_Space and the ASCII control characters, for a character class of either form. */
const spaceRanges = [[0x00, 0x20], [0x7f, 0xa0], [0x1680], [0x2000, 0x200a], [0x2028, 0x2029], [0x202f], [0x205f], [0x3000]];
const spaceClass = (escape: (code: string) => string): string =>
  spaceRanges.map(range => range.map(code => escape(code.toString(16))).join("-")).join("");
const mailbox = (space: string): string => `[^@${space}]+@(?:[^@.${space}]+\\.)+[^@.${space}]+`;
const mailboxPattern = new RegExp(`^${mailbox(spaceClass(code => `\\u{${code}}`))}$`, "u");
const mailboxSql = mailbox(spaceClass(code => `\\x{${code}}`));

const emailOf: JsForm = input => (typeof input === "string" && mailboxPattern.test(input) ? asciiLower(input) : null);
const emailSql: SqlForm = input => `CASE WHEN ${matches(whenText(input), mailboxSql)} THEN ${asciiLowerSql(input.text)} END`;

const currencyOf: JsForm = input => (typeof input === "string" && /^[A-Za-z]{3}$/.test(input) ? input.toUpperCase() : null);
const currencySql: SqlForm = input => `upper(${found(whenText(input), "^[A-Za-z]{3}$")})`;

/** The currency rule, for the rules that read an amount by its currency. */
export const currencyForm = plainForm(currencyOf, currencySql);
/** The text rule. */
export const textForm = plainForm(input => (typeof input === "string" ? input : null), whenText);
/** The key and ref rules. */
export const keyForm = plainForm(keyOf, keySql);
export const joinedForm: Form = { js: joinedJs, sql: joinedSql };
export const fullNameForm = plainForm(fullNameOf, fullNameSql, { isPresent: "any" });
export const emailForm = plainForm(emailOf, emailSql);
