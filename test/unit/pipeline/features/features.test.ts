import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { exponentOf } from "../../../../src/core/currency.ts";
import { productOver } from "../../../../src/core/decimal.ts";
import { openBench, type Row, type Workbench } from "../../../../src/mapping/bench.ts";
import { features } from "../../../../src/pipeline/features/definitions.ts";
import { registerMoney } from "../../../../src/pipeline/features/make-features.ts";
import { type FeatureMoment, featuresSql } from "../../../../src/pipeline/features/sql.ts";

const AS_OF_MS = Date.parse("2026-10-01T12:00:00.000Z");
const DAY_MS = 86_400_000;
const CURRENCY = "USD";
const instantOf = (ms: number): string => new Date(ms).toISOString();
const dayAt = (ms: number): string => instantOf(ms).slice(0, 10);

type Text = string | null;
interface Invoice {
  readonly customer_id: Text;
  readonly status: Text;
  readonly amount: Text;
  readonly currency: Text;
  readonly issued_at: Text;
  readonly due_at: Text;
  readonly paid_at: Text;
}
interface Ticket {
  readonly customer_id: Text;
  readonly status: Text;
  readonly created_at: Text;
}
interface Usage {
  readonly customer_id: Text;
  readonly day: Text;
  readonly sessions: Text;
  readonly active_minutes: Text;
  readonly api_calls: Text;
}
interface Rate {
  readonly base: string;
  readonly quote: string;
  readonly day: string;
  readonly rate: string;
}
interface World {
  readonly customers: readonly { id: string; status: string; country: string; created_at: Text }[];
  readonly invoices: readonly Invoice[];
  readonly tickets: readonly Ticket[];
  readonly usage_daily: readonly Usage[];
  readonly exchange_rates: readonly Rate[];
}
const columnsOf: Readonly<Record<keyof World, readonly string[]>> = {
  customers: ["id", "status", "country", "created_at"],
  invoices: ["customer_id", "status", "amount", "currency", "issued_at", "due_at", "paid_at"],
  tickets: ["customer_id", "status", "created_at"],
  usage_daily: ["customer_id", "day", "sessions", "active_minutes", "api_calls"],
  exchange_rates: ["base", "quote", "day", "rate"],
};

let bench: Workbench;
beforeAll(async () => {
  bench = await openBench(null);
  registerMoney(bench, CURRENCY);
});
afterAll(() => bench.close());

const literal = (value: Text | undefined): string => (value == null ? "NULL" : `'${value}'`);

async function stage(world: World): Promise<void> {
  for (const [table, columns] of Object.entries(columnsOf) as [keyof World, readonly string[]][]) {
    await bench.run(`CREATE OR REPLACE TABLE ${table} (${columns.map(column => `${column} VARCHAR`).join(", ")})`);
    const rows = world[table].map(
      row => `(${columns.map(column => literal((row as unknown as Record<string, Text>)[column])).join(", ")})`,
    );
    if (rows.length > 0) await bench.run(`INSERT INTO ${table} VALUES ${rows.join(", ")}`);
  }
}

const everything = { Invoice: null, Ticket: null, UsageDay: null };
async function computed(world: World, moment: Partial<FeatureMoment> = {}): Promise<readonly Row[]> {
  await stage(world);
  const at = { asOf: instantOf(AS_OF_MS), knownAt: instantOf(AS_OF_MS), currency: CURRENCY, knownFrom: everything, ...moment };
  return bench.rows(`SELECT * FROM (${featuresSql(at)}) ORDER BY customer_id`);
}

