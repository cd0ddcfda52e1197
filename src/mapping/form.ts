import type { CanonicalValue } from "../core/canonical.ts";
import type { ExactNumber } from "../core/json.ts";
import type { RuleData } from "../source/rule.ts";

/**
 * One input as every rule sees it: text trimmed, well-formed and not blank; a JSON number or boolean as it is; `undefined` when
 * blank (absent, null, white space only); `null` when it is there but no rule can read it (object, array, text with U+0000).
 */
export type Input = string | number | bigint | ExactNumber | boolean | undefined | null;

/**
 * The same input in SQL, as two VARCHAR expressions. `kind` is `text`, `number`, `boolean`, `other`, or NULL when blank. `text` is the
 * trimmed text, a number in plain notation (NULL beyond its limits), `true`/`false`, or NULL for the rest.
 */
export interface SqlInput {
  readonly kind: string;
  readonly text: string;
}

/** Reads a value out of one to three inputs; null when they cannot be read. */
export type JsForm = (first: Input, second: Input, third?: Input) => CanonicalValue;
/** The VARCHAR expression of the canonical text that the JavaScript form yields for the same inputs. */
export type SqlForm = (first: SqlInput, second: SqlInput, third?: SqlInput) => string;

/** A rule's two forms, which a property test holds equal, and when its input counts as present. */
export interface Form {
  /** Which inputs make a value expected, so that null is an issue; `first` unless stated. */
  readonly isPresent?: "first" | "any" | "never";
  /** Whether the value `UNKNOWN` is an issue of its own. */
  readonly mayBeUnknown?: boolean;
  readonly js: (rule: RuleData) => JsForm;
  readonly sql: (rule: RuleData) => SqlForm;
}

/** A form that takes nothing from its rule but the inputs. */
export const plainForm = (js: JsForm, sql: SqlForm, more: Omit<Form, "js" | "sql"> = {}): Form => ({
  ...more,
  js: () => js,
  sql: () => sql,
});

/** What a declaration's enums say of a word that they do not list. */
export const UNKNOWN = "UNKNOWN";
