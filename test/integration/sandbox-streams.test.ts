import { afterEach, describe, expect, it } from "@jest/globals";
import clickstreamSandbox from "../../datasources/clickstream/sandbox.ts";
import clickstream from "../../datasources/clickstream/source.ts";
import productSandbox from "../../datasources/product/sandbox.ts";
import product from "../../datasources/product/source.ts";
import { systemClock } from "../../src/core/ports.ts";
import { Secret } from "../../src/core/secret.ts";
import { consumeStream } from "../../src/intake/streams/streams.ts";
import { startSandbox } from "../../src/sandbox/server.ts";
import { baseUrlVariable, type Source } from "../../src/source/define-source.ts";
import type { LineStream, Stream } from "../../src/source/streams.ts";
import { createStreamExchange } from "../../src/upstream/stream-exchange.ts";
import { anyEvents } from "../support/stream-reading.ts";
import { MemorySink } from "../support/stream-sink.ts";
import { silent } from "../support/world.ts";

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function openSandbox() {
  const sandbox = await startSandbox({ port: 0, seed: 7, customers: 50, imitations: [clickstreamSandbox, productSandbox] });
  closers.push(() => sandbox.close());
  const post = (path: string, body?: object) =>
    fetch(`${sandbox.origin}/__control/${path}`, {
      method: "POST",
      ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
  let seed = 1;
  const change = (source: Source, count: number) => post("changes", { source: source.name, count, seed: seed++ });
  return { ...sandbox, change, reset: () => post("reset") };
}

type Opened = Awaited<ReturnType<typeof openSandbox>>;

function follow({ environment }: Opened, source: Source, stream: Stream, sink = new MemorySink()) {
  const secrets = { read: (name: string) => new Secret(environment[name] ?? "") };
  const baseUrl = environment[baseUrlVariable(source)] ?? "";
  const exchange = createStreamExchange(source, { baseUrl, secrets, clock: systemClock, logger: silent });
  const stop = new AbortController();
  const parts = { exchange, sink, clock: systemClock, random: () => 0, logger: silent, signal: stop.signal };
  const running = consumeStream(stream, { name: `${source.name}.stream`, ...parts });
  const end = async () => {
    stop.abort();
    await running;
  };
  closers.push(async () => {
    await end();
    await exchange.close();
  });
  return { sink, end };
}

const lines: LineStream = {
  transport: "ndjson",
  path: "/v1/events/stream",
  resume: { position: "sequence", in: "query", name: "after" },
  events: anyEvents,
};
const declared = (source: Source, name: string): Stream => {
  const stream = source.streams?.[name];
  if (stream === undefined) throw new Error(`${source.name} declares no ${name}`);
  return stream;
};
const cases: readonly { readonly name: string; readonly source: Source; readonly stream: Stream }[] = [
  { name: "server-sent events", source: clickstream, stream: declared(clickstream, "live") },
  { name: "JSON lines", source: clickstream, stream: lines },
  { name: "a WebSocket", source: product, stream: declared(product, "changes") },
];

describe.each(cases)("the sandbox over $name", ({ source, stream }) => {
  it("tells what changes, also what changed while nobody listened, and says so when it has forgotten", async () => {
    const sandbox = await openSandbox();
    const first = follow(sandbox, source, stream);
    for (let tries = 0; first.sink.messages.length === 0 && tries < 50; tries++) {
      await sandbox.change(source, 1);
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    await first.end();
    const { length } = first.sink.messages;
    await sandbox.change(source, 300);
    const second = follow(sandbox, source, stream, first.sink);
    await first.sink.until(({ messages }) => messages.length >= length + 300);
    const sequences = first.sink.texts.map(text => (JSON.parse(text) as { sequence: number }).sequence);
    expect(sequences).toEqual(sequences.map((_number, index) => (sequences[0] ?? 0) + index));
    expect(first.sink.messages.some(({ problem }) => problem !== undefined)).toBe(false);
    await second.end();
    await sandbox.reset();
    follow(sandbox, source, stream, first.sink);
    await first.sink.until(({ gaps }) => gaps.length === 1);
    expect(first.sink.gaps[0]?.from).toBe(String(sequences.at(-1)));
  });
});

describe("what the sandbox tells", () => {
  it("is what its listings have then", async () => {
    const sandbox = await openSandbox();
    const { sink } = follow(sandbox, product, declared(product, "changes"));
    for (let tries = 0; sink.messages.length === 0 && tries < 50; tries++) {
      await sandbox.change(product, 1);
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    const { accountId } = JSON.parse(sink.texts.at(-1) ?? "{}") as { accountId: string };
    const answer = await fetch(`${sandbox.origin}/product/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${sandbox.environment["PRODUCT_API_TOKEN"]}` },
      body: JSON.stringify({
        query: "query ($ids: [ID!]!) { accountsByIds(ids: $ids) { companyName } }",
        variables: { ids: [accountId] },
      }),
    });
    expect(JSON.stringify(await answer.json())).toMatch(/Company \d{6}/);
  });
});
