import { afterEach, describe, expect, it } from "@jest/globals";
import { ContractError, UpstreamError } from "../../../src/core/errors.ts";
import { type Clock, systemClock } from "../../../src/core/ports.ts";
import type { Applied } from "../../../src/intake/apply.ts";
import { Processor } from "../../../src/intake/processor.ts";
import { openDatabase } from "../../../src/store/database.ts";
import { type Arrival, Inbox } from "../../../src/store/inbox.ts";
import { until } from "../../support/until.ts";

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const arrival = (identity: string, key: string, more: Partial<Arrival> = {}): Arrival => ({
  source: "crm",
  identity,
  channel: "webhook",
  type: "changed",
  object: { collection: "crm.people", key },
  isDeletion: false,
  occurredAtMs: null,
  receivedAtMs: Date.now(),
  body: "{}",
  ...more,
});

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A clock whose hours pass in a moment: who sleeps moves it on. */
function fastClock(): Clock {
  let nowMs = Date.now();
  const sleep = async (ms: number) => {
    nowMs += ms;
    await systemClock.sleep(1);
  };
  return { nowMs: () => nowMs, sleep };
}

type Outcome = Applied | Promise<Applied>;

async function stage(outcomeOf: (key: string, signal: AbortSignal) => Outcome, clock: Clock = systemClock) {
  const database = await openDatabase(null);
  const inbox = new Inbox(database);
  const applied: string[][] = [];
  const processor = new Processor({
    inbox,
    isShared: clock === systemClock,
    holder: "test",
    clock,
    random: () => 0.5,
    logger: quiet,
    apply: async (_collection, objects, { signal }) => {
      applied.push([...objects].map(([key, events]) => `${key}:${events.length}`));
      const outcomes = [...objects.keys()].map(async key => [key, await outcomeOf(key, signal)] as const);
      return new Map(await Promise.all(outcomes));
    },
  });
  ends.push(async () => {
    await processor.stop();
    await database.close();
  });
  return { inbox, processor, applied };
}

const settled = (inbox: Inbox) => async () => (await inbox.list({ state: "waiting", limit: 1 })).length === 0;

describe("working the inbox off", () => {
  it("brings each object up to date once for all its events", async () => {
    const { inbox, processor, applied } = await stage(() => "changed");
    await inbox.accept([arrival("a", "1"), arrival("b", "2"), arrival("c", "1"), arrival("d", "1")]);
    processor.start(["crm"]);
    await until(settled(inbox));
    expect(applied).toEqual([["1:3", "2:1"]]);
    expect((await inbox.list({ limit: 9 })).map(({ outcome }) => outcome)).toEqual(["changed", "changed", "changed", "changed"]);
  });

  it("gives up what fails for good, with its reason, and lets its neighbours through", async () => {
    const outcomeOf = (key: string): Outcome => (key === "bad" ? new ContractError("UPSTREAM_CONTRACT", "no name") : "changed");
    const { inbox, processor } = await stage(outcomeOf, fastClock());
    await inbox.accept([arrival("a", "bad"), arrival("b", "good")]);
    processor.start(["crm"]);
    await until(settled(inbox));
    expect(await inbox.list({ limit: 9 })).toMatchObject([
      { key: "good", state: "done", attempts: 1 },
      { key: "bad", state: "dead", attempts: 5, outcome: "UPSTREAM_CONTRACT: no name" },
    ]);
  });

  it("tries each alone where all fail together, so that one that breaks the rest does not", async () => {
    const outcomeOf = (key: string): Outcome => {
      if (key === "poison") throw new TypeError("what is that?");
      return "changed";
    };
    const { inbox, processor } = await stage(outcomeOf, fastClock());
    await inbox.accept([arrival("a", "poison"), arrival("b", "good"), arrival("c", "better")]);
    processor.start(["crm"]);
    await until(settled(inbox));
    expect(await inbox.list({ limit: 9 })).toMatchObject([
      { key: "better", state: "done", attempts: 1 },
      { key: "good", state: "done", attempts: 1 },
      { key: "poison", state: "dead", attempts: 5, outcome: "what is that?" },
    ]);
  });

  it("keeps trying where a failure may pass, for a day", async () => {
    let calls = 0;
    const outcomeOf = (key: string): Outcome =>
      key === "back" && ++calls > 12 ? "changed" : new UpstreamError("UPSTREAM_UNAVAILABLE", "down");
    const { inbox, processor } = await stage(outcomeOf, fastClock());
    await inbox.accept([arrival("a", "back"), arrival("b", "gone", { receivedAtMs: Date.now() - 23.5 * 3_600_000 })]);
    processor.start(["crm"]);
    await until(settled(inbox));
    const [gone, back] = await inbox.list({ limit: 9 });
    expect(back).toMatchObject({ state: "done", attempts: 13, outcome: "changed" });
    expect(gone).toMatchObject({ state: "dead", outcome: "UPSTREAM_UNAVAILABLE: down" });
    expect(gone!.attempts).toBeGreaterThan(5);
  });

  it("has one worker for an object, and takes what comes meanwhile after it", async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<Applied>();
    const { inbox, processor, applied } = await stage(() => gate);
    await inbox.accept([arrival("a", "1")]);
    processor.start(["crm"]);
    await until(() => applied.length === 1);
    await inbox.accept([arrival("b", "1")]);
    processor.wake();
    await new Promise(resolve => setTimeout(resolve, 100));
    expect(applied).toEqual([["1:1"]]);
    open("changed");
    await until(settled(inbox));
    expect(applied).toEqual([["1:1"], ["1:1"]]);
  });

  it("leaves what it had begun to the next one when it stops", async () => {
    const cancelled = (_key: string, signal: AbortSignal) =>
      new Promise<never>((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("cancelled"))));
    const { inbox, processor, applied } = await stage(cancelled);
    await inbox.accept([arrival("a", "1")]);
    processor.start(["crm"]);
    await until(() => applied.length === 1);
    await processor.stop();
    const again = { source: "crm", nowMs: Date.now(), forMs: 1, max: 1 };
    expect(await inbox.lease("next", again)).toMatchObject([{ attempts: 0, outcome: null }]);
  });
});
