import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError } from "../../core/errors.ts";
import { readConfig } from "../config.ts";
import type { SandboxReady } from "./sandbox.ts";
import { serveGraph } from "./serve.ts";

const mainFile = fileURLToPath(new URL("../main.ts", import.meta.url));

/** Runs the sandbox in a process of its own, and the graph over it. */
export async function start(): Promise<void> {
  const config = readConfig(process.env);
  const logFile = config.logFile ?? `${config.home}/tributary.log`;
  const sandbox = fork(mainFile, ["sandbox"], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  try {
    const { origin, environment } = await readySandbox(sandbox, config.sandbox.port);
    console.log(
      `Sandbox: ${origin} (${config.sandbox.customers} people, seed ${config.sandbox.seed}; break things with ${origin}/__control/faults)`,
    );
    console.log(`Log: ${logFile}`);
    // Another seed or size is another world: its customers must not meet those of the world before.
    const store = `sandbox-${config.sandbox.seed}-${config.sandbox.customers}`;
    const onOpen = () => saveEnvironment(`${config.home}/sandbox.env`, environment);
    const onListening = (graph: string) => beCalled(origin, environment, graph);
    await serveGraph({ ...config, logFile, store }, { ...process.env, ...environment }, { onOpen, onListening });
  } finally {
    sandbox.kill("SIGTERM");
  }
}

/** Leaves the sandbox's addresses and credentials for other commands: `tributary --env-file <file> pull`. */
async function saveEnvironment(file: string, environment: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const lines = Object.entries(environment).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(file, lines.join(""), { mode: 0o600 });
}

/** Has the sandbox call the graph for every change at a source that has webhooks, as one would set it up at the provider. */
async function beCalled(origin: string, environment: Readonly<Record<string, string>>, graph: string): Promise<void> {
  const variable = /^(.+)_WEBHOOK_SECRET$/;
  for (const [name, secret] of Object.entries(environment)) {
    const source = variable.exec(name)?.[1]?.toLowerCase();
    if (source === undefined) continue;
    const response = await fetch(`${origin}/__control/deliveries/${source}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ url: `${graph}/webhooks/${source}`, secret }),
      signal: AbortSignal.timeout(5_000),
    });
    if (!response.ok)
      throw new ConfigError("CONFIG_INVALID", `the sandbox does not call ${source}'s webhooks: ${await response.text()}`);
  }
}

/** Waits until the sandbox says where it is; throws when it ends instead. */
async function readySandbox(sandbox: ChildProcess, port: number): Promise<SandboxReady> {
  const ended = new AbortController();
  const exit = once(sandbox, "exit", { signal: ended.signal }).then(() => {
    throw new ConfigError(
      "CONFIG_INVALID",
      `the sandbox could not start; if port ${port} is in use, stop what uses it, or set SANDBOX_PORT`,
    );
  });
  const [ready] = (await Promise.race([once(sandbox, "message"), exit])) as [SandboxReady];
  exit.catch(() => undefined);
  ended.abort();
  return ready;
}
