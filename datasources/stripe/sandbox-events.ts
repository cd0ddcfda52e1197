import type { Population } from "../../src/sandbox/population.ts";
import type { CustomerBook } from "./sandbox-customers.ts";
import type { InvoiceBook } from "./sandbox-invoice-book.ts";
import type { Sequence } from "./sandbox-listing.ts";

/** Something that happened, with the object as it was then. @see https://docs.stripe.com/api/events/object */
export interface StripeEvent {
  readonly id: string;
  readonly object: "event";
  readonly api_version: string;
  readonly created: number;
  readonly data: { readonly object: object; readonly previous_attributes?: object };
  readonly livemode: false;
  readonly pending_webhooks: number;
  readonly request: { readonly id: string | null; readonly idempotency_key: string | null };
  readonly type: string;
}

/** What a write reports. */
interface Happening {
  readonly type: string;
  readonly object: object;
  readonly previous?: object;
  readonly created: number;
  readonly request?: StripeEvent["request"];
}

/** What has happened, newest first: a seeded history, then every write. */
export interface EventBook {
  sequence(): Sequence<StripeEvent>;
  /** Runs a write and keeps what it reports. The history is drawn first, so that it shows the world before any write. */
  record(write: () => Happening): void;
  reset(): void;
}

/** Is told of what happens. */
export type OnEvent = (event: StripeEvent) => void;

/** The version in which events are written. */
export const API_VERSION = "2026-08-26.dahlia";

const HISTORY_CUSTOMERS = 60;
const HISTORY_INVOICES = 3;

/** The newest customers' creation and their latest invoices, as happenings. */
function history(customers: CustomerBook, invoices: InvoiceBook): Happening[] {
  const happenings: Happening[] = [];
  for (let position = 0; position < Math.min(customers.length, HISTORY_CUSTOMERS); position++) {
    const customer = customers.at(position);
    const person = customer === null ? null : customers.personOf(customer.id);
    if (customer === null || person === null) continue;
    happenings.push({ type: "customer.created", object: customer, created: customer.created });
    const own = invoices.of(person);
    for (let at = 0; at < Math.min(own.length, HISTORY_INVOICES); at++) {
      const invoice = own.at(at);
      if (invoice === null) continue;
      happenings.push({ type: "invoice.created", object: invoice, created: invoice.created });
      const { paid_at: paidAt } = invoice.status_transitions;
      if (paidAt !== null) happenings.push({ type: "invoice.paid", object: invoice, created: paidAt });
    }
  }
  return happenings.sort((a, b) => a.created - b.created);
}

/** Opens the events of a world. The history is drawn on first use. Whoever remembers the events of a world before does not take new ones for those. */
export function openEvents(
  population: Population,
  { customers, invoices }: { readonly customers: CustomerBook; readonly invoices: InvoiceBook },
  { onEvent, openedAtMs }: { readonly onEvent: OnEvent; readonly openedAtMs: number },
): EventBook {
  const keys = population.keys.opaque(`stripe.events.${openedAtMs}`, "evt_", 24);
  let events: StripeEvent[] | undefined;
  const eventOf = ({ type, object, previous, created, request }: Happening, n: number): StripeEvent => ({
    id: keys.of(n),
    object: "event",
    api_version: API_VERSION,
    created,
    data: previous === undefined ? { object } : { object, previous_attributes: previous },
    livemode: false,
    pending_webhooks: 0,
    request: request ?? { id: null, idempotency_key: null },
    type,
  });
  const known = () => (events ??= history(customers, invoices).map(eventOf));
  const record = (write: () => Happening) => {
    const events = known();
    const event = eventOf(write(), events.length);
    events.push(event);
    onEvent(event);
  };
  const at = (position: number) => known()[known().length - 1 - position] ?? null;
  const sequence = (): Sequence<StripeEvent> => ({
    object: "event",
    length: known().length,
    createdAt: position => at(position)?.created ?? Number.NaN,
    at,
    positionOf: id => {
      const n = keys.indexOf(id);
      return n !== null && n < known().length ? known().length - 1 - n : -1;
    },
  });
  return { sequence, record, reset: () => void (events = undefined) };
}
