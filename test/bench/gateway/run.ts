/**
 * The graph with all its policies on against a plain Apollo Server with DataLoader, over the same sandbox, in turns in one run. Prints Markdown;
 * takes about six minutes.
 *
 * `node test/bench/gateway/run.ts [--seconds 6] [--rounds 3] [--minutes-of-memory 10] [--json]`
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compareAnswers } from "./answers.ts";
import { expectSameSize, type Figures, load, median, medianFigures } from "./load.ts";
import { watchMemory } from "./memory.ts";
import { queries, type QueryName, queryNames } from "./queries.ts";
import { type Cell, markdown, type Uncached } from "./report.ts";
import { delayAll, type Served, startServer, startUpstreams } from "./servers.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "6" },
    rounds: { type: "string", default: "3" },
    "minutes-of-memory": { type: "string", default: "10" },
    json: { type: "boolean", default: false },
  },
});
const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)];
const WARM_UP_SECONDS = 2;
const DELAYS_MS = [0, 25];
/** Below what the declared budgets let through when every request makes its calls. */
const UNCACHED = { perSecond: 15, connections: 4, seconds: 12 };

const home = await mkdtemp(join(tmpdir(), "tributary-bench-"));
const upstreams = await startUpstreams();

const startOurs = (name: string, command: readonly string[]) => {
  const folder = join(home, name.replaceAll(" ", "-"));
  const environment = { ...upstreams.environment, PORT: "0", TRIBUTARY_HOME: folder, LOG_FILE: join(folder, "log") };
  return startServer({ name, command, environment });
};
const startTributary = (name: string) => startOurs(name, ["src/app/main.ts", "serve"]);
const startPlain = () =>
  startServer({
    name: "plain Apollo Server",
    command: ["test/bench/gateway/plain-apollo.ts"],
    environment: upstreams.environment,
  });

/** Gives a piece of work its servers and stops them after it, whatever becomes of it. */
async function using<T>(servers: readonly Promise<Served>[], work: (...servers: Served[]) => Promise<T>): Promise<T> {
  try {
    return await work(...(await Promise.all(servers)));
  } finally {
    for (const started of await Promise.allSettled(servers)) if (started.status === "fulfilled") await started.value.stop();
  }
}

async function measureCell(ours: Served, plain: Served, query: QueryName, delayMs: number): Promise<Cell> {
  const asked = { queries: [queries[query]], seconds };
  const warmUp = { ...asked, seconds: WARM_UP_SECONDS, isVerified: true };
  const verified = { ours: await load(ours, warmUp), plain: await load(plain, warmUp) };
  const figures: { ours: Figures; plain: Figures }[] = [];
  for (let round = 0; round < rounds; round++) figures.push({ ours: await load(ours, asked), plain: await load(plain, asked) });
  for (const each of figures) {
    expectSameSize(ours, verified.ours, each.ours);
    expectSameSize(plain, verified.plain, each.plain);
  }
  return {
    query,
    delayMs,
    ours: medianFigures(figures.map(each => each.ours)),
    plain: medianFigures(figures.map(each => each.plain)),
    ratio: median(figures.map(each => each.ours.perSecond / each.plain.perSecond)),
  };
}

async function measureCells(ours: Served, plain: Served): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const delayMs of DELAYS_MS) {
    await delayAll(upstreams, delayMs);
    for (const query of queryNames) {
      cells.push(await measureCell(ours, plain, query, delayMs));
      console.error(`${query}, ${delayMs} ms: ${cells.at(-1)!.ratio.toFixed(1)} times`);
    }
  }
  return cells;
}

async function measureUncached(ours: Served, plain: Served): Promise<Uncached> {
  const [delayMs, asked] = [DELAYS_MS.at(-1)!, { queries: [queries["one customer"]], ...UNCACHED, isVerified: true }];
  await delayAll(upstreams, delayMs);
  for (const server of [ours, plain]) await load(server, { ...asked, seconds: 5 });
  return { perSecond: UNCACHED.perSecond, delayMs, ours: await load(ours, asked), plain: await load(plain, asked) };
}

async function run(): Promise<void> {
  const compared = await using([startTributary("Tributary"), startPlain()], async (ours, plain) => ({
    likeness: await compareAnswers(ours, plain),
    cells: await measureCells(ours, plain),
  }));
  await delayAll(upstreams, 0);
  const uncached = await using([startOurs("uncached", ["test/bench/gateway/uncached.ts"]), startPlain()], (ours, plain) =>
    measureUncached(ours, plain),
  );
  await delayAll(upstreams, 0);
  const memory = await using([startTributary("fresh")], fresh => watchMemory(fresh, Number(values["minutes-of-memory"])));
  const results = { ...compared, uncached, memory };
  console.log(values.json ? JSON.stringify(results, null, 2) : markdown(results));
}

try {
  await run();
} finally {
  await upstreams.stop();
  await rm(home, { recursive: true, force: true });
}
