import { ConfigError } from "../core/errors.ts";
import type { RuleData } from "../source/rule.ts";
import type { Form } from "./form.ts";
import { forms } from "./forms.ts";

/** The forms of a rule; throws `SOURCE_INVALID` for a rule that has none. */
export function formOf({ rule }: RuleData): Form {
  const form = rule !== "firstOf" && Object.hasOwn(forms, rule) ? forms[rule] : undefined;
  if (form === undefined) throw new ConfigError("SOURCE_INVALID", `A mapping uses the rule "${rule}", which does not exist`);
  return form;
}
