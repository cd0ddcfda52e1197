/** White space as the mapping knows it, for both of its forms: six ASCII characters, at the ends of a text the byte order mark too, and Unicode's for what must have none. */

/** A mark at a text's beginning is no part of it; DuckDB's binding leaves it out of every text that JavaScript reads. */
const BYTE_ORDER_MARK = 0xfeff;
const codes = [0x20, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, BYTE_ORDER_MARK];

const isBlank = (code: number): boolean => code === 0x20 || (code >= 0x09 && code <= 0x0d) || code === BYTE_ORDER_MARK;

/** Text without ASCII white space and byte order marks at its ends. */
export function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}

const run = /[ \t-\r]+/g;
const needsCollapse = /[\t-\r]| {2}/;

/** Text with every run of ASCII white space made one space. */
export const collapsed = (text: string): string => (needsCollapse.test(text) ? text.replace(run, " ") : text);

/** `trimmed` in SQL. */
export const trimmedSql = (expression: string): string =>
  `trim(${expression}, ${codes.map(code => `chr(${code})`).join(" || ")})`;
/** `collapsed` in SQL. */
export const collapsedSql = (expression: string): string => `regexp_replace(${expression}, '[ \\t-\\r]+', ' ', 'g')`;

const upperCase = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const lower = (text: string): string => text.toLowerCase();

/** Text with its ASCII letters made lower case and no other changed. */
export const asciiLower = (text: string): string => text.replace(/[A-Z]+/g, lower);
/** Whether an expression has ASCII characters only: then it has as many bytes as characters. */
export const isAsciiSql = (expression: string): string => `strlen(${expression}) = length(${expression})`;
/** `asciiLower` in SQL: `lower` alone would change other letters too. */
export const asciiLowerSql = (expression: string): string =>
  `CASE WHEN ${isAsciiSql(expression)} THEN lower(${expression}) ELSE translate(${expression}, '${upperCase}', '${lower(upperCase)}') END`;
