import { describe, expect, it } from "@jest/globals";
import { Breakers } from "../../../src/upstream/breakers.ts";

function fail(breakers: Breakers, operation: string, times: number, atMs: number): void {
  for (let time = 0; time < times; time++) {
    const ticket = breakers.of(operation).tryEnter(atMs);
    if (ticket) breakers.of(operation).record(ticket, true, atMs);
  }
}

describe("Breakers", () => {
  it("keeps a route class that fails from shutting out the others", () => {
    const breakers = new Breakers({ windowMs: 1_000, minFailures: 2, failureRatio: 0.5, openMs: 500 });
    fail(breakers, "things.search", 2, 0);
    expect(breakers.of("things.search").tryEnter(10)).toBeUndefined();
    expect(breakers.of("things.get").tryEnter(10)).toBeDefined();
  });

  it("tells every route class, and the worst state of all", () => {
    const breakers = new Breakers({ windowMs: 1_000, minFailures: 2, failureRatio: 0.5, openMs: 500 });
    expect(breakers.state(0)).toBe("CLOSED");
    breakers.of("b");
    fail(breakers, "a", 2, 0);
    expect(breakers.state(10)).toBe("OPEN");
    expect(breakers.state(500)).toBe("HALF_OPEN");
    expect(breakers.status(10)).toEqual([
      { operation: "a", state: "OPEN", probeAtMs: 500 },
      { operation: "b", state: "CLOSED", probeAtMs: null },
    ]);
  });

  it("stays small however many names there are, and still guards the late ones", () => {
    const breakers = new Breakers({ windowMs: 1_000, minFailures: 2, failureRatio: 0.5, openMs: 500 });
    for (let number = 0; number < 5_000; number++) breakers.of(`thing.${number}`);
    expect(breakers.status(0).length).toBeLessThanOrEqual(501);
    fail(breakers, "late", 2, 0);
    expect(breakers.of("later").tryEnter(10)).toBeUndefined();
    expect(breakers.of("thing.1").tryEnter(10)).toBeDefined();
  });
});
