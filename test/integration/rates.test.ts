import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Secret } from "../../src/core/secret.ts";
import { exponentOf } from "../../src/core/currency.ts";
import { build } from "../../src/pipeline/build.ts";
import { pull } from "../../src/pipeline/pull.ts";
import { openBench } from "../../src/mapping/bench.ts";
import { Upstream } from "../../src/upstream/upstream.ts";
import { ManualClock } from "../contract/manual-clock.ts";
import { type Answer, type Loose, silent, startWorld, type TestWorld } from "../support/world.ts";

const converted = "amount currency rate rateDay source fetchedAt";
const textbookQuery = `query { customer(id: "4821") { name tickets(open: true) { subject } invoices(last: 14) {
  amount currency issuedAt eur: amountIn(currency: "EUR") { ${converted} } usd: amountIn(currency: "usd") { ${converted} }
  jpy: amountIn(currency: "JPY") { ${converted} } kwd: amountIn(currency: "KWD") { ${converted} } } } }`;
const manyQuery = `query ($first: Int!) { customers(first: $first) { nodes { invoices(last: 20) {
  id amount currency issuedAt amountIn(currency: "KWD") { ${converted} } } } } }`;

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld({ customers: 30, quotas: false });
});
afterAll(() => world.close());

/** For what depends on what was read before: answers of the feed are kept as long as it says. */
async function fresh<T>(work: (own: TestWorld) => Promise<T>): Promise<T> {
  const own = await startWorld({ customers: 30, quotas: false });
  try {
    return await work(own);
  } finally {
    await own.close();
  }
}

const invoicesOf = ({ data }: Answer): Loose[] => data.customers.nodes.flatMap(({ invoices }: Loose) => invoices ?? []);

/** The latest rates on or before a day, asked of the feed apart from the product. */
async function published(day: string): Promise<{ readonly day: string; readonly rates: Readonly<Record<string, number>> }> {
  const response = await fetch(`${world.environment["FX_BASE_URL"]}/v2/rates?date=${day}`);
  const rows = (await response.json()) as { date: string; quote: string; rate: number }[];
  return { day: rows[0]!.date, rates: Object.fromEntries(rows.map(({ quote, rate }) => [quote, rate])) };
}

async function expectTrue(invoice: Loose, money: Loose): Promise<void> {
  const { day, rates } = await published(invoice.issuedAt.slice(0, 10));
  const rate = rates[money.currency]! / rates[invoice.currency]!;
  const digits = exponentOf(money.currency);
  expect(money.rateDay).toBe(money.source === null ? invoice.issuedAt.slice(0, 10) : day);
  expect(Number(money.rate) / rate).toBeCloseTo(1, 10);
  expect(money.amount).toMatch(digits === 0 ? /^\d+$/ : new RegExp(`^\\d+\\.\\d{${digits}}$`));
  const truth = Number(invoice.amount) * rate;
  expect(Math.abs(Number(money.amount) - truth)).toBeLessThan(0.5 * 10 ** -digits + truth * 1e-10);
}

/** What the feed has answered so far, by status. */
async function answersOf({ sandbox }: TestWorld): Promise<Record<"200" | "304", number>> {
  const calls = (await (await fetch(`${sandbox.origin}/__control/calls`)).json()) as Loose;
  return { "200": 0, "304": 0, ...calls["fx"]?.["GET /v2/rates"] };
}

const isWeekend = (day: string): boolean => [0, 6].includes(new Date(`${day}T00:00:00Z`).getUTCDay());

