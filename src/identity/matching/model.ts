import { z } from "zod";
import { ConfigError } from "../../core/errors.ts";

/** How the values of a field are compared; each kind has its comparison levels, see `comparison.ts`. */
export const fieldKinds = ["name", "text", "email", "phone", "identifier", "code", "category", "date", "number"] as const;
export type FieldKind = (typeof fieldKinds)[number];

const field = z.strictObject({
  /** The column of the input. */
  column: z.string().min(1),
  kind: z.enum(fieldKinds),
});

const contract = z.strictObject({
  /** The column that names a record; unless given, a column called id, rec_id or record_id, else the row's number. */
  key: z.string().min(1).optional(),
  /** Columns that say nothing about who a record is. */
  ignore: z.array(z.string()).optional(),
  /** The fields that are compared; found from the values unless given. */
  fields: z.array(field).min(1).optional(),
  /** Blocking rules: each is a list of columns that must all be equal for a pair to be looked at; found from the values unless given. */
  blocking: z
    .array(z.array(z.string().min(1)).min(1))
    .min(1)
    .optional(),
  /** Columns that are proof: rows with the same value are one, and one never has two values; blank says nothing. */
  keys: z.array(z.string().min(1)).optional(),
  /** A pair counts as a match from this probability on; 0.9 unless given. */
  threshold: z.number().gt(0).lt(1).optional(),
  /** Whether each input holds every entity once at most: then two of its records are never put together. False unless given. */
  isEachInputUnique: z.boolean().optional(),
});

/** What a matching run is told. */
export type MatchModel = z.infer<typeof contract>;
export type Field = z.infer<typeof field>;

/** Reads a model; throws `CONFIG_INVALID` naming the place. */
export function readModel(value: unknown): MatchModel {
  const read = contract.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new ConfigError(
    "CONFIG_INVALID",
    `the model at ${issue?.path.join(".") || "its root"}: ${issue?.message ?? "not readable"}`,
  );
}
