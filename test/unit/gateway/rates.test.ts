import { describe, expect, it } from "@jest/globals";
import { discoverSources } from "../../../src/app/registry.ts";
import { UpstreamError } from "../../../src/core/errors.ts";
import type { Gateway } from "../../../src/gateway/gateway.ts";
import { callsForRates, RateReader } from "../../../src/gateway/rates.ts";
import type { RateYear } from "../../../src/gateway/rate-year.ts";
import { systemClock } from "../../../src/core/ports.ts";
import { declaredFreshness } from "../../../src/gateway/freshness.ts";
import { SharedReads } from "../../../src/gateway/shared-reads.ts";
import type { CallContext } from "../../../src/upstream/context.ts";

const catalog = await discoverSources();
const call: CallContext = {
  priority: "live",
  signal: new AbortController().signal,
  deadlineAtMs: Date.now() + 60_000,
  requestId: "r",
};

/** A reader over rates that are kept already, by `EUR:<quote>:<day>`; a year that fails is an error. */
function readerOf(rates: Readonly<Record<string, string>>, failing: readonly string[] = []): RateReader {
  const rateYears = new SharedReads<RateYear>(100, systemClock, () => Infinity);
  const find = (key: string) => {
    const rate = rates[key];
    return rate === undefined
      ? undefined
      : { entity: { key, rate } as never, issues: [], clues: [], fetchedAtMs: Number(key.slice(-2)) };
  };
  rateYears.readMany = async (_plan, years) =>
    years.map(year => (failing.includes(year) ? new UpstreamError("UPSTREAM_UNAVAILABLE", "down") : { find }));
  return new RateReader({ catalog, rateYears, upstreamOf: () => undefined } as unknown as Gateway, call, declaredFreshness);
}

const hundred = (currency: string, day: string) => ({ amount: "100", currency, day });

describe("a conversion", () => {
  it("takes both rates of the same day, the latest that has both", async () => {
    const reader = readerOf({
      "EUR:USD:2026-03-10": "9",
      "EUR:USD:2026-03-06": "1.25",
      "EUR:JPY:2026-03-06": "150",
      "EUR:USD:2026-03-05": "7",
      "EUR:JPY:2026-03-05": "7",
    });
    expect(await reader.convert(hundred("USD", "2026-03-10"), "jpy")).toEqual({
      amount: "12000",
      currency: "JPY",
      rate: "120",
      rateDay: "2026-03-06",
      source: "fx",
      fetchedAtMs: 6,
    });
  });

  it("goes back seven days and no further, over the turn of a year", async () => {
    const reader = readerOf({ "EUR:USD:2025-12-28": "2" });
    expect(await reader.convert(hundred("EUR", "2026-01-04"), "USD")).toMatchObject({ amount: "200.00", rateDay: "2025-12-28" });
    const late = reader.convert(hundred("EUR", "2026-01-05"), "USD");
    await expect(late).rejects.toMatchObject({ code: "RATE_UNAVAILABLE", message: expect.stringContaining("2026-01-05") });
  });

  it("fails when a year that it may need could not be read, rather than take an older rate", async () => {
    const reader = readerOf({ "EUR:USD:2025-12-30": "2" }, ["2026"]);
    await expect(reader.convert(hundred("EUR", "2026-01-02"), "USD")).rejects.toMatchObject({ code: "UPSTREAM_UNAVAILABLE" });
  });

  it.each(["0", "0.00", "-1.2"])("takes no rate of %s for one", async rate => {
    const reader = readerOf({ "EUR:USD:2026-03-10": rate });
    await expect(reader.convert(hundred("USD", "2026-03-10"), "EUR")).rejects.toMatchObject({ code: "UPSTREAM_CONTRACT" });
  });

  it("divides by a rate of the past as exactly as it multiplies", async () => {
    const reader = readerOf({ "EUR:KWD:2026-03-10": "0.3453", "EUR:IDR:2026-03-10": "18123" });
    const money = { amount: "9007199254740993.01", currency: "IDR", day: "2026-03-10" };
    expect(await reader.convert(money, "KWD")).toMatchObject({ amount: "171615400466.924", rate: "0.0000190531368979" });
  });
});

describe("the requests that conversions take at most", () => {
  it("are two each, and one for each year since 1999", () => {
    const nowMs = Date.UTC(2026, 5, 1);
    expect([0, 1, 3, 500].map(count => callsForRates(count, nowMs))).toEqual([0, 2, 6, 28]);
  });
});
