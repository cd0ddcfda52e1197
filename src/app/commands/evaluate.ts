import { readFile } from "node:fs/promises";
import { z } from "zod";
import { asError, ConfigError } from "../../core/errors.ts";
import { evaluate, type Evaluation, type TrueRecord } from "../../pipeline/evaluate.ts";
import { readConfig } from "../config.ts";

interface EvaluateOptions {
  readonly truth: string;
  readonly version?: string;
  readonly json?: boolean;
}

const TIMEOUT_MS = 60_000;
const record = z.object({ source: z.string(), collection: z.string(), key: z.string() });
/** As the sandbox's control gives it: whatever `person` is, the records beside it are one. */
const truthContract = z.object({ people: z.array(z.object({ records: z.array(record) })) });

/** Says how right the last build is about who is who, where the truth is known. */
export async function evaluateCommand(options: EvaluateOptions): Promise<void> {
  const { home } = readConfig(process.env);
  const evaluation = await evaluate(home, await truthAt(options.truth), options.version);
  console.log(options.json ? JSON.stringify(evaluation) : textOf(evaluation));
}

async function truthAt(place: string): Promise<readonly TrueRecord[]> {
  const read = truthContract.safeParse(await jsonAt(place));
  if (!read.success)
    throw new ConfigError("CONFIG_INVALID", `--truth: ${place} is not {"people": [{"records": [{source, collection, key}]}]}`);
  return read.data.people.flatMap(({ records }, person) => records.map(each => ({ ...each, person: String(person) })));
}

async function jsonAt(place: string): Promise<unknown> {
  try {
    if (!/^https?:/.test(place)) return JSON.parse(await readFile(place, "utf8"));
    const response = await fetch(place, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    return await response.json();
  } catch (cause) {
    throw new ConfigError("CONFIG_INVALID", `--truth: ${place} cannot be read: ${asError(cause).message}`, { cause });
  }
}

function textOf({ version, records, customers, people, unknown, wrong, ...accuracy }: Evaluation): string {
  const by = (["pairs", "clusters"] as const).map(name => {
    const { precision, recall, f1 } = accuracy[name];
    return `By ${name}: precision ${precision.toFixed(4)}, recall ${recall.toFixed(4)}, F1 ${f1.toFixed(4)}`;
  });
  return [
    `${customers} customers for ${people} people, ${records} records, dataset ${version}`,
    ...by,
    `Left aside: ${unknown.toTruth} records that the truth does not know, ${unknown.toDataset} that the dataset does not have`,
    ...wrong.merged.map(each => `${each.customer} is ${each.people} people: ${each.records.join(", ")}`),
    ...wrong.split.map(each => `one person is ${each.customers.join(" and ")}`),
  ].join("\n");
}
