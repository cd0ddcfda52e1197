import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Imitation, World } from "../../src/sandbox/imitation.ts";
import { customerKeys, openCustomers } from "./sandbox-customers.ts";
import { StripeError, sendProblem } from "./sandbox-errors.ts";
import { openEvents } from "./sandbox-events.ts";
import { SECRET_KEY, checkKey, checkVersion, createGate } from "./sandbox-gate.ts";
import { openInvoices } from "./sandbox-invoice-book.ts";
import * as routes from "./sandbox-routes.ts";
import type { StripeRequest, StripeState } from "./sandbox-routes.ts";
import { changeSomething, WEBHOOK_SECRET, webhooks } from "./sandbox-webhooks.ts";
import { openIdempotency } from "./sandbox-writes.ts";

function openState({ population, clock, onReset, onChange, notify }: World): StripeState {
  const customers = openCustomers(population);
  const invoices = openInvoices(population, customers);
  const events = openEvents(
    population,
    { customers, invoices },
    { onEvent: event => notify("stripe", event), openedAtMs: clock() },
  );
  onReset(() => [customers, invoices, events].forEach(book => book.reset()));
  const state = { customers, invoices, events, clock };
  onChange("stripe", dice => changeSomething(state, dice));
  return state;
}

/** Every answer has a request id, every error the provider's shape. */
function dress(app: FastifyInstance, world: World): void {
  const ids = world.population.keys.opaque("stripe.requests", "req_");
  let requests = 0;
  app.addHook("onRequest", async (_request, reply) => void reply.header("request-id", ids.of(requests++)));
  app.setErrorHandler((error: Error & { readonly statusCode?: number }, _request, reply) =>
    sendProblem(
      reply,
      error instanceof StripeError
        ? error.problem
        : {
            status: error.statusCode ?? 500,
            type: error.statusCode === undefined ? "api_error" : "invalid_request_error",
            message: error.message,
          },
    ),
  );
  app.setNotFoundHandler((request, reply) => sendProblem(reply, routes.unrecognised(request).problem));
}

function mount(app: FastifyInstance, world: World): void {
  const state = openState(world);
  const gate = createGate(world);
  const idempotency = openIdempotency();
  world.onReset(() => idempotency.reset());
  dress(app, world);
  app.addHook("preHandler", async (request, reply) => {
    checkKey(request);
    checkVersion(request, reply);
    gate(request, reply);
  });
  const read = (answer: (asked: StripeRequest) => object) => (request: FastifyRequest, reply: FastifyReply) =>
    answer({ state, request, reply });
  const write = (answer: (asked: StripeRequest) => object) => (request: FastifyRequest, reply: FastifyReply) =>
    idempotency.once(request, reply, () => answer({ state, request, reply }));
  app.get("/v1/customers", read(routes.listCustomers));
  app.get("/v1/customers/:id", read(routes.getCustomer));
  app.post("/v1/customers/:id", write(routes.updateCustomer));
  app.delete("/v1/customers/:id", read(routes.deleteCustomer));
  app.get("/v1/invoices", read(routes.listInvoices));
  app.get("/v1/invoices/:id", read(routes.getInvoice));
  app.post("/v1/invoices/:id", write(routes.updateInvoice));
  app.post("/v1/invoices/:id/:action", write(routes.actOnInvoice));
  app.get("/v1/events", read(routes.listEvents));
  app.get("/v1/events/:id", read(routes.getEvent));
}

/** Stripe's customers, invoices and events. @see https://docs.stripe.com/api */
const stripe: Imitation = {
  name: "stripe",
  rates: { presence: 0.75, duplicates: 0 },
  environment: origin => ({
    STRIPE_BASE_URL: `${origin}/stripe`,
    STRIPE_API_KEY: SECRET_KEY,
    STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET,
  }),
  webhooks,
  mount,
  records: (population, person) =>
    population.isPresent("stripe", person) ? [{ collection: "customers", key: customerKeys(population).of(person) }] : [],
};

export default stripe;
