import { z } from "zod";

/**
 * What OpenLineage's published JSON Schemas demand, stated again in our own words: no registry has them as a package.
 * @see https://openlineage.io/spec/2-0-2/OpenLineage.json and https://openlineage.io/spec/facets/
 */
const uri = z.string().regex(/^[a-z][a-z0-9+.-]*:\S+$/i);
const base = { _producer: uri, _schemaURL: uri };
const dataset = { namespace: z.string().min(1), name: z.string().min(1) };

const schemaFacet = z.strictObject({
  ...base,
  fields: z
    .array(z.strictObject({ name: z.string(), type: z.string().optional(), description: z.string().optional() }))
    .optional(),
});
const versionFacet = z.strictObject({ ...base, datasetVersion: z.string() });
const columnLineage = z.strictObject({
  ...base,
  fields: z.record(
    z.string(),
    z.strictObject({
      inputFields: z.array(
        z.strictObject({
          ...dataset,
          field: z.string(),
          transformations: z
            .array(
              z.strictObject({
                type: z.enum(["DIRECT", "INDIRECT"]),
                subtype: z
                  .enum([
                    "IDENTITY",
                    "TRANSFORMATION",
                    "AGGREGATION",
                    "JOIN",
                    "GROUP_BY",
                    "FILTER",
                    "SORT",
                    "WINDOW",
                    "CONDITIONAL",
                  ])
                  .optional(),
                description: z.string().optional(),
                masking: z.boolean().optional(),
              }),
            )
            .optional(),
        }),
      ),
    }),
  ),
});
const outputStatistics = z.strictObject({
  ...base,
  rowCount: z.int().optional(),
  size: z.int().optional(),
  fileCount: z.int().optional(),
});
const dataQualityAssertions = z.strictObject({
  ...base,
  assertions: z.array(z.strictObject({ assertion: z.string(), success: z.boolean(), column: z.string().optional() })),
});
const errorMessage = z.strictObject({
  ...base,
  message: z.string(),
  programmingLanguage: z.string(),
  stackTrace: z.string().optional(),
});

const facets = z.strictObject({
  schema: schemaFacet.optional(),
  version: versionFacet.optional(),
  columnLineage: columnLineage.optional(),
});

export const runEvent = z.strictObject({
  eventType: z.enum(["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]),
  eventTime: z.iso.datetime({ offset: true }),
  producer: uri,
  schemaURL: uri,
  run: z.strictObject({ runId: z.uuid(), facets: z.strictObject({ errorMessage }).optional() }),
  job: z.strictObject({ ...dataset, facets: z.strictObject({}).optional() }),
  inputs: z.array(
    z.strictObject({ ...dataset, facets: facets.optional(), inputFacets: z.strictObject({ dataQualityAssertions }).optional() }),
  ),
  outputs: z.array(
    z.strictObject({ ...dataset, facets: facets.optional(), outputFacets: z.strictObject({ outputStatistics }).optional() }),
  ),
});