describe("an invoice's amount in another currency", () => {
  it("comes with the textbook's query, in the digits of each currency, with rate, day and source", async () => {
    const { data, errors } = await world.ask(textbookQuery);
    expect(errors).toEqual([]);
    expect(data.customer.invoices).toHaveLength(14);
    for (const invoice of data.customer.invoices)
      for (const code of ["eur", "usd", "jpy", "kwd"]) {
        const money = invoice[code];
        expect(money).toMatchObject({
          currency: code.toUpperCase(),
          source: code.toUpperCase() === invoice.currency ? null : "fx",
        });
        await expectTrue(invoice, money);
      }
    expect(data.customer.tickets.length).toBeGreaterThan(0);
  });

  it("is at the latest rate before a weekend or a holiday", async () => {
    const answer = await world.ask(manyQuery, { first: 30 });
    expect(answer.errors).toEqual([]);
    const atWeekends = invoicesOf(answer).filter(({ issuedAt, amountIn }) => amountIn && isWeekend(issuedAt.slice(0, 10)));
    expect(atWeekends.length).toBeGreaterThan(5);
    for (const invoice of atWeekends) {
      expect(invoice.amountIn.rateDay < invoice.issuedAt.slice(0, 10)).toBe(true);
      expect(isWeekend(invoice.amountIn.rateDay)).toBe(false);
      await expectTrue(invoice, invoice.amountIn);
    }
  });

  it("takes few requests for many invoices of different days, and none again", async () => {
    await fresh(async own => {
      const ask = () => own.ask(manyQuery, { first: 30 });
      let answer: Answer | undefined;
      const first = await own.callsDuring(async () => (answer = await ask()));
      const days = new Set(invoicesOf(answer!).map(({ issuedAt }) => issuedAt.slice(0, 10)));
      expect(days.size).toBeGreaterThan(100);
      expect(first["fx"]).toBeGreaterThan(0);
      expect(first["fx"]).toBeLessThanOrEqual(10);
      expect((await own.callsDuring(ask))["fx"]).toBe(0);
    });
  });

  it("asks nobody for the currency that it is in already", async () => {
    const { data } = await world.ask(`{ customer(id: "4821") { invoices(last: 1) { currency amount } } }`);
    const [{ currency, amount }] = data.customer.invoices;
    const query = `query ($c: String!) { customer(id: "4821") { invoices(last: 1) { amountIn(currency: $c) { ${converted} } } } }`;
    let answer: Answer | undefined;
    const calls = await world.callsDuring(async () => (answer = await world.ask(query, { c: currency })));
    expect(answer!.data.customer.invoices[0].amountIn).toMatchObject({
      amount,
      currency,
      rate: "1",
      source: null,
      fetchedAt: null,
    });
    expect(calls["fx"]).toBe(0);
  });

  it.each(["XYZ", "EURO", "", "E$"])("refuses %j, which is no currency, without asking anybody", async currency => {
    const query = `query ($c: String!) { customer(id: "4821") { name invoices(last: 2) { amount amountIn(currency: $c) { amount } } } }`;
    let answer: Answer | undefined;
    const calls = await world.callsDuring(async () => (answer = await world.ask(query, { c: currency })));
    expect(answer!.data.customer.invoices).toEqual([1, 2].map(() => ({ amount: expect.any(String), amountIn: null })));
    expect(answer!.errors[0]?.extensions).toMatchObject({ code: "REQUEST_INVALID", retryable: false });
    expect(calls["fx"]).toBe(0);
  });

  it("is an error that says so where there is no rate, and leaves other currencies alone", async () => {
    const query = `{ customer(id: "4821") { invoices(last: 1) {
      none: amountIn(currency: "BGN") { amount } some: amountIn(currency: "SEK") { amount } } } }`;
    const { data, errors } = await world.ask(query);
    expect(data.customer.invoices[0]).toEqual({ none: null, some: { amount: expect.any(String) } });
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({
      message: expect.stringContaining("7 days"),
      extensions: { code: "RATE_UNAVAILABLE", source: "fx" },
    });
  });

  it("is null with an error while the feed is down; everything else arrives", async () => {
    await fresh(async own => {
      await own.fault({ source: "fx", kind: "status", status: 503, times: 1000 });
      const { status, data, errors } = await own.ask(textbookQuery, {}, { "x-tributary-deadline-ms": "4000" });
      expect(status).toBe(200);
      expect(data.customer.name).toEqual(expect.any(String));
      expect(data.customer.tickets.length).toBeGreaterThan(0);
      for (const invoice of data.customer.invoices) {
        expect(invoice.amount).toEqual(expect.any(String));
        for (const code of ["eur", "usd", "jpy", "kwd"])
          if (code.toUpperCase() !== invoice.currency) expect(invoice[code]).toBeNull();
      }
      expect(errors.length).toBeGreaterThan(0);
      for (const { extensions } of errors)
        expect(extensions).toMatchObject({ source: "fx", collection: "rates", retryable: true });
    });
  });

  it("says which rate it took, and the graph has that rate", async () => {
    const { data } = await world.ask(
      `{ node(id: "fx.rates:EUR:USD:2026-10-30") { __typename id ... on ExchangeRate { base quote day rate } } }`,
    );
    const { rates } = await published("2026-10-30");
    expect(data.node).toEqual({
      __typename: "ExchangeRate",
      id: "fx.rates:EUR:USD:2026-10-30",
      base: "EUR",
      quote: "USD",
      day: "2026-10-30",
      rate: String(rates["USD"]),
    });
    expect((await world.ask(`{ node(id: "fx.rates:EUR:USD:2026-10-31") { id } }`)).data.node).toBeNull();
  });
});

