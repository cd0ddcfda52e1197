import { z } from "zod";

/**
 * What the JSON Schema of ODCS 3.1 demands of the parts that we write, stated again in our own words.
 * @see https://github.com/bitol-io/open-data-contract-standard
 */
const quality = z.strictObject({
  type: z.literal("library"),
  metric: z.enum(["nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount"]),
  mustBe: z.number(),
  unit: z.string().optional(),
  arguments: z.record(z.string(), z.unknown()).optional(),
});
const sqlQuality = z.strictObject({
  type: z.literal("sql"),
  query: z.string().min(1),
  mustBe: z.number(),
  name: z.string().optional(),
  description: z.string().optional(),
  dimension: z.enum(["accuracy", "completeness", "conformity", "consistency", "coverage", "timeliness", "uniqueness"]).optional(),
  severity: z.string().optional(),
});
const logicalType = z.enum(["string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean"]);
const property = z.strictObject({
  name: z.string(),
  logicalType,
  physicalType: z.string(),
  description: z.string().optional(),
  required: z.boolean().optional(),
  unique: z.boolean().optional(),
  primaryKey: z.boolean().optional(),
  primaryKeyPosition: z.int().optional(),
  classification: z.string().optional(),
  transformSourceObjects: z.array(z.string()).optional(),
  transformLogic: z.string().optional(),
  items: z.strictObject({ logicalType }).optional(),
  quality: z.array(quality).optional(),
});

export const dataContract = z.strictObject({
  version: z.string(),
  apiVersion: z.literal("v3.1.0"),
  kind: z.literal("DataContract"),
  id: z.string(),
  status: z.string(),
  name: z.string().optional(),
  servers: z.array(z.strictObject({ server: z.string(), type: z.literal("local"), path: z.string(), format: z.string() })),
  schema: z.array(
    z.strictObject({
      name: z.string(),
      physicalName: z.string().optional(),
      physicalType: z.string().optional(),
      logicalType: z.literal("object").optional(),
      properties: z.array(property),
      quality: z.array(sqlQuality).optional(),
    }),
  ),
});
