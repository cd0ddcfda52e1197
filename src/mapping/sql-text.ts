/** A SQL text literal. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A SQL identifier. */
export const named = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** The part of an expression that a regular expression finds (a group of it where given), or NULL when it finds none. */
export const found = (expression: string, pattern: string, group = 0): string =>
  `nullif(regexp_extract(${expression}, ${quoted(pattern)}, ${group}), '')`;

/** Whether the whole of an expression is what a regular expression describes. */
export const matches = (expression: string, pattern: string): string => `regexp_full_match(${expression}, ${quoted(pattern)})`;

/** The text of an input that is text, else NULL. */
export const whenText = ({ kind, text }: { kind: string; text: string }): string => `CASE ${kind} WHEN 'text' THEN ${text} END`;