/** The same, row by row, as somebody would work it out who had never heard of SQL. */
function expected(world: World, customer: string): Record<string, string | null> {
  const result: Record<string, string | null> = {};
  for (const { name, entity, condition, aggregate, value, days } of features) {
    if (entity === "UsageDay") {
      const today = Date.parse(dayAt(AS_OF_MS));
      const rows = world.usage_daily.filter(({ customer_id, day }) => {
        if (customer_id !== customer || day === null) return false;
        const ms = Date.parse(day);
        return ms <= today && (days === null || ms > today - days * DAY_MS);
      });
      const column = { sessions: "sessions", activeMinutes: "active_minutes", apiCalls: "api_calls" }[value ?? ""] as keyof Usage;
      result[name] =
        aggregate === "last"
          ? (rows
              .map(({ day }) => day!)
              .toSorted()
              .at(-1) ?? null)
          : aggregate === "count"
            ? String(rows.length)
            : sumOf(rows.map(row => row[column]));
      continue;
    }
    const own =
      entity === "Invoice"
        ? world.invoices.map(invoice => ({ ...invoice, created_at: null }))
        : world.tickets.map(ticket => ({
            ...ticket,
            issued_at: null,
            paid_at: null,
            due_at: null,
            amount: null,
            currency: null,
          }));
    const rows = own.flatMap(row => {
      if (row.customer_id !== customer) return [];
      const at = {
        issued: row.issued_at,
        open: row.issued_at,
        late: row.issued_at,
        paid: row.paid_at,
        opened: row.created_at,
        unsolved: row.created_at,
        used: null,
      }[condition];
      const atMs = at === null ? Number.NaN : Date.parse(at);
      const isThen = atMs <= AS_OF_MS && (days === null || atMs > AS_OF_MS - days * DAY_MS);
      const status = row.status ?? "";
      const meets = {
        issued: status !== "DRAFT" && status !== "VOID",
        paid: status === "PAID",
        open: status === "OPEN",
        late: status === "OPEN" && row.due_at !== null && Date.parse(row.due_at) < AS_OF_MS,
        opened: true,
        unsolved: row.status !== null && status !== "SOLVED" && status !== "CLOSED",
        used: false,
      }[condition];
      return isThen && meets ? [{ atMs, money: entity === "Invoice" ? inCurrency(world, row) : null }] : [];
    });
    const moments = rows.map(({ atMs }) => atMs).toSorted((a, b) => a - b);
    if (aggregate === "count") result[name] = String(rows.length);
    else if (aggregate === "sum")
      result[name] = rows.some(({ money }) => money === null) ? null : sumOf(rows.map(({ money }) => money));
    else result[name] = moments.length === 0 ? null : instantOf(aggregate === "first" ? moments[0]! : moments.at(-1)!);
  }
  return result;
}

/** A sum of decimals, by integers of ten thousandths. */
function sumOf(values: readonly Text[]): string {
  const units = values.map(value => (value === null ? 0n : BigInt(productOver([value], "1", 4).replace(".", ""))));
  return String(units.reduce((sum, each) => sum + each, 0n));
}
const asUnits = (text: string | null | undefined): string | null => (text == null ? null : sumOf([text]));

function inCurrency({ exchange_rates: rates }: World, { amount, currency, issued_at }: Invoice): string | null {
  if (amount === null || currency === null) return null;
  if (currency === CURRENCY) return productOver([amount], "1", exponentOf(CURRENCY));
  if (issued_at === null) return null;
  const legOf = (code: string, day: string) =>
    code === "EUR" ? "1" : rates.find(rate => rate.base === "EUR" && rate.quote === code && rate.day === day)?.rate;
  for (let back = 0; back <= 7; back++) {
    const day = dayAt(Date.parse(issued_at.slice(0, 10)) - back * DAY_MS);
    const [from, into] = [legOf(currency, day), legOf(CURRENCY, day)];
    if (from && into) return productOver([amount, into], from, exponentOf(CURRENCY));
  }
  return null;
}

/** Moments about the edges of the windows. */
const moment = fc
  .tuple(fc.constantFrom(-1, 0, 7, 29, 30, 31, 89, 90, 91, 364, 365, 366), fc.integer({ min: -3, max: 3 }), fc.boolean())
  .map(([days, beside, isFar]) => instantOf(AS_OF_MS - days * DAY_MS + beside * (isFar ? 3_600_000 : 1)));
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null, freq: 8 });
const owner = maybe(fc.constantFrom("cst_a", "cst_b", "cst_z"));
const decimal = fc
  .tuple(fc.integer({ min: -99_999, max: 9_999_999 }), fc.integer({ min: 0, max: 99 }))
  .map(([whole, cents]) => `${whole}.${String(cents).padStart(2, "0")}`);
