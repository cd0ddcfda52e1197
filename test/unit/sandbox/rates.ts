import { discoverImitations } from "../../../src/app/registry.ts";
import type { Rates } from "../../../src/sandbox/traces.ts";

/** The rates of every source's imitation, as a sandbox that serves them all gives them to its population. */
export const rates: Readonly<Record<string, Rates>> = Object.fromEntries(
  (await discoverImitations()).flatMap(({ name, rates: own }) => (own ? [[name, own] as const] : [])),
);