describe("what the feed lets be kept", () => {
  it("is asked for again only when it is stale, and then costs a 304", async () => {
    const source = world.product.catalog.sources.find(({ name }) => name === "fx")!;
    const clock = new ManualClock();
    const baseUrl = world.environment["FX_BASE_URL"]!;
    const upstream = new Upstream(source, {
      baseUrl,
      secrets: { read: () => new Secret("") },
      clock,
      random: Math.random,
      logger: silent,
    });
    const request = source.collections["rates"]!.list.request({ from: "2026-10-01", to: "2026-10-30" });
    const read = async () => {
      const before = await answersOf(world);
      const signal = new AbortController().signal;
      const response = await upstream.send(request, {
        priority: "live",
        signal,
        deadlineAtMs: clock.nowMs() + 60_000,
        requestId: "kept",
      });
      const after = await answersOf(world);
      return { text: response.text, answers: [after["200"] - before["200"], after["304"] - before["304"]] };
    };
    const first = await read();
    expect(first.answers).toEqual([1, 0]);
    expect(await read()).toEqual({ ...first, answers: [0, 0] });
    clock.advance(901_000);
    expect(await read()).toEqual({ ...first, answers: [0, 1] });
    await upstream.close();
  });
});

describe("the table of exchange rates", () => {
  it("has what the feed lists, belongs to nobody, and joins to invoices by currency and day", async () => {
    const home = await mkdtemp(`${tmpdir()}/tributary-rates-`);
    const { catalog, upstreamOf } = world.product;
    const pulled = await pull({ catalog, upstreams: upstreamOf, home });
    expect(pulled.verdicts.find(({ source }) => source === "fx")).toMatchObject({ verdict: "complete", duplicateKeys: 0 });
    const { path } = await build({ catalog, home });
    const bench = await openBench(null);
    const rates = `read_parquet('${path}/exchange_rates.parquet')`;
    const rows = await bench.rows(`SELECT * FROM ${rates} WHERE quote = 'JPY' AND day = '2026-10-30'`);
    const { rates: expected } = await published("2026-10-30");
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ id: "fx.rates:EUR:JPY:2026-10-30", source: "fx", base: "EUR" });
    expect(Object.keys(rows[0]!)).not.toContain("customer_id");
    expect(Number(rows[0]!["rate"])).toBe(expected["JPY"]);
    const joined = await bench.rows(
      `SELECT count(rate) AS n FROM (SELECT i.id, r.rate FROM read_parquet('${path}/invoices.parquet') i ASOF JOIN ${rates} r ON i.currency = r.quote AND CAST(i.issued_at AS DATE) >= r.day)`,
    );
    expect(Number(joined[0]!["n"])).toBeGreaterThan(50);
    bench.close();
    await rm(home, { recursive: true, force: true });
  });
});
