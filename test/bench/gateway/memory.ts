import autocannon from "autocannon";
import type { Loose } from "../../support/world.ts";
import { asRequest, load } from "./load.ts";
import type { Usage } from "./probe.ts";
import { customerQuery, queries } from "./queries.ts";
import type { Served } from "./servers.ts";

/** What a fresh server holds while it is asked. */
export interface Memory {
  readonly requests: number;
  readonly atStart: Usage;
  readonly afterWarmUp: Usage;
  /** After each tenth of the requests. */
  readonly curve: readonly Usage[];
  /** Without garbage, after the first tenth and after the last. */
  readonly settled: readonly [Usage, Usage];
}

/** What a minute of steady use brings. */
const REQUESTS_PER_MINUTE = 6_000;
/** Ten times as fast as that, so that the reads go stale and are made anew several times meanwhile. */
const PER_SECOND = 1_000;
const CUSTOMERS = 200;
const CONNECTIONS = 32;

/** Asks for 200 customers, the page of 25 and nothing at all in turns, as often as so many minutes of use would. */
export async function watchMemory(server: Served, minutes: number): Promise<Memory> {
  const atStart = await server.ask("usage");
  await load(server, { queries: [queries["25 customers"]], seconds: 2 });
  const afterWarmUp = await server.ask("usage");
  const mixed = await mixedQueries(server);
  const amount = (REQUESTS_PER_MINUTE * minutes) / 10;
  const curve: Usage[] = [];
  const settled: Usage[] = [];
  for (let part = 0; part < 10; part++) {
    const result = await autocannon({
      url: server.url,
      connections: CONNECTIONS,
      overallRate: PER_SECOND,
      amount,
      requests: mixed.map(asRequest),
    });
    if (result.non2xx + result.errors > 0) throw new Error(`${server.name}: ${result.non2xx + result.errors} requests failed`);
    curve.push(await server.ask("usage"));
    if (part === 0 || part === 9) settled.push(await server.ask("settled"));
  }
  return { requests: amount * 10, atStart, afterWarmUp, curve, settled: [settled[0]!, settled[1]!] };
}

async function mixedQueries({ url }: Served): Promise<string[]> {
  const request = asRequest(`{ customers(first: ${CUSTOMERS}) { nodes { id } } }`);
  const { data } = (await (await fetch(url, request)).json()) as Loose;
  const customers: string[] = data.customers.nodes.map(({ id }: Loose) => customerQuery(id));
  if (customers.length !== CUSTOMERS) throw new Error(`only ${customers.length} customers`);
  const others = Object.values(queries);
  return customers.flatMap((query, at) => (at % 10 === 0 ? [query, others[(at / 10) % others.length]!] : [query]));
}
