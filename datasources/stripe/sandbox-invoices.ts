import { exactNumber } from "../../src/sandbox/exact-json.ts";
import { Dice } from "../../src/sandbox/population.ts";
import type { Population } from "../../src/sandbox/population.ts";
import { customerKeys, invoicePrefixOf } from "./sandbox-customers.ts";

/** Where an invoice stands; the provider's documentation allows null. */
type InvoiceStatus = "draft" | "open" | "paid" | "void" | "uncollectible" | null;

/** An integer of the minor unit; beyond 2^53 an object that serialises to its exact digits. */
type Amount = number | object;

/** An invoice on the wire. @see https://docs.stripe.com/api/invoices/object */
export interface Invoice {
  readonly id: string;
  readonly object: "invoice";
  readonly account_country: string;
  readonly amount_due: Amount;
  readonly amount_paid: Amount;
  readonly amount_remaining: Amount;
  readonly attempt_count: number;
  readonly attempted: boolean;
  readonly auto_advance: boolean;
  readonly billing_reason: string;
  readonly collection_method: "charge_automatically" | "send_invoice";
  readonly created: number;
  readonly currency: string;
  readonly customer: string;
  readonly customer_email: string | null;
  readonly description: string | null;
  readonly due_date: number | null;
  readonly livemode: false;
  readonly metadata: Readonly<Record<string, string>>;
  readonly number: string | null;
  readonly period_end: number;
  readonly period_start: number;
  readonly status: InvoiceStatus;
  readonly status_transitions: Readonly<
    Record<"finalized_at" | "marked_uncollectible_at" | "paid_at" | "voided_at", number | null>
  >;
  readonly subtotal: Amount;
  readonly total: Amount;
}

/** The most invoices a customer has. */
const MAX_INVOICES = 40;

const STRIDE = 64;
const FIRST_PERSON_INVOICES = 14;
const END_SECONDS = Date.UTC(2026, 10, 1) / 1000;
const MINUTE = 60;
const DAY = 86_400;
const HUGE_SHARE = 0.004;
const SOURCE = "stripe";
const COUNTS = "stripe.invoiceCount";
const INVOICES = "stripe.invoices";

/** Typical amounts by what a minor unit is worth. */
const largest: Readonly<Record<string, number>> = { jpy: 400_000, kwd: 900_000, inr: 9_000_000 };

/** The key space of invoices: (person, n) ↔ `in_…`. */
export function invoiceKeys(population: Population) {
  const keys = population.keys.opaque(INVOICES, "in_", 24);
  return {
    of: (person: number, n: number) => keys.of(person * STRIDE + n),
    indexOf: (id: string) => {
      const code = keys.indexOf(id);
      return code === null ? null : { person: Math.floor(code / STRIDE), n: code % STRIDE };
    },
  };
}

/** How many invoices a customer has, 0 to {@link MAX_INVOICES}. */
export function countInvoices(population: Population, person: number): number {
  if (person === 0) return FIRST_PERSON_INVOICES;
  const dice = population.dice(COUNTS, person);
  if (dice.chance(0.12)) return 0;
  return Math.floor((MAX_INVOICES + 1) * dice.fraction() * dice.fraction());
}

/** When the n-th invoice (0 is the oldest) was made, epoch seconds, a whole minute as billing runs are. */
export function invoiceCreatedAt(population: Population, person: number, n: number): number {
  const start = population.recordedAt(person, SOURCE) / 1000 + DAY;
  const step = (END_SECONDS - start) / countInvoices(population, person);
  const jitter = population.dice("stripe.invoiceDay", person, n).fraction();
  return Math.ceil((start + step * (n + 0.8 * jitter)) / MINUTE) * MINUTE;
}

/** Amounts in three-decimal currencies end in 0. @see https://docs.stripe.com/currencies#three-decimal */
function drawTotal(dice: Dice, currency: string): Amount {
  const huge = dice.chance(HUGE_SHARE);
  const value = 500 + Math.floor((largest[currency] ?? 250_000) * dice.fraction() * dice.fraction());
  // 9,007,199,254,740,993 is the first integer that a double cannot hold; these are at least ten times that, and odd.
  if (huge) return exactNumber(`9${dice.digits(15)}${String(2 * dice.below(5) + 1)}`);
  const whole = currency === "kwd" ? Math.ceil(value / 10) * 10 : value;
  return dice.chance(0.005) ? -whole : whole;
}

function drawStatus(dice: Dice, isLast: boolean): InvoiceStatus {
  const value = dice.fraction();
  if (value < 0.01) return null;
  if (isLast && value < 0.2) return "draft";
  if (value < (isLast ? 0.5 : 0.09)) return "open";
  if (value < 0.94) return "paid";
  return value < 0.975 ? "void" : "uncollectible";
}

