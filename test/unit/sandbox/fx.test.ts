import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import fx from "../../../datasources/fx/sandbox.ts";
import { type Sandbox, startSandbox } from "../../../src/sandbox/server.ts";
import { type Answer, ask } from "./ask.ts";

interface Row {
  readonly date: string;
  readonly base: string;
  readonly quote: string;
  readonly rate: number;
}

let nowMs: number;
let sandbox: Sandbox;
beforeEach(async () => {
  nowMs = Date.UTC(2026, 10, 20, 18);
  sandbox = await startSandbox({ port: 0, seed: 7, customers: 1, clock: () => nowMs, imitations: [fx] });
});
afterEach(() => sandbox.close());

const get = (path: string, headers: Record<string, string> = {}): Promise<Answer> =>
  ask(`${sandbox.origin}/fx/v2${path}`, { headers });
const rows = async (path: string): Promise<readonly Row[]> => (await get(path)).json<Row[]>();
const daysOf = (found: readonly Row[]): string[] => [...new Set(found.map(({ date }) => date))];

describe("fx imitation", () => {
  it("has no rates at weekends and on the euro's holidays, nor for today before they are out", async () => {
    expect(daysOf(await rows("/rates?from=2026-04-01&to=2026-04-08&quotes=USD"))).toEqual([
      "2026-04-01",
      "2026-04-02",
      "2026-04-07",
      "2026-04-08",
    ]);
    expect(daysOf(await rows("/rates?date=2026-04-06"))).toEqual(["2026-04-02"]);
    expect(daysOf(await rows("/rates"))).toEqual(["2026-11-20"]);
    nowMs = Date.UTC(2026, 10, 20, 14);
    expect(daysOf(await rows("/rates"))).toEqual(["2026-11-19"]);
  });

  it("begins a range on a day without rates with the rates before it, and has none before 1999", async () => {
    expect(daysOf(await rows("/rates?from=2026-11-15&to=2026-11-16&quotes=USD"))).toEqual(["2026-11-13", "2026-11-16"]);
    expect(daysOf(await rows("/rates?from=1998-12-01&to=1999-01-05&quotes=USD"))).toEqual(["1999-01-04", "1999-01-05"]);
  });

  it("answers 304 to its own validator until newer rates are out, also to a weak or listed one", async () => {
    const { headers } = await get("/rates?quotes=USD");
    expect(headers.get("cache-control")).toBe("public, max-age=900");
    const etag = headers.get("etag") ?? "";
    for (const named of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const again = await get("/rates?quotes=USD", { "if-none-match": named });
      expect([again.status, again.text, again.headers.get("etag")]).toEqual([304, "", etag]);
    }
    expect((await get("/rates?quotes=USD", { "if-none-match": '"other"' })).status).toBe(200);
    nowMs = Date.UTC(2026, 10, 23, 18);
    expect((await get("/rates?quotes=USD", { "if-none-match": etag })).status).toBe(200);
  });

  it("values a pair and any base by the same rates, the base itself as 1", async () => {
    const [eur, usd] = await Promise.all([rows("/rates?quotes=USD,JPY,EUR"), rows("/rates?base=usd&quotes=JPY,USD")]);
    const of = (found: readonly Row[], quote: string) => found.find(row => row.quote === quote)!.rate;
    expect([of(eur, "EUR"), of(usd, "USD")]).toEqual([1, 1]);
    expect(of(usd, "JPY") / (of(eur, "JPY") / of(eur, "USD"))).toBeCloseTo(1, 4);
    expect((await get("/rate/usd/jpy")).json()).toEqual({ date: "2026-11-20", base: "USD", quote: "JPY", rate: of(usd, "JPY") });
  });

  it.each([
    ["/rates?date=2026-02-30", 422, "invalid date"],
    ["/rates?date=2026-02-03&from=2026-02-01", 422, "conflicting params"],
    ["/rates?quotes=USD,XXQ", 422, "invalid currency: XXQ"],
    ["/rates?symbols=USD", 422, "unknown parameter: symbols"],
    ["/latest", 404, "not found"],
  ])("refuses %s", async (path, status, message) => {
    const answer = await get(path);
    expect([answer.status, answer.json()]).toEqual([status, { status, message }]);
  });
});