const worlds: fc.Arbitrary<World> = fc.record({
  customers: fc.constant(
    ["cst_a", "cst_b"].map(id => ({ id, status: "ACTIVE", country: "DE", created_at: "2025-10-01T12:00:00.001Z" })),
  ),
  invoices: fc.array(
    fc.record({
      customer_id: owner,
      status: maybe(fc.constantFrom("DRAFT", "OPEN", "PAID", "VOID", "UNCOLLECTIBLE", "UNKNOWN")),
      amount: maybe(decimal),
      currency: maybe(fc.constantFrom("USD", "EUR", "JPY", "XTS")),
      issued_at: maybe(moment),
      due_at: maybe(moment),
      paid_at: maybe(moment),
    }),
    { maxLength: 8 },
  ),
  tickets: fc.array(
    fc.record({
      customer_id: owner,
      status: maybe(fc.constantFrom("NEW", "OPEN", "SOLVED", "CLOSED")),
      created_at: maybe(moment),
    }),
    { maxLength: 5 },
  ),
  usage_daily: fc.array(
    fc.record({
      customer_id: owner,
      day: maybe(moment.map(at => at.slice(0, 10))),
      sessions: maybe(fc.nat(50).map(String)),
      active_minutes: maybe(decimal.filter(text => !text.startsWith("-"))),
      api_calls: maybe(fc.constantFrom("0", "12", "9007199254740993")),
    }),
    { maxLength: 5 },
  ),
  exchange_rates: fc
    .uniqueArray(
      fc.record({
        quote: fc.constantFrom("USD", "JPY"),
        back: fc.integer({ min: 0, max: 400 }),
        rate: fc.constantFrom("1.0837", "163.12", "0.5"),
      }),
      {
        selector: ({ quote, back }) => `${quote} ${back}`,
        minLength: 20,
        maxLength: 60,
      },
    )
    .map(rates => rates.map(({ quote, back, rate }) => ({ base: "EUR", quote, rate, day: dayAt(AS_OF_MS - back * DAY_MS) }))),
});

/** What DuckDB prints, in the form of the expectation. */
function shown(row: Row, name: string): string | null {
  const { type, aggregate } = features.find(each => each.name === name)!;
  const value = row[name] ?? null;
  if (value === null || aggregate === "count" || type === "DATE") return value;
  return aggregate === "sum" ? asUnits(value) : instantOf(Date.parse(`${value.replace(" ", "T")}Z`));
}

describe("customer_features", () => {
  it("says what somebody who goes through the records one by one would say", async () => {
    await fc.assert(
      fc.asyncProperty(worlds, async world => {
        const rows = await computed(world);
        expect(rows.map(row => row["customer_id"])).toEqual(["cst_a", "cst_b"]);
        for (const row of rows) {
          const found = Object.fromEntries(features.map(({ name }) => [name, shown(row, name)]));
          expect(found).toEqual(expected(world, String(row["customer_id"])));
        }
      }),
      { numRuns: 60 },
    );
  }, 120_000);

  it("sees nothing that happened later", async () => {
    const later = instantOf(AS_OF_MS + 1);
    const invoice = {
      customer_id: "cst_a",
      status: "PAID",
      amount: "5",
      currency: "USD",
      issued_at: later,
      due_at: null,
      paid_at: later,
    };
    await fc.assert(
      fc.asyncProperty(worlds, async world => {
        const before = await computed(world);
        const after = await computed({
          ...world,
          invoices: [...world.invoices, invoice],
          tickets: [...world.tickets, { customer_id: "cst_a", status: "OPEN", created_at: later }],
          usage_daily: [
            ...world.usage_daily,
            { customer_id: "cst_a", day: dayAt(AS_OF_MS + DAY_MS), sessions: "1", active_minutes: "1", api_calls: "1" },
          ],
        });
        expect(after).toEqual(before);
      }),
      { numRuns: 15 },
    );
  }, 60_000);

  it("is null, not nothing, where the records were never pulled or do not reach so far back", async () => {
    const world: World = {
      customers: [{ id: "cst_a", status: "ACTIVE", country: "DE", created_at: null }],
      invoices: [],
      tickets: [],
      usage_daily: [],
      exchange_rates: [],
    };
    const knownFrom = { Invoice: undefined, Ticket: null, UsageDay: dayAt(AS_OF_MS - 10 * DAY_MS) };
    const [row] = await computed(world, { knownFrom });
    expect(row).toMatchObject({
      invoices_30d: null,
      open_amount: null,
      tickets_30d: "0",
      active_days_7d: "0",
      active_days_30d: null,
      tenure_days: null,
    });
  });
});
