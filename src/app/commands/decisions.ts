import { RequestError } from "../../core/errors.ts";
import { systemClock } from "../../core/ports.ts";
import type { Catalog } from "../../source/catalog.ts";
import { type IdentityDecision, IdentityDecisions } from "../../store/identity-decisions.ts";
import { readConfig } from "../config.ts";
import { discoverSources } from "../registry.ts";

const opened = (): IdentityDecisions => new IdentityDecisions(readConfig(process.env).home);

const shown = ({ id, type, a, b, at, reason }: IdentityDecision): string =>
  `${id}  ${type.padEnd(6)}  ${a}  ${b}  ${at}${reason === null ? "" : `  ${reason}`}`;

/** Says that two records are, or are not, one customer; in force from the next refresh of the index and the next build on. */
export async function decideCommand(
  type: IdentityDecision["type"],
  a: string,
  b: string,
  options: { reason?: string },
): Promise<void> {
  const catalog = await discoverSources();
  for (const record of [a, b]) checkRecord(record, catalog);
  console.log(shown(await opened().add(type, [a, b], options.reason ?? null, systemClock.nowMs())));
}

function checkRecord(record: string, catalog: Catalog): void {
  const collections = catalog.of("Customer").map(({ id }) => id);
  if (collections.some(id => record.startsWith(`${id}:`) && record.length > id.length + 1)) return;
  throw new RequestError(
    "REQUEST_INVALID",
    `"${record}" is no record of a customer: give <source>.<collection>:<key>, the collection being one of ${collections.join(", ")}`,
  );
}

/** Takes a decision back. */
export async function undoCommand(id: string): Promise<void> {
  console.log(`undone: ${shown(await opened().undo(id, systemClock.nowMs()))}`);
}

/** Lists the decisions in force. */
export async function decisionsCommand(options: { json?: boolean }): Promise<void> {
  const decisions = await opened().list();
  if (options.json) console.log(JSON.stringify({ decisions }));
  else console.log(decisions.length === 0 ? "Nobody has decided anything." : decisions.map(shown).join("\n"));
}
