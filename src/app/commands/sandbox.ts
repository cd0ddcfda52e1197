import type { Imitation } from "../../sandbox/imitation.ts";
import { startSandbox } from "../../sandbox/server.ts";
import { readConfig } from "../config.ts";
import { discoverImitations } from "../registry.ts";
import { untilStopped } from "../until-stopped.ts";

/** What the sandbox tells a process that started it. */
export interface SandboxReady {
  readonly origin: string;
  /** Base URLs and credentials for a client of the imitations. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Serves every imitation until it is stopped; tells a parent process where. */
export async function runSandbox(): Promise<void> {
  const { port, seed, customers, quotas } = readConfig(process.env).sandbox;
  const imitations = await discoverImitations();
  const sandbox = await startSandbox({ port, seed, customers, quotas, imitations });
  const ready: SandboxReady = { origin: sandbox.origin, environment: sandbox.environment };
  if (process.send) process.send(ready);
  else printReady(ready, { customers, seed, imitations });
  await untilStopped();
  await sandbox.close();
  if (process.connected) process.disconnect();
}

interface Shown {
  readonly customers: number;
  readonly seed: number;
  readonly imitations: readonly Imitation[];
}

function printReady({ origin, environment }: SandboxReady, { customers, seed, imitations }: Shown): void {
  console.log(`${customers} people from seed ${seed}. To serve the graph over them:\n`);
  for (const [name, value] of Object.entries(environment)) console.log(`export ${name}=${value}`);
  const streams = imitations.flatMap(({ name, streams: paths = [] }) => paths.map(path => `/${name}${path}`));
  console.log(`\nStreams: ${streams.join(", ")}: they tell what POST ${origin}/__control/changes changes`);
  console.log(`Control: ${origin}/__control/calls, /__control/faults, /__control/truth, /__control/reset`);
  console.log(`Sandbox is ready: ${origin}`);
}
