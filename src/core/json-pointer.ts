/**
 * The JSON pointer to a value by the names that lead to it. @see https://www.rfc-editor.org/rfc/rfc6901
 */
export const pointerTo = (names: readonly string[]): string =>
  names.map(name => `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

/** The names that a JSON pointer is made of. */
export const namesIn = (pointer: string): readonly string[] =>
  pointer
    .split("/")
    .slice(1)
    .map(name => name.replaceAll("~1", "/").replaceAll("~0", "~"));

const SPACE = /[ \t\r\n]*/y;
const STRING = /"(?:[^"\\]|\\.)*"/sy;
const PLAIN = /[^\s,\]}]+/y;

/**
 * The very text of the value that a JSON pointer leads to in a JSON text, or null when nothing is there. Of members with one name the last counts, as for
 * `parseJson`. The text must be JSON that `parseJson` takes.
 */
export function textAt(json: string, pointer: string): string | null {
  let [from, to] = valueIn(json, 0);
  for (const name of namesIn(pointer)) {
    const found = json[from] === "{" ? memberIn(json, from, name) : json[from] === "[" ? elementIn(json, from, name) : null;
    if (found === null) return null;
    [from, to] = found;
  }
  return json.slice(from, to);
}

type Span = readonly [from: number, to: number];

function endOf(pattern: RegExp, json: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(json) ? pattern.lastIndex : at;
}

/** Where the value that begins at a place, past white space, stands. */
function valueIn(json: string, at: number): Span {
  const from = endOf(SPACE, json, at);
  const first = json[from];
  if (first === '"') return [from, endOf(STRING, json, from)];
  if (first !== "{" && first !== "[") return [from, endOf(PLAIN, json, from)];
  let depth = 0;
  for (let to = from; to < json.length; to++) {
    const letter = json[to];
    if (letter === '"') to = endOf(STRING, json, to) - 1;
    else if (letter === "{" || letter === "[") depth++;
    else if ((letter === "}" || letter === "]") && --depth === 0) return [from, to + 1];
  }
  return [from, json.length];
}

function memberIn(json: string, object: number, wanted: string): Span | null {
  let found: Span | null = null;
  let at = endOf(SPACE, json, object + 1);
  while (json[at] === '"') {
    const end = endOf(STRING, json, at);
    const name = JSON.parse(json.slice(at, end)) as string;
    const value = valueIn(json, endOf(SPACE, json, end) + 1);
    if (name === wanted) found = value;
    const comma = endOf(SPACE, json, value[1]);
    if (json[comma] !== ",") break;
    at = endOf(SPACE, json, comma + 1);
  }
  return found;
}

function elementIn(json: string, array: number, wanted: string): Span | null {
  let at = endOf(SPACE, json, array + 1);
  for (let index = 0; json[at] !== "]" && at < json.length; index++) {
    const value = valueIn(json, at);
    if (String(index) === wanted) return value;
    const comma = endOf(SPACE, json, value[1]);
    if (json[comma] !== ",") break;
    at = endOf(SPACE, json, comma + 1);
  }
  return null;
}
