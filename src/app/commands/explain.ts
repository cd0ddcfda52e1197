import { RequestError } from "../../core/errors.ts";
import { type CellExplanation, explainCell, type Say } from "../../pipeline/explain.ts";
import { explainIdentity, type IdentityExplanation } from "../../pipeline/explain-identity.ts";
import { readConfig } from "../config.ts";
import { createLogger } from "../logger.ts";
import { rawKeyOption } from "../raw-key.ts";
import { discoverSources } from "../registry.ts";

interface ExplainCommandOptions {
  readonly id?: string;
  readonly version?: string;
  readonly json?: boolean;
}

/** Prints where a value comes from, down to the bytes; or, of two records, why they are one customer or are not. */
export async function explainCommand(what: string, other: string | undefined, options: ExplainCommandOptions): Promise<void> {
  const { home, logLevel, logFile } = readConfig(process.env);
  const key = rawKeyOption(process.env, createLogger(logLevel, logFile ?? `${home}/tributary.log`));
  const parts = { catalog: await discoverSources(), home, ...key, ...(options.version && { version: options.version }) };
  if (other === undefined) {
    if (options.id === undefined)
      throw new RequestError("REQUEST_INVALID", `say of which row: tributary explain ${what} --id <id>`);
    const cell = await explainCell(parts, { column: what, id: options.id });
    console.log(options.json ? JSON.stringify(cell) : cellText(cell));
    return;
  }
  const identity = await explainIdentity(parts, [what, other]);
  console.log(options.json ? JSON.stringify(identity) : identityText(identity));
}

const shown = (value: string | null): string => (value === null ? "null" : JSON.stringify(value));

function cellText({ version, table, column, id, askedFor, value, lineage, says, isReproduced }: CellExplanation): string {
  const asked = askedFor === null ? [] : [`${askedFor} is now ${id}`];
  const made = lineage.made === null ? [] : [`made by the build: ${lineage.made}`];
  const anew = isReproduced === null ? [] : [isReproduced ? "Read anew, the kept bytes give the same value." : differs];
  const heading = `${table}.${column} of ${id} is ${shown(value)} (${lineage.type}, dataset ${version})`;
  return [...asked, heading, ...made, ...says.flatMap(sayLines), ...anew].join("\n");
}

const differs = "Read anew, the kept bytes give ANOTHER value: the declarations or the code have changed since the build.";

function sayLines({ record, by, value, issue, outcome, inputs, raw, excerpt }: Say): readonly string[] {
  const rank = by?.rank == null ? "" : `, rank ${by.rank}`;
  const read =
    by === null
      ? []
      : [
          `  says ${shown(value)}${issue === null ? "" : ` (${issue})`} by rule ${by.rule}${unitOf(by.unit)}, rule version ${by.version}`,
        ];
  return [
    "",
    `${record}${outcomeWords[outcome](lineageKind(by))}${rank}`,
    ...read,
    ...inputs.map(({ path, pointer, text }) => `  ${path} is ${text ?? "absent"} at ${pointer}`),
    `  raw ${raw.raw}`,
    `  in ${raw.file}, line ${raw.line}: ${raw.request.method} ${raw.request.path} answered ${raw.status}, received ${raw.receivedAt}`,
    `  ${excerpt}`,
  ];
}

const unitOf = (unit: string | null): string => (unit === null ? "" : ` in ${unit}`);
const lineageKind = (by: Say["by"]): boolean => by?.rank != null;

const outcomeWords: Readonly<Record<Say["outcome"], (isRanked: boolean) => string>> = {
  won: isRanked => (isRanked ? ": won, the best ranked that has a value" : ""),
  outranked: () => ": has a value, but another goes before it",
  empty: isRanked => (isRanked ? ": has no value" : ""),
  silent: () => "",
};

function identityText({ version, a, b, path, apart }: IdentityExplanation): string {
  if (path === null) {
    const why =
      apart.length === 0 ? ["Nothing forbids it, but no evidence was strong enough."] : apart.map(reason => `  ${reason}`);
    return [`${a.record} is ${a.customer}, ${b.record} is ${b.customer}: two customers (dataset ${version})`, ...why].join("\n");
  }
  const steps = path.map(({ from, to, rule, evidence, weight }) => {
    const weighed = weight === null ? "" : `, ${weight} bits`;
    return `  ${from} – ${to}: ${rule}${evidence === null ? "" : ` ${evidence}`}${weighed}`;
  });
  return [`${a.record} and ${b.record} are ${a.customer} (dataset ${version})`, ...steps].join("\n");
}
