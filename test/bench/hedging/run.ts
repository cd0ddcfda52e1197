import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Logger, systemClock } from "../../../src/core/ports.ts";
import { Dice } from "../../../src/sandbox/random.ts";
import * as t from "../../../src/source/index.ts";
import type { CallContext } from "../../../src/upstream/context.ts";
import { Upstream } from "../../../src/upstream/upstream.ts";

/** What hedging buys on a slow tail: the same reads with and without it, against a server of which some answers are late. */
const REQUESTS = 4_000;
const PER_SECOND = 100;
const LATE_SHARE = 0.03;
const [usualMs, lateMs] = [10, 400];

const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** A server that answers after `usualMs`, three times in a hundred after `lateMs`. */
async function startServer() {
  let asked = 0;
  const dice = new Dice(7, 1);
  const random = () => dice.fraction();
  const answer = (response: ServerResponse) => {
    asked++;
    setTimeout(() => response.end("{}"), random() < LATE_SHARE ? lateMs : usualMs * (0.5 + random()));
  };
  const server = createServer((_request, response) => answer(response));
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { baseUrl, asked: () => asked, close: () => void (server.closeAllConnections(), server.close()) };
}

function upstreamOf(baseUrl: string, isHedged: boolean): Upstream {
  const limits = [t.window({ requests: 4 * PER_SECOND, windowMs: 1_000 })];
  const source = t.defineSource({
    name: "bench",
    title: "Bench",
    version: "1",
    client: { baseUrl, auth: t.noAuth(), limits, concurrency: 64, hedge: isHedged },
    collections: {},
  });
  const read = (name: string): never => {
    throw new Error(`no secret ${name}`);
  };
  return new Upstream(source, { baseUrl, secrets: { read }, clock: systemClock, random: Math.random, logger: silent });
}

const context = (): CallContext => ({
  priority: "live",
  signal: AbortSignal.timeout(10_000),
  deadlineAtMs: Date.now() + 10_000,
  requestId: "bench",
});

async function measure(isHedged: boolean) {
  const server = await startServer();
  const upstream = upstreamOf(server.baseUrl, isHedged);
  const tookMs: number[] = [];
  const one = async () => {
    const startedAt = performance.now();
    await upstream.send(t.get("things.get", "/"), context());
    tookMs.push(performance.now() - startedAt);
  };
  const all: Promise<void>[] = [];
  for (let request = 0; request < REQUESTS; request++) {
    all.push(one());
    await systemClock.sleep(1_000 / PER_SECOND);
  }
  await Promise.all(all);
  await upstream.close();
  server.close();
  tookMs.sort((a, b) => a - b);
  const at = (share: number) => (tookMs[Math.ceil(tookMs.length * share) - 1] ?? 0).toFixed(0);
  return {
    hedging: isHedged ? "on" : "off",
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    "p99.9": at(0.999),
    requests: server.asked(),
  };
}

console.log(
  `${REQUESTS} reads at ${PER_SECOND}/s; answers after ${usualMs} ms, ${LATE_SHARE * 100} % of them after ${lateMs} ms; ms`,
);
console.table([await measure(false), await measure(true)]);
