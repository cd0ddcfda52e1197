import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { SandboxReady } from "../../../src/app/commands/sandbox.ts";
import { projectFolder } from "../../support/process.ts";
import type { Answers } from "./probe.ts";

type Environment = Readonly<Record<string, string>>;

/** A server under measurement, in a process of its own. */
export interface Served {
  readonly name: string;
  readonly url: string;
  readonly ask: <Question extends keyof Answers>(question: Question) => Promise<Answers[Question]>;
  readonly stop: () => Promise<void>;
}

export interface ServerOptions {
  readonly name: string;
  /** The program and its arguments, from the project's folder. */
  readonly command: readonly string[];
  readonly environment: Environment;
}

const probe = new URL("probe.ts", import.meta.url).href;

/** Starts a server that prints `is ready: <url>`; rejects with what it printed when it ends before that. */
export async function startServer({ name, command, environment }: ServerOptions): Promise<Served> {
  const child = start(["--import", probe, ...command], environment);
  const url = await readyAt(child, name);
  return {
    name,
    url,
    ask: async question => {
      child.send(question);
      const [answer] = (await once(child, "message")) as [Answers[typeof question]];
      return answer;
    },
    stop: () => stop(child),
  };
}

/** The imitations of all sources, without limits, in a process of their own. */
export interface Upstreams extends SandboxReady {
  readonly stop: () => Promise<void>;
}

/** Starts the sandbox without limits. */
export async function startUpstreams(): Promise<Upstreams> {
  const child = start(["src/app/main.ts", "sandbox"], { SANDBOX_PORT: "0", SANDBOX_QUOTAS: "off" });
  const [ready] = (await once(child, "message")) as [SandboxReady];
  return { ...ready, stop: () => stop(child) };
}

/** Makes every source answer `delayMs` later than it would, and nothing else. */
export async function delayAll({ origin }: Upstreams, delayMs: number): Promise<void> {
  const calls = (await (await fetch(`${origin}/__control/calls`)).json()) as object;
  await fetch(`${origin}/__control/faults`, { method: "DELETE" });
  if (delayMs === 0) return;
  for (const source of Object.keys(calls)) {
    const body = JSON.stringify({ source, kind: "delay", delayMs });
    const request = { method: "POST", headers: { "content-type": "application/json" }, body };
    const response = await fetch(`${origin}/__control/faults`, request);
    if (!response.ok) throw new Error(`the delay of ${source} was refused: ${await response.text()}`);
  }
}

function start(command: readonly string[], environment: Environment): ChildProcess {
  return spawn(process.execPath, command, {
    cwd: projectFolder,
    env: { ...process.env, NODE_ENV: "production", ...environment },
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
}

function readyAt(child: ChildProcess, name: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      const url = /is ready: (\S+)/.exec((text += chunk.toString()))?.[1];
      if (url !== undefined) resolve(url);
    });
    child.once("exit", () => reject(new Error(`${name} ended before it was ready: ${text}`)));
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGINT");
  await ended;
}
