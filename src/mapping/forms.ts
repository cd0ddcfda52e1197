import type { RuleName } from "../source/rule.ts";
import type { Form } from "./form.ts";
import { majorUnitsForm, minorUnitsForm } from "./money-forms.ts";
import { decimalForm, intForm, longForm } from "./number-forms.ts";
import { countryForm, phoneForm } from "./place-forms.ts";
import { currencyForm, emailForm, fullNameForm, joinedForm, keyForm, textForm } from "./text-forms.ts";
import { dateForm, epochMillisForm, epochSecondsForm, rfc3339Form } from "./time-forms.ts";
import { booleanForm, enumForm, literalForm } from "./word-forms.ts";

/**
 * Every rule's forms. Adding a rule is adding its name to `RuleName`, its entry here and its cases to the property test.
 * `firstOf` is not here: the compilers build it from the forms of its parts.
 */
export const forms: Readonly<Record<Exclude<RuleName, "firstOf">, Form>> = {
  key: keyForm,
  ref: keyForm,
  text: textForm,
  fullName: fullNameForm,
  joined: joinedForm,
  email: emailForm,
  phone: phoneForm,
  country: countryForm,
  currency: currencyForm,
  enumOf: enumForm,
  boolean: booleanForm,
  int: intForm,
  long: longForm,
  decimal: decimalForm,
  minorUnits: minorUnitsForm,
  majorUnits: majorUnitsForm,
  epochSeconds: epochSecondsForm,
  epochMillis: epochMillisForm,
  rfc3339: rfc3339Form,
  date: dateForm,
  literal: literalForm,
};
