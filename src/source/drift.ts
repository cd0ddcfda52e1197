/** What a source can do to the shape of its records, and what a collection says should come of it. */

/**
 * How a record can differ from what was agreed:
 *
 * - `unknownField`: a field that neither the contract nor any earlier complete reading of the collection has
 * - `missingField`: a field of the contract is not there
 * - `changedType`: it has another JSON type, or is outside what the contract allows for it (length, format, range)
 * - `newEnumValue`: a word that neither the contract's enum nor a mapping's table lists
 * - `changedNullability`: null where the contract has a value
 */
export type DriftKind = "unknownField" | "missingField" | "changedType" | "newEnumValue" | "changedNullability";

/**
 * What comes of a record that differs; live answers and builds agree on it, and every case is counted in `sources { collections { drift } }`.
 *
 * | policy          | the record                                                     | live                                   | build                               |
 * | --------------- | -------------------------------------------------------------- | -------------------------------------- | ----------------------------------- |
 * | `evolve`        | is taken; the mapping reads of it what it can                  | its values                             | its values                          |
 * | `discard_value` | is taken without the value                                     | what reads it is null, with an error   | null, and a row in `issues`         |
 * | `discard_row`   | is left out                                                    | as if the source did not have it       | a row in `quarantine`               |
 * | `reject`        | is refused                                                     | its fields, or the list that holds it: an `UPSTREAM_CONTRACT` error | a row in `quarantine` |
 * | `freeze`        | ends the reading that it came in                               | `UPSTREAM_FROZEN` for all that was asked for with it | fails with `UPSTREAM_FROZEN` |
 *
 * With several differences in one record the gravest policy holds, in the order of the table. A key is never discarded, nor is an owner's: what
 * would be is rejected. Of an unknown field nothing is read in any case: `evolve` adds it to what is known after the next complete reading,
 * `discard_value` reports it as long as it comes. A new word that is let through becomes `UNKNOWN`.
 *
 * @see https://dlthub.com/docs/general-usage/schema-contracts for `evolve`, `freeze`, `discard_value` and `discard_row`
 */
export type DriftPolicy = "evolve" | "discard_value" | "discard_row" | "reject" | "freeze";

/** One policy for every kind, or one for each; kinds that are not named keep `defaultDrift`. */
export type Drift = DriftPolicy | Partial<Readonly<Record<DriftKind, DriftPolicy>>>;

/** What is new is let through and noted; what is missing or other than agreed breaks the record. */
export const defaultDrift: Readonly<Record<DriftKind, DriftPolicy>> = {
  unknownField: "evolve",
  missingField: "reject",
  changedType: "reject",
  newEnumValue: "evolve",
  changedNullability: "reject",
};

/** From the mildest to the gravest. */
export const driftPolicies: readonly DriftPolicy[] = ["evolve", "discard_value", "discard_row", "reject", "freeze"];

/** The policy of every kind. */
export function policiesOf(drift: Drift = {}): Readonly<Record<DriftKind, DriftPolicy>> {
  if (typeof drift !== "string") return { ...defaultDrift, ...drift };
  return { unknownField: drift, missingField: drift, changedType: drift, newEnumValue: drift, changedNullability: drift };
}
