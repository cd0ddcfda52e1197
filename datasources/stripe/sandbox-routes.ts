import type { FastifyReply, FastifyRequest } from "fastify";
import type { Customer, CustomerBook } from "./sandbox-customers.ts";
import { StripeError, badParameter, noSuch } from "./sandbox-errors.ts";
import type { EventBook, StripeEvent } from "./sandbox-events.ts";
import type { InvoiceBook, InvoicePlace } from "./sandbox-invoice-book.ts";
import { act, isInvoiceAction } from "./sandbox-invoices.ts";
import type { Invoice } from "./sandbox-invoices.ts";
import { listPage, single } from "./sandbox-listing.ts";
import type { Page, Query, Sequence } from "./sandbox-listing.ts";
import { previousOf, readCustomerPatch, readInvoicePatch } from "./sandbox-writes.ts";

/** The state behind the routes. */
export interface StripeState {
  readonly customers: CustomerBook;
  readonly invoices: InvoiceBook;
  readonly events: EventBook;
  /** Epoch milliseconds. */
  readonly clock: () => number;
}

/** A route's request as the handlers see it. */
export interface StripeRequest {
  readonly state: StripeState;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

interface DeletedCustomer {
  readonly id: string;
  readonly object: "customer";
  readonly deleted: true;
}

const STATUSES = ["draft", "open", "paid", "void", "uncollectible"];
const everything = () => true;

const queryOf = (request: FastifyRequest) => request.query as Query;
const parameter = (request: FastifyRequest, name: "id" | "action") =>
  (request.params as Readonly<Record<string, string>>)[name] ?? "";
const nowSeconds = ({ clock }: StripeState) => Math.floor(clock() / 1000);

function formOf({ body }: FastifyRequest): URLSearchParams {
  if (body === undefined || body === null) return new URLSearchParams();
  if (body instanceof URLSearchParams) return body;
  throw badParameter("body", "parameter_invalid_string", "Invalid request: the body must be application/x-www-form-urlencoded.");
}

function personIn({ state, request }: StripeRequest): number {
  const id = parameter(request, "id");
  const person = state.customers.personOf(id);
  if (person === null) throw noSuch("customer", id);
  return person;
}

const tombstone = (state: StripeState, person: number): DeletedCustomer => ({
  id: state.customers.keyOf(person) ?? "",
  object: "customer",
  deleted: true,
});

/** `GET /v1/customers` @see https://docs.stripe.com/api/customers/list */
export function listCustomers({ state, request }: StripeRequest): Page<Customer> {
  const query = queryOf(request);
  const email = single(query, "email");
  const sequence = email === undefined ? state.customers : state.customers.withEmail(email);
  return listPage(sequence, { url: "/v1/customers", query, filters: ["email"], wanted: everything });
}

/** `GET /v1/customers/:id`: a deleted customer is still answered, as one. */
export function getCustomer(asked: StripeRequest): Customer | DeletedCustomer {
  const person = personIn(asked);
  const { state } = asked;
  return state.customers.isDeleted(person) ? tombstone(state, person) : state.customers.get(person);
}

const requestIn = ({ request, reply }: StripeRequest): StripeEvent["request"] => ({
  id: String(reply.getHeader("request-id")),
  idempotency_key: request.headers["idempotency-key"]?.toString() ?? null,
});

/** `POST /v1/customers/:id` */
export function updateCustomer(asked: StripeRequest): Customer {
  const person = personIn(asked);
  const { state, request } = asked;
  if (state.customers.isDeleted(person)) throw noSuch("customer", parameter(request, "id"));
  const before = state.customers.get(person);
  const patch = readCustomerPatch(before, formOf(request));
  state.events.record(() => ({
    type: "customer.updated",
    object: state.customers.patch(person, patch),
    previous: previousOf(before, patch),
    created: nowSeconds(state),
    request: requestIn(asked),
  }));
  return state.customers.get(person);
}

/** `DELETE /v1/customers/:id` */
export function deleteCustomer(asked: StripeRequest): DeletedCustomer {
  const person = personIn(asked);
  const { state, request } = asked;
  if (state.customers.isDeleted(person)) throw noSuch("customer", parameter(request, "id"));
  const object = state.customers.get(person);
  state.events.record(() => {
    state.customers.delete(person);
    return { type: "customer.deleted", object, created: nowSeconds(state), request: requestIn(asked) };
  });
  return tombstone(state, person);
}

function invoiceSequence({ customers, invoices }: StripeState, customer: string | undefined): Sequence<Invoice> {
  if (customer === undefined) return invoices.all();
  const person = customers.personOf(customer);
  if (person === null) throw noSuch("customer", customer, "customer", 400);
  return invoices.of(person);
}

/** `GET /v1/invoices` @see https://docs.stripe.com/api/invoices/list */
export function listInvoices({ state, request }: StripeRequest): Page<Invoice> {
  const query = queryOf(request);
  const status = single(query, "status");
  if (status !== undefined && !STATUSES.includes(status))
    throw badParameter("status", "parameter_unknown", `Invalid status: must be one of ${STATUSES.join(", ")}`);
  const wanted = (invoice: Invoice) => status === undefined || invoice.status === status;
  const sequence = invoiceSequence(state, single(query, "customer"));
  return listPage(sequence, { url: "/v1/invoices", query, filters: ["customer", "status"], wanted });
}

function placeIn({ state, request }: StripeRequest): InvoicePlace {
  const id = parameter(request, "id");
  const place = state.invoices.placeOf(id);
  if (place === null) throw noSuch("invoice", id);
  return place;
}

/** `GET /v1/invoices/:id` */
export const getInvoice = (asked: StripeRequest): Invoice => asked.state.invoices.get(placeIn(asked));

/** Patches an invoice and reports it. */
function changeInvoice(asked: StripeRequest, type: string, patch: Partial<Invoice>): Invoice {
  const { state } = asked;
  const place = placeIn(asked);
  const previous = previousOf(state.invoices.get(place), patch);
  state.events.record(() => ({
    type,
    object: state.invoices.patch(place, patch),
    previous,
    created: nowSeconds(state),
    request: requestIn(asked),
  }));
  return state.invoices.get(place);
}

/** `POST /v1/invoices/:id` */
export function updateInvoice(asked: StripeRequest): Invoice {
  const invoice = getInvoice(asked);
  return changeInvoice(asked, "invoice.updated", readInvoicePatch(invoice, formOf(asked.request)));
}

const eventOfAction = { finalize: "finalized", pay: "paid", void: "voided", mark_uncollectible: "marked_uncollectible" } as const;

/** `POST /v1/invoices/:id/:action` @see https://docs.stripe.com/api/invoices/pay */
export function actOnInvoice(asked: StripeRequest): Invoice {
  const action = parameter(asked.request, "action");
  const invoice = getInvoice(asked);
  if (!isInvoiceAction(action)) throw unrecognised(asked.request);
  const patch = act(invoice, action, nowSeconds(asked.state));
  if (patch === null)
    throw new StripeError({
      status: 400,
      type: "invalid_request_error",
      code: "invoice_not_editable",
      message: `You cannot ${action.replaceAll("_", " ")} an invoice whose status is ${invoice.status ?? "unknown"}.`,
    });
  return changeInvoice(asked, `invoice.${eventOfAction[action]}`, patch);
}

/** Whether an event's type is one asked for; a name may end in `.*`. */
const matches = (type: string, wanted: string) => (wanted.endsWith("*") ? type.startsWith(wanted.slice(0, -1)) : type === wanted);

/** `GET /v1/events` @see https://docs.stripe.com/api/events/list */
export function listEvents({ state, request }: StripeRequest): Page<StripeEvent> {
  const query = queryOf(request);
  const types = [query["type"] ?? [], query["types[]"] ?? []].flat();
  const wanted = ({ type }: StripeEvent) => types.length === 0 || types.some(one => matches(type, one));
  return listPage(state.events.sequence(), { url: "/v1/events", query, filters: ["type", "types[]"], wanted });
}

/** `GET /v1/events/:id` */
export function getEvent({ state, request }: StripeRequest): StripeEvent {
  const id = parameter(request, "id");
  const sequence = state.events.sequence();
  const event = sequence.at(sequence.positionOf(id));
  if (event === null) throw noSuch("event", id);
  return event;
}

/** 404 for a path that the provider does not have. */
export function unrecognised({ method, url }: FastifyRequest): StripeError {
  const path = url.split("?")[0] ?? "";
  const message = `Unrecognized request URL (${method}: ${path.slice(path.indexOf("/v1"))}). Please see https://docs.stripe.com or we can help at https://support.stripe.com/.`;
  return new StripeError({ status: 404, type: "invalid_request_error", message });
}
