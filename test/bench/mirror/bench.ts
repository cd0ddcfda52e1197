import { startWorld, type TestWorld } from "../../support/world.ts";

const customers = Number(process.argv[2] ?? 4_000);
const PAGES = Number(process.argv[3] ?? 600);
/** Pages at the start that are not counted: the first ones are compiled while they are answered. */
const WARM_UP = 50;
const query = `query Page($after: String) @freshness(maxAge: 86400) {
  customers(first: 100, after: $after) {
    nodes { id name invoices(last: 5) { amount status } tickets(open: true) { subject createdAt } }
    pageInfo { endCursor hasNextPage }
  }
}`;

interface Nodes {
  readonly nodes: readonly { readonly invoices: readonly unknown[]; readonly tickets: readonly unknown[] }[];
  readonly pageInfo: { readonly endCursor: string; readonly hasNextPage: boolean };
}

/** One page after another, all customers again and again; `before` each page something is done. How long each took, in ms. */
async function walk(world: TestWorld, before: () => void) {
  const times: number[] = [];
  let records = 0;
  let after: string | null = null;
  for (let page = 0; page < WARM_UP + PAGES; page++) {
    before();
    const startedAt = performance.now();
    const { data, errors, extensions } = await world.ask(query, { after });
    if (page >= WARM_UP) times.push(performance.now() - startedAt);
    if (errors.length > 0 || extensions["freshness"]) throw new Error(JSON.stringify([errors, extensions]).slice(0, 500));
    const { nodes, pageInfo } = data.customers as Nodes;
    if (page >= WARM_UP) records += nodes.reduce((sum, { invoices, tickets }) => sum + 1 + invoices.length + tickets.length, 0);
    after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
  }
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(1);
  return { pages: PAGES, "records a page": Math.round(records / PAGES), p50: at(0.5), p99: at(0.99), max: at(1) };
}

const world = await startWorld({ customers, quotas: false });
if (!(await world.product.relations.round())) throw new Error("the relations could not be mirrored");
const rows: Record<string, object> = {};
const calls = await world.callsDuring(async () => {
  // What is kept in memory is forgotten before each page.
  rows["from the mirror"] = await walk(world, () => world.product.gateway.clear());
  rows["kept in memory"] = await walk(world, () => undefined);
});
console.table(rows);
console.log(`requests to sources meanwhile: ${JSON.stringify(calls)}`);
await world.close();
