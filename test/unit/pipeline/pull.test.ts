import { readdir, readFile } from "node:fs/promises";
import { afterEach, describe, expect, it } from "@jest/globals";
import { UpstreamError } from "../../../src/core/errors.ts";
import { pull } from "../../../src/pipeline/pull.ts";
import { RawStore } from "../../../src/store/raw/raw-store.ts";
import { catalog, items, newHome, NOW_MS, removeHomes, type Script, scripted, steppingClock, teams } from "./stage.ts";

afterEach(removeHomes);

const down = new UpstreamError("UPSTREAM_UNAVAILABLE", "the source is down");
const ann = { id: "p1", name: "Ann" };
const account = (id: string) => ({ id });

async function pullOnce(script: Script, more: { home?: string; only?: string[]; signal?: AbortSignal; maxPages?: number } = {}) {
  const home = more.home ?? (await newHome());
  const clock = steppingClock();
  const { upstreams, asked } = scripted(script, clock);
  const { verdicts } = await pull({ catalog, upstreams, clock, ...more, home });
  const of = (collection: string) => verdicts.find(verdict => verdict.collection === collection)!;
  return { home, verdicts, of, asked, store: new RawStore(home) };
}

describe("pull", () => {
  it("reads every collection to its end at bulk priority, and keeps every response", async () => {
    const progress: string[] = [];
    const home = await newHome();
    const { upstreams, asked } = scripted({ people: [teams(ann)], accounts: items([account("a1")], [], [account("a2")]) });
    const { verdicts } = await pull({
      catalog,
      upstreams,
      home,
      onProgress: ({ collection, pages }) => progress.push(`${collection} ${pages}`),
    });
    expect(
      verdicts.map(({ source, collection, verdict, pages, records }) => [source, collection, verdict, pages, records]),
    ).toEqual([
      ["crm", "people", "complete", 1, 1],
      ["shop", "accounts", "complete", 3, 2],
      ["shop", "bills", "complete", 1, 0],
      ["shop", "days", "complete", 1, 0],
    ]);
    expect(new Set(asked.map(({ context }) => context.priority))).toEqual(new Set(["bulk"]));
    expect(progress).toContain("accounts 3");
    const [kept] = await new RawStore(home).pulls("shop", "accounts");
    expect(kept!.manifest).toMatchObject({ verdict: "complete", reason: null, pages: 3, records: 2, lines: 3 });
  });

  it("asks a dated listing for its days up to today, and notes them", async () => {
    const { of, asked, store } = await pullOnce({});
    const window = { from: "2026-01-25", to: "2026-01-31" };
    expect(of("days").window).toEqual(window);
    expect(asked.find(({ request }) => request.operation === "days.list")!.request.query).toMatchObject(window);
    expect((await store.pulls("shop", "days"))[0]!.manifest.window).toEqual(window);
  });

  it("keeps what came before a failure, says why it is partial, and goes on with the other collections", async () => {
    const { of, store } = await pullOnce({ accounts: [items([account("a1")], [])[0]!, down], people: [teams(ann)] });
    expect(of("accounts")).toMatchObject({
      verdict: "partial",
      reason: { code: "UPSTREAM_UNAVAILABLE", message: "the source is down" },
      pages: 1,
      records: 1,
    });
    expect(of("bills").verdict).toBe("complete");
    expect(of("people").verdict).toBe("complete");
    expect((await store.pulls("shop", "accounts"))[0]!.manifest.lines).toBe(1);
  });

  it("is paused until the quota begins anew, and goes on then", async () => {
    const resumesAt = "2026-02-01T00:00:00.000Z";
    const spent = new UpstreamError("UPSTREAM_QUOTA_SPENT", "the day's quota is spent", {
      details: { resumesAt, retryAfterMs: 54_000_000 },
    });
    const [first, second, end] = items([account("a1")], [account("a2")], []);
    const { home, of, store } = await pullOnce({ accounts: [first!, spent] });
    expect(of("accounts")).toMatchObject({ verdict: "partial", pages: 1, pausedUntil: resumesAt, mayGoOn: true });
    expect(of("bills").pausedUntil).toBeUndefined();
    expect((await store.pulls("shop", "accounts"))[0]!.manifest.pausedUntil).toBe(resumesAt);
    const later = await pullOnce({ accounts: [down, second!, end!] }, { home });
    expect(later.of("accounts")).toMatchObject({ verdict: "complete", pages: 3, records: 2, keptPages: 1 });
  });

  it("is paused too when the source asks for a rest that no page waits for", async () => {
    const rest = (retryAfterMs: number) => new UpstreamError("UPSTREAM_THROTTLED", "a rest", { details: { retryAfterMs } });
    const long = (await pullOnce({ accounts: [rest(3_600_000)] })).of("accounts");
    expect(Date.parse(long.pausedUntil!) - NOW_MS).toBeGreaterThan(3_600_000);
    expect((await pullOnce({ accounts: [rest(60_000)] })).of("accounts").pausedUntil).toBeUndefined();
  });

  it("leaves the complete pull before a failed one as it was", async () => {
    const { home, store } = await pullOnce({ people: [teams(ann)] });
    const [before] = await store.pulls("crm", "people");
    const bytes = await readFile(before!.paths[0]!);
    await pullOnce({ people: [down] }, { home });
    const verdicts = (await store.pulls("crm", "people")).map(({ manifest }) => manifest.verdict);
    expect(verdicts.toSorted()).toEqual(["complete", "partial"]);
    expect(await readFile(before!.paths[0]!)).toEqual(bytes);
  });

  it("is partial when fewer records come than were advertised, unknown when more do", async () => {
    const advertising = (total: number) => [`{"items": [{"id": "a1"}, {"id": "a2"}], "total": ${total}}`];
    expect((await pullOnce({ accounts: advertising(3) })).of("accounts")).toMatchObject({
      verdict: "partial",
      reason: { code: "UPSTREAM_LISTING" },
    });
    expect((await pullOnce({ accounts: advertising(1) })).of("accounts").verdict).toBe("unknown");
    expect((await pullOnce({ accounts: advertising(2) })).of("accounts").verdict).toBe("complete");
  });

  it("is partial when the listing turns in circles or grows past the bound", async () => {
    const circle = [`{"items": [{"id": "a1"}], "next": "1"}`, `{"items": [{"id": "a2"}], "next": "1"}`];
    expect((await pullOnce({ accounts: circle })).of("accounts")).toMatchObject({
      verdict: "partial",
      reason: { code: "UPSTREAM_LISTING" },
    });
    const long = items([account("a1")], [account("a2")], [account("a3")]);
    expect((await pullOnce({ accounts: long }, { maxPages: 2 })).of("accounts")).toMatchObject({ verdict: "partial", pages: 2 });
  });

  it("counts duplicate and missing keys, and names records that break their contract without their values", async () => {
    const { of, store } = await pullOnce({ accounts: items([account("a1"), account("a1"), account(" "), { id: 7, title: 5 }]) });
    expect(of("accounts")).toMatchObject({
      verdict: "partial", // one of four broken is more than a listing may have
      reason: { code: "UPSTREAM_CONTRACT" },
      records: 4,
      duplicateKeys: 1,
      missingKeys: 1,
      brokenRecords: 1,
    });
    const [kept] = await store.pulls("shop", "accounts");
    expect(kept!.manifest.broken).toEqual([
      { line: 0, index: 3, key: "7", breaks: [expect.stringMatching(/^id: /), expect.stringMatching(/^title: /)] },
    ]);
  });

  it("does not call complete what ends on a full page that nothing calls the last", async () => {
    const { of } = await pullOnce({ accounts: items(Array.from({ length: 100 }, (_, n) => account(`a${n}`))) });
    expect(of("accounts")).toMatchObject({ verdict: "unknown", records: 100, reason: { code: "UPSTREAM_LISTING" } });
  });

  it("does not call complete what has less than half of what the last complete pull had", async () => {
    const { home, of } = await pullOnce({ accounts: items(Array.from({ length: 9 }, (_, n) => account(`a${n}`))) });
    expect(of("accounts")).toMatchObject({ verdict: "complete" });
    const { of: later } = await pullOnce({ accounts: items([]) }, { home });
    expect(later("accounts")).toMatchObject({ verdict: "unknown", records: 0, reason: { code: "UPSTREAM_LISTING" } });
  });

  it("pulls only the sources that are asked for, and refuses one that does not exist", async () => {
    const { verdicts } = await pullOnce({}, { only: ["crm"] });
    expect(verdicts.map(({ collection }) => collection)).toEqual(["people"]);
    await expect(pullOnce({}, { only: ["erp"] })).rejects.toMatchObject({ code: "SOURCE_UNKNOWN" });
  });

  it("stops when it is told to, with a verdict for everything and nothing half written", async () => {
    const { home, verdicts, asked } = await pullOnce({}, { signal: AbortSignal.abort() });
    expect(asked).toEqual([]);
    for (const { verdict, reason } of verdicts)
      expect({ verdict, code: reason?.code }).toEqual({ verdict: "partial", code: "UPSTREAM_CANCELLED" });
    const names = await readdir(`${home}/raw`, { recursive: true });
    expect(names.filter(name => name.includes(".partial"))).toEqual([]);
  });

  it("does not read again what a run had finished before it was stopped; a run that came to its end is another", async () => {
    const home = await newHome();
    const script = { accounts: items([account("a1"), account("a2")], [account("a3")]) };
    const stop = new AbortController();
    const clock = steppingClock();
    const onProgress = ({ collection }: { collection?: string }) => void (collection === "bills" && stop.abort());
    await pull({ catalog, upstreams: scripted(script, clock).upstreams, clock, home, signal: stop.signal, onProgress });
    const operations = ({ asked }: Awaited<ReturnType<typeof pullOnce>>) => asked.map(({ request }) => request.operation);
    const again = await pullOnce(script, { home });
    expect(again.verdicts.map(({ verdict }) => verdict)).toEqual(["complete", "complete", "complete", "complete"]);
    expect(again.of("accounts")).toMatchObject({ records: 3, pages: 2, keptPages: 2 });
    expect(operations(again)).not.toContain("accounts.list");
    const another = await pullOnce(script, { home });
    expect(another.of("accounts").keptPages).toBe(0);
    expect(operations(another)).toContain("accounts.list");
  });

  it("fails as a whole when responses cannot be kept", async () => {
    await expect(pullOnce({}, { home: "/dev/null" })).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });
});
