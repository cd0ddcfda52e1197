import { inputAt } from "../../mapping/input-js.ts";
import { namesOf } from "../../mapping/path-names.ts";
import { wordOf } from "../../mapping/word-forms.ts";
import type { Collection } from "../../source/collection.ts";
import type { RuleData } from "../../source/rule.ts";
import { type Difference, valueAtPlace } from "./contract-differences.ts";

/** Words of one place that were looked up and are listed; more than these are looked up again. */
const MAX_REMEMBERED = 500;

type Finder = (record: unknown) => Difference | undefined;

/** Compiles a search for words that a mapping's tables do not list. A word that a table maps to `UNKNOWN` is no new one. */
export function newWordsIn({ map }: Collection): (record: unknown) => readonly Difference[] {
  const finders = Object.values(map).flatMap(enumsIn).map(finderOf);
  return record => {
    let found: Difference[] | undefined;
    for (const find of finders) {
      const difference = find(record);
      if (difference !== undefined) (found ??= []).push(difference);
    }
    return found ?? none;
  };
}

const none: readonly Difference[] = Object.freeze([]);

const enumsIn = (rule: RuleData): readonly RuleData[] => (rule.rule === "enumOf" ? [rule] : (rule.of ?? []).flatMap(enumsIn));

function finderOf({ inputs: [path = ""], table = {} }: RuleData): Finder {
  const place = namesOf(path);
  const inputOf = inputAt(place);
  const words = new Set(Object.keys(table));
  const listed = new Set<unknown>();
  return record => {
    const input = inputOf(record);
    if (input === undefined || listed.has(input)) return undefined;
    const word = wordOf(input);
    if (word === null) return undefined;
    if (!words.has(word)) {
      const expected = `one of ${[...words].join(", ")}`;
      return { kind: "newEnumValue", place, expected, value: valueAtPlace(record, place) };
    }
    if (listed.size < MAX_REMEMBERED) listed.add(input);
    return undefined;
  };
}
