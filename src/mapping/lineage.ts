import type { Collection } from "../source/collection.ts";
import type { RuleData } from "../source/rule.ts";

/** Where a canonical field comes from: dotted paths into the source's record, the rule that reads them, and what they are measured in. */
export interface FieldLineage {
  readonly field: string;
  readonly sourceFields: readonly string[];
  readonly rule: string;
  readonly unit?: string;
}

/** The lineage of every canonical field of a collection, read off its mapping. */
export const lineageOf = (collection: Collection): readonly FieldLineage[] =>
  Object.entries(collection.map).map(([field, rule]: [string, RuleData]) => ({
    field,
    sourceFields: rule.inputs,
    rule: rule.rule,
    ...(rule.unit === undefined ? {} : { unit: rule.unit }),
  }));
