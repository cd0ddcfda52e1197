import { isJsonObject, type Json } from "../../core/json.ts";
import { namesOf } from "../../mapping/path-names.ts";
import type { Collection } from "../../source/collection.ts";
import { type DriftKind, type DriftPolicy, driftPolicies, policiesOf } from "../../source/drift.ts";
import { contractDifferences, type Difference } from "./contract-differences.ts";
import { type DriftFinding, pathOf, personalIn, shown, typeOf } from "./finding.ts";
import { newWordsIn } from "./new-words.ts";
import type { Shape, UnknownField } from "./shape.ts";

/** A record that differs from what was agreed. */
export interface Examined {
  /** The gravest policy among the findings. */
  readonly policy: DriftPolicy;
  /** The record to be mapped: discarded values are replaced by what no rule can read. */
  readonly record: Json;
  readonly findings: readonly DriftFinding[];
}

export interface ExamineOptions {
  /** The fields that a record may have; unless given, no field counts as unknown. */
  readonly known?: Shape | null;
  /** Whether new words are looked for even where they are let through; the mapping finds those again, and who maps the record need not look twice. */
  readonly withWords?: boolean;
}

/** Holds records of one collection against what was agreed; null for a record that keeps it. */
export type Examiner = (record: Json, options?: ExamineOptions) => Examined | null;

const examiners = new WeakMap<Collection, Examiner>();

/** A collection's examiner, compiled once. */
export function examinerOf(collection: Collection): Examiner {
  const compiled = examiners.get(collection) ?? compile(collection);
  examiners.set(collection, compiled);
  return compiled;
}

function compile(collection: Collection): Examiner {
  const { contract } = collection;
  const newWords = newWordsIn(collection);
  const judge = judgeOf(collection);
  const areWordsTaken = policiesOf(collection.drift).newEnumValue === "evolve";
  return (record, { known, withWords = false } = {}) => {
    const broken = contractDifferences(contract, record);
    const words = areWordsTaken && !withWords ? none : newWords(record);
    const unknown = known ? known.unknownIn(record) : none;
    if (broken.length === 0 && words.length === 0 && unknown.length === 0) return null;
    return judge(record, distinct([...broken, ...words, ...unknown.map(unknownField)]));
  };
}

const none: readonly never[] = Object.freeze([]);

type Seen = Omit<Difference, "place"> & { readonly path: string };

/** Of an unknown field nobody has said whether it is personal: its value is not shown. */
const unknownField = ({ path, value }: UnknownField): Seen => ({ kind: "unknownField", path, expected: "no such field", value });

function distinct(differences: readonly (Difference | Seen)[]): readonly Seen[] {
  const seen = new Map<string, Seen>();
  for (const each of differences) {
    const path = "path" in each ? each.path : pathOf(each.place);
    const { kind, expected, value } = each;
    if (!seen.has(`${kind} ${path}`)) seen.set(`${kind} ${path}`, { kind, path, expected, value });
  }
  return [...seen.values()];
}

/** What is found by its key or its owner cannot go without them. */
function judgeOf(collection: Collection): (record: Json, differences: readonly Seen[]) => Examined {
  const policies = policiesOf(collection.drift);
  const isPersonal = personalIn(collection);
  const inputs = [...new Set(Object.values(collection.map).flatMap(rule => rule.inputs))];
  const [keys, owners] = ["key", "customer"].map(field => collection.map[field]?.inputs ?? []);
  const policyFor = (kind: DriftKind, path: string): DriftPolicy => {
    const policy = policies[kind];
    const concerns = (paths: readonly string[] = []) => paths.some(each => isWithin(each, path));
    if (policy === "discard_row" && concerns(keys)) return "reject";
    return policy === "discard_value" && (concerns(keys) || concerns(owners)) ? "reject" : policy;
  };
  return (record, differences) => {
    const findings = differences.map(({ kind, path, expected, value }): DriftFinding => {
      const offending = kind === "unknownField" ? `(${typeOf(value)})` : shown(value, isPersonal(path));
      return { kind, policy: policyFor(kind, path), field: path, expected, offending };
    });
    // Of an unknown field nothing is read anyway.
    const discarded = findings.filter(({ kind, policy }) => kind !== "unknownField" && policy === "discard_value");
    const left = discarded.reduce((rest, { field }) => without(rest, field, inputs), record);
    return { policy: gravest(findings), record: left, findings };
  };
}

const gravest = (findings: readonly DriftFinding[]): DriftPolicy =>
  driftPolicies.findLast(policy => findings.some(finding => finding.policy === policy)) ?? "evolve";

/** Whether a path is another one or stands below it. */
const isWithin = (path: string, other: string): boolean => other === "(record)" || path === other || path.startsWith(`${other}.`);

/** Present, and of a type that no rule reads: what a rule makes of it is null with an issue, in every form of the rule. */
const UNREADABLE: Json = Object.freeze([]);

/** A record in which every input of the mapping at a path or below it cannot be read. */
function without(record: Json, path: string, inputs: readonly string[]): Json {
  return inputs.filter(input => isWithin(input, path)).reduce((rest, input) => withUnreadable(rest, namesOf(input)), record);
}

function withUnreadable(value: Json | undefined, [name, ...rest]: readonly string[]): Json {
  if (name === undefined) return UNREADABLE;
  const object = value !== undefined && isJsonObject(value) ? value : {};
  const below = Object.hasOwn(object, name) ? object[name] : undefined;
  return { ...object, [name]: withUnreadable(below, rest) };
}
