import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { startRedis } from "../support/redis.ts";

const PROCESSES = 4;
const REQUESTS = 200;

const support = (file: string): string => new URL(`../support/${file}`, import.meta.url).pathname;
const run = (file: string, argumentList: readonly string[], environment: Record<string, string> = {}): ChildProcess =>
  spawn(process.execPath, [support(file), ...argumentList], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });

/** The first line that a process prints, as JSON. */
async function lineOf<T>(child: ChildProcess): Promise<T> {
  let text = "";
  for await (const chunk of child.stdout!) {
    text += String(chunk);
    if (text.includes("\n")) return JSON.parse(text.slice(0, text.indexOf("\n"))) as T;
  }
  throw new Error(`the process ended without a line: ${text}`);
}

interface State {
  readonly revoked: number;
  readonly refreshed: number;
  readonly served: number;
  readonly refused: number;
}

let redis: Awaited<ReturnType<typeof startRedis>>;
let server: ChildProcess;
let issuer: string;
let refreshToken: string;
let home: string;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "tokens-"));
  server = run("oauth-server.ts", []);
  ({ issuer, refreshToken } = await lineOf<{ issuer: string; refreshToken: string }>(server));
});
afterEach(async () => {
  server.kill("SIGKILL");
  await rm(home, { recursive: true, force: true });
});

async function together(shared: string, requests = REQUESTS): Promise<{ answers: number[]; state: State }> {
  const clients = Array.from({ length: PROCESSES }, () =>
    run("oauth-client.ts", [issuer, String(requests), shared], { REFRESH_TOKEN: refreshToken }),
  );
  const results = await Promise.all(clients.map(client => lineOf<{ answers: number }>(client)));
  const state = (await (await fetch(`${issuer}/state`)).json()) as State;
  return { answers: results.map(({ answers }) => answers), state };
}

describe("a refresh token that rotates, used by four processes at once, over access tokens that live two seconds", () => {
  it.each([
    ["a Redis", () => redis.url],
    ["a folder", () => home],
  ])("nothing is lost and the family is never revoked when they share %s", async (_name, shared) => {
    const { answers, state } = await together(shared());
    expect(answers).toEqual(Array.from({ length: PROCESSES }, () => REQUESTS));
    expect(state.revoked).toBe(0);
    expect(state.served).toBe(PROCESSES * REQUESTS);
    // One refresh for about every second that the run took, not one for every process.
    expect(state.refreshed).toBeGreaterThan(2);
    expect(state.refreshed).toBeLessThan(40);
  });

  it("the family is revoked when they share nothing: the trial can fail", async () => {
    const { answers, state } = await together("nothing", 120);
    expect(state.revoked).toBeGreaterThan(0);
    expect(Math.min(...answers)).toBeLessThan(120);
  });
});
