interface RawJson {
  readonly rawJSON: string;
}
interface ExactJson {
  rawJSON(text: string): RawJson;
  parse(text: string, reviver: (name: string, value: unknown, context: { readonly source?: string }) => unknown): unknown;
}
// The standard library's types do not know these yet; the engine does.
const json = JSON as unknown as ExactJson;

/** A number that `JSON.stringify` writes with exactly the digits given, however many. Throws `SyntaxError` if it is not a JSON number. @see https://tc39.es/proposal-json-parse-with-source/ */
export const exactNumber = (digits: string): object => json.rawJSON(digits);

/** Parses JSON so that `JSON.stringify` gives every number back with the digits it came with. */
export const parseExactly = (text: string): unknown =>
  json.parse(text, (_name, value, { source }) =>
    typeof value === "number" && source !== undefined && String(value) !== source ? json.rawJSON(source) : value,
  );
