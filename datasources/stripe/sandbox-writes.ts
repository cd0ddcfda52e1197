import type { FastifyReply, FastifyRequest } from "fastify";
import type { Customer, CustomerPatch } from "./sandbox-customers.ts";
import { StripeError, badParameter } from "./sandbox-errors.ts";
import type { Invoice } from "./sandbox-invoices.ts";

const MAX_KEY_LENGTH = 255;
const CUSTOMER_TEXTS = ["description", "email", "name", "phone"] as const;

/** An empty value unsets, as everywhere in this provider's form bodies. */
const orNull = (value: string) => (value === "" ? null : value);

/** The name inside `outer[name]`, or undefined. */
const inside = (outer: string, parameter: string) => new RegExp(`^${outer}\\[([^\\]]+)\\]$`).exec(parameter)?.[1];

function withMetadata(metadata: Readonly<Record<string, string>>, name: string, value: string): Record<string, string> {
  const { [name]: _old, ...rest } = metadata;
  return value === "" ? rest : { ...rest, [name]: value };
}

const isText = (name: string): name is (typeof CUSTOMER_TEXTS)[number] => (CUSTOMER_TEXTS as readonly string[]).includes(name);

function customerChange(customer: Customer, name: string, value: string): CustomerPatch {
  if (isText(name)) return { [name]: orNull(value) };
  const metadata = inside("metadata", name);
  if (metadata !== undefined) return { metadata: withMetadata(customer.metadata, metadata, value) };
  const part = inside("address", name);
  const address = customer.address ?? { city: null, country: null, line1: null, line2: null, postal_code: null, state: null };
  if (part !== undefined && Object.hasOwn(address, part)) return { address: { ...address, [part]: orNull(value) } };
  throw badParameter(name, "parameter_unknown", `Received unknown parameter: ${name}`);
}

/** Reads the form body of `POST /v1/customers/:id`. Throws `StripeError` for a parameter that is not known. */
export function readCustomerPatch(customer: Customer, form: URLSearchParams): CustomerPatch {
  const patch: CustomerPatch = {};
  for (const [name, value] of form) Object.assign(patch, customerChange(Object.assign({}, customer, patch), name, value));
  return patch;
}

/** Reads the form body of `POST /v1/invoices/:id`: description and metadata. Throws `StripeError` for anything else. */
export function readInvoicePatch(invoice: Invoice, form: URLSearchParams): Partial<Invoice> {
  let { metadata, description } = invoice;
  for (const [name, value] of form) {
    const key = inside("metadata", name);
    if (key !== undefined) metadata = withMetadata(metadata, key, value);
    else if (name === "description") description = orNull(value);
    else throw badParameter(name, "parameter_unknown", `Received unknown parameter: ${name}`);
  }
  return { metadata, description };
}

/** The values that a patch replaces, as an event reports them. */
export const previousOf = (before: object, patch: object): object =>
  Object.fromEntries(Object.entries(before).filter(([name]) => Object.hasOwn(patch, name)));

/** First answers by idempotency key. @see https://docs.stripe.com/api/idempotent_requests */
export interface IdempotencyBook {
  /** Runs a write once for its key; the same key again gets the first answer, with other parameters a 400. */
  once(request: FastifyRequest, reply: FastifyReply, write: () => object): string | object;
  reset(): void;
}

/** Opens an empty book. */
export function openIdempotency(): IdempotencyBook {
  const answers = new Map<string, { readonly fingerprint: string; readonly body: string }>();
  const once: IdempotencyBook["once"] = (request, reply, write) => {
    const key = request.headers["idempotency-key"];
    if (typeof key !== "string") return write();
    if (key.length > MAX_KEY_LENGTH)
      throw badParameter(
        "Idempotency-Key",
        "parameter_invalid_string",
        `Idempotency keys have at most ${MAX_KEY_LENGTH} characters.`,
      );
    const fingerprint = `${request.method} ${request.url} ${String(request.body)}`;
    const first = answers.get(key);
    void reply.type("application/json");
    if (first === undefined) {
      const body = JSON.stringify(write());
      answers.set(key, { fingerprint, body });
      return body;
    }
    if (first.fingerprint !== fingerprint)
      throw new StripeError({
        status: 400,
        type: "idempotency_error",
        message: `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${key}' if you meant to execute a different request.`,
      });
    void reply.header("idempotent-replayed", "true");
    return first.body;
  };
  return { once, reset: () => answers.clear() };
}
