import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { SandboxReady } from "../../../src/app/commands/sandbox.ts";
import { projectFolder } from "../../support/process.ts";

/** The imitations in a process of their own, with their limits. */
export interface SoakSandbox extends SandboxReady {
  /** Requests that all sources saw since the start, by what they answered. */
  readonly outcomes: () => Promise<Readonly<Record<string, number>>>;
  readonly stop: () => Promise<void>;
}

/** What a source does now and then; `percent` of its requests meet each. Together some two in a hundred. */
const faults = [
  { kind: "status", status: 503, percent: 0.4 },
  { kind: "status", status: 500, percent: 0.2 },
  { kind: "status", status: 429, retryAfter: 1, percent: 0.1 },
  { kind: "reset", percent: 0.3 },
  { kind: "cut-headers", percent: 0.2 },
  { kind: "cut-chunk", percent: 0.2 },
  { kind: "truncate", percent: 0.2 },
  { kind: "malformed", percent: 0.1 },
  { kind: "empty", percent: 0.1 },
  { kind: "delay", delayMs: 500, percent: 0.5 },
  { kind: "bomb", percent: 0.02 },
  { kind: "huge", percent: 0.02 },
  { kind: "drip", everyMs: 200, percent: 0.02 },
  { kind: "stall", percent: 0.03 },
];

/** Starts it, with every fault at every source. */
export async function startSoakSandbox(): Promise<SoakSandbox> {
  const child = spawn(process.execPath, ["src/app/main.ts", "sandbox"], {
    cwd: projectFolder,
    env: { ...process.env, SANDBOX_PORT: "0", SANDBOX_CUSTOMERS: "300" },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const [ready] = (await once(child, "message")) as [SandboxReady];
  const calls = async () => {
    const response = await fetch(`${ready.origin}/__control/calls`, { headers: { connection: "close" } });
    return (await response.json()) as Record<string, Record<string, Record<string, number>>>;
  };
  for (const source of Object.keys(await calls()))
    for (const fault of faults) await post(`${ready.origin}/__control/faults`, { source, ...fault });
  return { ...ready, outcomes: async () => totals(Object.values(await calls()).flatMap(Object.values)), stop: () => stop(child) };
}

async function post(url: string, body: object): Promise<void> {
  const headers = { "content-type": "application/json", connection: "close" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`a fault was refused: ${await response.text()}`);
  await response.arrayBuffer();
}

function totals(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const all: Record<string, number> = {};
  for (const count of counts) for (const [outcome, times] of Object.entries(count)) all[outcome] = (all[outcome] ?? 0) + times;
  return all;
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGINT");
  await ended;
}
