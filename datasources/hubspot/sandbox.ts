import type { FastifyInstance } from "fastify";
import type { Imitation, World } from "../../src/sandbox/imitation.ts";
import { contactIdsOf, openContacts } from "./sandbox-contacts.ts";
import { HubSpotError, sendProblem } from "./sandbox-errors.ts";
import { createGate } from "./sandbox-gate.ts";
import { CLIENT, openTokenDesk } from "./sandbox-oauth.ts";
import * as routes from "./sandbox-routes.ts";
import type { HubSpotState } from "./sandbox-routes.ts";
import { createSearch } from "./sandbox-search.ts";
import { changeSomething, eventsOf, WEBHOOK_SECRET, webhooks } from "./sandbox-webhooks.ts";

const CONTACTS = "/crm/v3/objects/contacts";

function openState({ population, clock, onReset, onChange, notify }: World): HubSpotState {
  let told = 0;
  const contacts = openContacts(population, write => {
    for (const event of eventsOf(write, clock(), () => told++)) notify("hubspot", event);
  });
  onChange("hubspot", dice => changeSomething(contacts, clock, dice));
  onReset(() => contacts.reset());
  return { contacts, search: createSearch(contacts, clock), clock };
}

/** Every answer has a correlation id, every error the provider's shape. */
function dress(app: FastifyInstance, world: World): void {
  const ids = world.population.keys.uuid("hubspot.requests");
  let requests = 0;
  app.addHook("onRequest", async (_request, reply) => void reply.header("x-hubspot-correlation-id", ids.of(requests++)));
  app.setErrorHandler((error: Error & { readonly statusCode?: number }, _request, reply) =>
    sendProblem(
      reply,
      error instanceof HubSpotError
        ? error.problem
        : {
            status: error.statusCode ?? 500,
            category: error.statusCode === undefined ? "INTERNAL_ERROR" : "VALIDATION_ERROR",
            message: error.message,
          },
    ),
  );
  app.setNotFoundHandler((_request, reply) =>
    sendProblem(reply, { status: 404, category: "OBJECT_NOT_FOUND", message: "resource not found" }),
  );
}

function mountContacts(app: FastifyInstance, state: HubSpotState): void {
  app.get(CONTACTS, request => routes.listContacts(state, request));
  app.get(`${CONTACTS}/:id`, request => routes.getContact(state, request));
  app.patch(`${CONTACTS}/:id`, request => routes.updateContact(state, request));
  app.delete(`${CONTACTS}/:id`, (request, reply) => routes.archiveContact(state, request, reply));
  app.post(`${CONTACTS}/batch/read`, (request, reply) => routes.readBatch(state, request, reply));
  app.post(`${CONTACTS}/search`, request => routes.searchContacts(state, request));
}

function mount(app: FastifyInstance, world: World): void {
  const desk = openTokenDesk(world);
  const gate = createGate(world);
  const state = openState(world);
  dress(app, world);
  app.post("/oauth/v3/token", (request, reply) => desk.grant(request, reply));
  app.register(async guarded => {
    guarded.addHook("preHandler", async (request, reply) => {
      desk.check(request);
      return gate(request, reply);
    });
    mountContacts(guarded, state);
  });
}

/** HubSpot's contacts behind OAuth 2.0. @see https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/guide */
const hubspot: Imitation = {
  name: "hubspot",
  rates: { presence: 0.9, duplicates: 0.05 },
  environment: origin => ({
    HUBSPOT_BASE_URL: `${origin}/hubspot`,
    HUBSPOT_CLIENT_ID: CLIENT.id,
    HUBSPOT_CLIENT_SECRET: CLIENT.secret,
    HUBSPOT_WEBHOOK_SECRET: WEBHOOK_SECRET,
  }),
  webhooks,
  mount,
  records: (population, person) => contactIdsOf(population, person).map(key => ({ collection: "contacts", key })),
};

export default hubspot;
