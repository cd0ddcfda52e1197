import { describe, expect, it } from "@jest/globals";
import { Breaker, type BreakerTicket } from "../../../src/upstream/breaker.ts";

const policy = { windowMs: 1_000, minFailures: 3, failureRatio: 0.5, openMs: 500 };
const enter = (breaker: Breaker, atMs: number): BreakerTicket => {
  const ticket = breaker.tryEnter(atMs);
  if (!ticket) throw new Error("not let in");
  return ticket;
};
const fail = (breaker: Breaker, times: number, atMs: number) => {
  for (let time = 0; time < times; time++) {
    breaker.record(enter(breaker, atMs), true, atMs);
  }
};

describe("Breaker", () => {
  it("opens after enough failures in its window, and says when to come back", () => {
    const breaker = new Breaker(policy);
    fail(breaker, 3, 100);
    expect(breaker.state(100)).toBe("OPEN");
    expect(breaker.waitMs(300)).toBe(300);
    expect(breaker.tryEnter(300)).toBeUndefined();
  });

  it("forgets failures that are older than its window", () => {
    const breaker = new Breaker(policy);
    fail(breaker, 2, 0);
    fail(breaker, 1, 1_500);
    expect(breaker.state(1_500)).toBe("CLOSED");
  });

  it("stays closed while failures are the smaller part", () => {
    const breaker = new Breaker(policy);
    for (let call = 0; call < 10; call++) breaker.record(enter(breaker, 0), false, 0);
    fail(breaker, 4, 0);
    expect(breaker.state(0)).toBe("CLOSED");
  });

  it("lets exactly one probe through after its rest, and closes when that succeeds", () => {
    const breaker = new Breaker(policy);
    fail(breaker, 3, 0);
    expect(breaker.state(500)).toBe("HALF_OPEN");
    const probe = enter(breaker, 500);
    expect(breaker.tryEnter(500)).toBeUndefined();
    breaker.record(probe, false, 510);
    expect(breaker.state(510)).toBe("CLOSED");
    expect(breaker.tryEnter(510)).toBeDefined();
  });

  it("lets others wait for the probe's end", async () => {
    const breaker = new Breaker(policy);
    fail(breaker, 3, 0);
    const probe = enter(breaker, 500);
    const ended = breaker.probe?.then(() => breaker.tryEnter(510));
    breaker.record(probe, false, 505);
    expect(await ended).toBeDefined();
    expect(breaker.probe).toBeUndefined();
  });

  it("rests again when the probe fails", () => {
    const breaker = new Breaker(policy);
    fail(breaker, 3, 0);
    breaker.record(enter(breaker, 500), true, 520);
    expect(breaker.waitMs(520)).toBe(500);
  });

  it("lets another probe through when the first was cancelled", () => {
    const breaker = new Breaker(policy);
    fail(breaker, 3, 0);
    breaker.release(enter(breaker, 500));
    expect(breaker.tryEnter(510)).toBeDefined();
  });

  it("does not listen to calls that were let in before it opened", () => {
    const breaker = new Breaker(policy);
    const [late, cancelled] = [enter(breaker, 0), enter(breaker, 0)];
    fail(breaker, 3, 0);
    breaker.record(late, false, 10);
    expect(breaker.state(10)).toBe("OPEN");
    enter(breaker, 500);
    breaker.release(cancelled);
    expect(breaker.tryEnter(510)).toBeUndefined();
  });
});
