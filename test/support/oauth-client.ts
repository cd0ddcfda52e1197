/**
 * Makes requests with a rotating refresh token, as one of several processes. Arguments: the server's address, how many requests, and what the processes share: a
 * Redis by its address, a folder by its path, or `nothing`. The refresh token is in REFRESH_TOKEN. Prints how many answers came.
 */
import { Redis } from "ioredis";
import { systemClock } from "../../src/core/ports.ts";
import { Secret } from "../../src/core/secret.ts";
import * as t from "../../src/source/index.ts";
import { FileTokenStore } from "../../src/store/file-token-store.ts";
import { RedisTokenStore } from "../../src/store/redis-token-store.ts";
import { MemoryTokenStore } from "../../src/upstream/auth/token-store.ts";
import { Upstream } from "../../src/upstream/upstream.ts";

const [baseUrl = "", requests = "0", shared = "nothing"] = process.argv.slice(2);
const secrets: Readonly<Record<string, string | undefined>> = {
  CLIENT_ID: "app",
  CLIENT_SECRET: "app-secret",
  REFRESH_TOKEN: process.env["REFRESH_TOKEN"],
};
const source = t.defineSource({
  name: "rotating",
  title: "Rotating",
  version: "1",
  client: {
    baseUrl,
    auth: t.refreshToken({
      tokenPath: "/token",
      clientId: "CLIENT_ID",
      clientSecret: "CLIENT_SECRET",
      refreshToken: "REFRESH_TOKEN",
    }),
    limits: [],
  },
  collections: {},
});
const redis = shared.startsWith("redis:") ? new Redis(shared) : undefined;
const tokens = redis ? new RedisTokenStore(redis) : shared === "nothing" ? new MemoryTokenStore() : new FileTokenStore(shared);
const quiet = () => undefined;
const upstream = new Upstream(source, {
  baseUrl,
  tokens,
  secrets: { read: name => new Secret(secrets[name] ?? "") },
  clock: systemClock,
  random: Math.random,
  logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
});

let answers = 0;
const problems: string[] = [];
for (let request = 0; request < Number(requests); request++) {
  const context = {
    priority: "live",
    signal: AbortSignal.timeout(20_000),
    deadlineAtMs: Date.now() + 20_000,
    requestId: "r",
  } as const;
  try {
    await upstream.send(t.get("things.get", "/things"), context);
    answers++;
  } catch (thrown) {
    problems.push(String(thrown));
  }
  await systemClock.sleep(25);
}
await upstream.close();
redis?.disconnect();
console.log(JSON.stringify({ answers, problem: problems[0] ?? null }));
