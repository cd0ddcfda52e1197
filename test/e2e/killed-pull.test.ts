import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { discoverSources } from "../../src/app/registry.ts";
import { parseJson } from "../../src/core/json.ts";
import { recordText } from "../../src/mapping/record-text.ts";
import type { CatalogEntry } from "../../src/source/catalog.ts";
import { RawStore } from "../../src/store/raw/raw-store.ts";
import { linesOf } from "../../src/store/raw/segment-reader.ts";
import { itemsAt } from "../../src/upstream/records.ts";
import { type Running, runTributary } from "../support/process.ts";
import { startWorld, type TestWorld } from "../support/world.ts";

const KILLS = 20;
/** Answers take this long, in ms, so that there is something to interrupt. */
const DELAY_MS = 150;

let world: TestWorld;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tributary-killed-"));
  world = await startWorld({ customers: 150, quotas: false, isFilled: false });
  for (const { name } of world.product.catalog.sources) await world.fault({ source: name, kind: "delay", delayMs: DELAY_MS });
});
afterAll(async () => {
  await world.close();
  await rm(folder, { recursive: true, force: true });
});

const pullInto = (home: string): Running =>
  runTributary(["pull", "--full", "--json"], { ...world.environment, TRIBUTARY_HOME: home, LOG_LEVEL: "silent" });

interface Verdict {
  readonly source: string;
  readonly collection: string;
  readonly verdict: string;
  readonly pages: number;
  readonly duplicateKeys: number;
  readonly keptPages: number;
}

/** Runs a pull to its end; says how long that took from its first sign of life. */
async function pullToEnd(home: string): Promise<{ verdicts: readonly Verdict[]; tookMs: number }> {
  const running = pullInto(home);
  let startedAtMs = performance.now();
  running.process.stderr!.once("data", () => (startedAtMs = performance.now()));
  const [code] = (await once(running.process, "close")) as [number | null];
  expect({ code, output: running.output() }).toMatchObject({ code: 0 });
  const line = running
    .output()
    .split("\n")
    .find(each => each.startsWith("{"))!;
  return { ...(JSON.parse(line) as { verdicts: Verdict[] }), tookMs: performance.now() - startedAtMs };
}

/** Starts a pull and kills it somewhere within `withinMs` of its first sign of life; false when it had ended before. */
async function killSomewhere(home: string, withinMs: number, seen: string[]): Promise<boolean> {
  const running = pullInto(home);
  await running.until(/pull \w+/);
  const afterMs = Math.floor(Math.random() * withinMs);
  seen.push(`${afterMs} ms`);
  await Promise.race([sleep(afterMs), once(running.process, "close")]);
  const isKilled = running.process.exitCode === null;
  await running.stop("SIGKILL");
  return isKilled;
}

/** The records that the newest pull of a collection has, in order, as exact text. */
async function recordsOf(home: string, { source, name, collection }: CatalogEntry): Promise<string[]> {
  const [newest] = await new RawStore(home).pulls(source.name, name);
  const files = newest!.paths.map(path => ({ path, sizeBytes: Number.POSITIVE_INFINITY, isOpen: false }));
  const records: string[] = [];
  for await (const { body } of linesOf(files, undefined))
    records.push(...itemsAt(parseJson(body), collection.list.items, name).map(record => recordText(record)));
  return records;
}

describe("a pull that is killed again and again", () => {
  it("ends with the same records as one that nobody disturbs: no page lost, none counted twice", async () => {
    const undisturbed = join(folder, "undisturbed");
    const { verdicts: expected, tookMs } = await pullToEnd(undisturbed);
    const seen: string[] = [];
    let [home, homes, kept] = [join(folder, "killed-0"), 1, 0];
    const { entries } = await discoverSources();
    /** The pages of collections that were being read when the last pull of the home was killed. */
    const leftPages = async () => {
      const lines = entries.map(
        async ({ source, name }) => (await new RawStore(home).unfinished({ source: source.name, collection: name }))?.lines ?? 0,
      );
      return (await Promise.all(lines)).reduce((total, count) => total + count, 0);
    };
    const checkEnd = async () => {
      const left = await leftPages();
      const { verdicts } = await pullToEnd(home);
      const keptNow = verdicts.reduce((total, verdict) => total + verdict.keptPages, 0);
      expect({ seen, isKept: keptNow >= left }).toEqual({ seen, isKept: true });
      kept += keptNow;
      const facts = (all: readonly Verdict[]) =>
        all.map(({ source, collection, verdict, pages, duplicateKeys }) => [source, collection, verdict, pages, duplicateKeys]);
      expect({ seen, verdicts: facts(verdicts) }).toEqual({ seen, verdicts: facts(expected) });
      for (const entry of entries) {
        const [got, wanted] = [await recordsOf(home, entry), await recordsOf(undisturbed, entry)];
        expect({ seen, id: entry.id, isSame: JSON.stringify(got) === JSON.stringify(wanted), count: got.length }).toEqual({
          seen,
          id: entry.id,
          isSame: true,
          count: wanted.length,
        });
        const names = await readdir(join(home, "raw", entry.source.name, entry.name));
        expect(names.filter(name => name.startsWith("."))).toEqual([]);
      }
    };
    const isEnough = async (kills: number) => kills >= KILLS && (kept > 0 || (await leftPages()) > 0);
    for (let kills = 0; !(await isEnough(kills));) {
      if (await killSomewhere(home, tookMs, seen)) kills++;
      else {
        await checkEnd();
        home = join(folder, `killed-${homes++}`);
      }
    }
    await checkEnd();
    expect(kept).toBeGreaterThan(0);
  }, 600_000);
});