/** What is due and what is left, by where the invoice stands. */
function settle(total: Amount, status: InvoiceStatus) {
  const due = typeof total === "number" ? Math.max(total, 0) : total;
  return {
    amount_due: due,
    amount_paid: status === "paid" ? due : 0,
    amount_remaining: status === "paid" ? 0 : due,
    subtotal: total,
    total,
  };
}

/** The instants at which an invoice changed its standing. */
function transitions(status: InvoiceStatus, created: number, afterSeconds: number): Invoice["status_transitions"] {
  const when = (wanted: InvoiceStatus) => (status === wanted ? created + afterSeconds : null);
  const finalized = status === "draft" || status === null ? null : created + 3600;
  return {
    finalized_at: finalized,
    marked_uncollectible_at: when("uncollectible"),
    paid_at: when("paid"),
    voided_at: when("void"),
  };
}

/** Everybody's first impression: nothing odd, the newest invoice open and the one before it paid. `age` 0 is the newest. */
function firstPersonStatus(drawn: InvoiceStatus, age: number): InvoiceStatus {
  if (age === 0) return "open";
  return age === 1 ? "paid" : (drawn ?? "paid");
}

function drawStanding(dice: Dice, created: number, { age, isFirstPerson }: { age: number; isFirstPerson: boolean }) {
  const drawn = drawStatus(dice, age === 0);
  const status = isFirstPerson ? firstPersonStatus(drawn, age) : drawn;
  const sent = dice.chance(0.6) || isFirstPerson;
  const afterSeconds = 3600 + dice.below(20 * DAY);
  const collection_method: Invoice["collection_method"] = sent ? "send_invoice" : "charge_automatically";
  return {
    auto_advance: status === "draft" || status === "open",
    attempt_count: status === "draft" ? 0 : 1,
    attempted: status !== "draft",
    collection_method,
    due_date: sent ? created + 30 * DAY : null,
    status,
    status_transitions: transitions(status, created, afterSeconds),
  };
}

/** The n-th invoice of a customer as the world was made. */
export function makeInvoice(population: Population, person: number, n: number): Invoice {
  const dice = population.dice(INVOICES, person, n);
  const customer = customerKeys(population).of(person);
  const { email, person: truth } = population.rendering(person, SOURCE);
  const { currency, country } = truth;
  const lower = currency.toLowerCase();
  const created = invoiceCreatedAt(population, person, n);
  const total = drawTotal(dice, lower);
  const standing = drawStanding(dice, created, {
    age: countInvoices(population, person) - 1 - n,
    isFirstPerson: person === 0,
  });
  return {
    id: invoiceKeys(population).of(person, n),
    object: "invoice",
    account_country: country,
    ...settle(total, standing.status),
    billing_reason: n === 0 ? "subscription_create" : "subscription_cycle",
    created,
    currency: lower,
    customer,
    customer_email: email,
    description: null,
    livemode: false,
    metadata: {},
    number: standing.status === "draft" ? null : `${invoicePrefixOf(customer)}-${String(n + 1).padStart(4, "0")}`,
    period_end: created,
    period_start: created - 30 * DAY,
    ...standing,
  };
}

const actions = {
  finalize: { from: ["draft"], to: "open" },
  pay: { from: ["open", "uncollectible"], to: "paid" },
  void: { from: ["open", "uncollectible"], to: "void" },
  mark_uncollectible: { from: ["open"], to: "uncollectible" },
} as const;

/** Something a client can do to an invoice: `POST /v1/invoices/:id/pay`. */
export type InvoiceAction = keyof typeof actions;

/** Whether a path segment names an action. */
export const isInvoiceAction = (text: string): text is InvoiceAction => Object.hasOwn(actions, text);

/** The fields an action changes, or null when the invoice's standing forbids it. @see https://docs.stripe.com/invoicing/overview#invoice-statuses */
export function act(invoice: Invoice, action: InvoiceAction, nowSeconds: number): Partial<Invoice> | null {
  const { from, to } = actions[action];
  if (!(from as readonly InvoiceStatus[]).includes(invoice.status)) return null;
  const stamps = {
    open: { finalized_at: nowSeconds },
    paid: { paid_at: nowSeconds },
    void: { voided_at: nowSeconds },
    uncollectible: { marked_uncollectible_at: nowSeconds },
  };
  return {
    ...settle(invoice.total, to),
    number: invoice.number ?? `${invoicePrefixOf(invoice.customer)}-${invoice.id.slice(-4)}`,
    status: to,
    status_transitions: { ...invoice.status_transitions, ...stamps[to] },
  };
}
