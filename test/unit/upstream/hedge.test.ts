import { describe, expect, it } from "@jest/globals";
import { systemClock } from "../../../src/core/ports.ts";
import { hedged } from "../../../src/upstream/hedge.ts";

/** Answers after a while unless it is given up; notes when it is. */
const after =
  (ms: number, answer: string, gone: string[] = []) =>
  async (signal: AbortSignal) => {
    await systemClock.sleep(ms, signal);
    if (signal.aborted) gone.push(answer);
    return answer;
  };
const failing = (ms: number, message: string) => async (signal: AbortSignal) => {
  await systemClock.sleep(ms, signal);
  throw new Error(message);
};
const options = { afterMs: 20, signal: new AbortController().signal, clock: systemClock };

describe("hedged", () => {
  it("makes no second request when the first answers in time", async () => {
    let seconds = 0;
    const second = () => {
      seconds++;
      return after(0, "second");
    };
    expect(await hedged(after(1, "first"), { ...options, second })).toBe("first");
    expect(seconds).toBe(0);
  });

  it("takes the second answer when the first is late, and gives the first up", async () => {
    const gone: string[] = [];
    expect(await hedged(after(5_000, "first", gone), { ...options, second: () => after(1, "second") })).toBe("second");
    await systemClock.sleep(5);
    expect(gone).toEqual(["first"]);
  });

  it("waits for the first when there is nothing to spare", async () => {
    expect(await hedged(after(60, "first"), { ...options, second: () => undefined })).toBe("first");
  });

  it("fails at once when the first fails early, and with the first failure when both fail", async () => {
    await expect(hedged(failing(1, "early"), { ...options, second: () => after(1, "second") })).rejects.toThrow("early");
    await expect(hedged(failing(60, "first"), { ...options, second: () => failing(1, "second") })).rejects.toThrow("first");
  });

  it("survives the failure of one of two", async () => {
    expect(await hedged(failing(40, "first"), { ...options, second: () => after(50, "second") })).toBe("second");
  });

  it("makes no second request for an asker that has left", async () => {
    const gone = new AbortController();
    let seconds = 0;
    const answer = hedged(after(60, "first"), {
      ...options,
      signal: gone.signal,
      second: () => {
        seconds++;
        return after(1, "second");
      },
    });
    gone.abort();
    await answer;
    expect(seconds).toBe(0);
  });
});
