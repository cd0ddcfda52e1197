import { randomUUID } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Imitation, World } from "../../src/sandbox/imitation.ts";
import type { Population } from "../../src/sandbox/population.ts";
import { answerRefusal, invalidAttribute, Query, recordInvalid, recordNotFound } from "./sandbox-answers.ts";
import { exportPage, foundPage, pageOf } from "./sandbox-pages.ts";
import { createQuotas } from "./sandbox-quotas.ts";
import type { Quotas } from "./sandbox-quotas.ts";
import { createRecords, sliceOf } from "./sandbox-records.ts";
import type { Records } from "./sandbox-records.ts";
import { createUserSearch } from "./sandbox-search.ts";
import { listTickets } from "./sandbox-tickets.ts";
import type { Ticket, Tickets } from "./sandbox-tickets.ts";
import { listUsers } from "./sandbox-users.ts";
import type { User, Users } from "./sandbox-users.ts";
import { changeSomething, eventOf, WEBHOOK_SECRET, webhooks } from "./sandbox-webhooks.ts";

const EMAIL = "agent@sandbox.example";
const API_TOKEN = "zd_sandbox_6f1c0b7a94e24d5d8a35";
const AUTHORIZATION = `Basic ${Buffer.from(`${EMAIL}/token:${API_TOKEN}`).toString("base64")}`;
const MOST_IDS = 100;

const userFields = [
  "name",
  "email",
  "phone",
  "external_id",
  "active",
  "tags",
  "locale",
  "time_zone",
  "organization_id",
  "user_fields",
];
const ticketFields = ["subject", "status", "priority", "tags"];
const statuses = new Set(["new", "open", "pending", "hold", "solved", "closed"]);

type Handler = (request: FastifyRequest, query: Query, reply: FastifyReply) => unknown;
type Get = (path: string, handler: Handler) => void;

interface Desk {
  readonly population: Population;
  readonly users: Records<User>;
  readonly userList: Users;
  readonly tickets: Records<Ticket>;
  readonly ticketList: Tickets;
}

function openDesk(world: World): Desk {
  const { population, clock, notify, onChange } = world;
  const userList = listUsers(population);
  const ticketList = listTickets(population, userList);
  const keys = population.keys.uuid(`zendesk.events.${clock()}`);
  let told = 0;
  const tell =
    (kind: "user" | "ticket") =>
    ({ id }: { readonly id: number }) =>
      notify("zendesk", eventOf(kind, id, { nowMs: clock(), eventId: keys.of(told++) }));
  const users = createRecords(userList, clock, tell("user"));
  const tickets = createRecords(ticketList, clock, tell("ticket"));
  onChange("zendesk", dice => changeSomething({ users, tickets }, dice));
  world.onReset(() => {
    users.reset();
    tickets.reset();
  });
  return { population, users, userList, tickets, ticketList };
}

const isAuthorized = ({ headers }: FastifyRequest) => headers.authorization?.replace(/^basic +/i, "Basic ") === AUTHORIZATION;

/** Lets a request in, or answers 401 or 429. */
function guard(app: FastifyInstance, quotas: Quotas): void {
  app.addHook("preHandler", async (request, reply) => {
    reply.header("X-Request-Id", randomUUID());
    if (isAuthorized(request)) quotas.admit(reply);
    else await reply.code(401).send({ error: "Couldn't authenticate you" });
    return reply.sent ? reply : undefined;
  });
}

/** The index a path's id stands for; it may end in `.json`. */
function indexIn<R>(records: Records<R>, request: FastifyRequest): number {
  const id = (request.params as { readonly id: string }).id.replace(/\.json$/, "");
  if (!/^\d+$/.test(id)) throw invalidAttribute("id", "Invalid parameter: id must be an integer");
  const index = records.indexOf(id);
  if (index < 0) throw recordNotFound();
  return index;
}

/** What an `ids` parameter lists; the vendor answers in its own order and leaves out what it does not know. */
function idsOf(query: Query, name: string): readonly string[] {
  const ids = (query.text(name) ?? "").split(",").filter(id => id !== "");
  if (ids.length === 0) throw invalidAttribute(name, `Invalid parameter: ${name} must list at least one id`);
  if (ids.length > MOST_IDS) throw invalidAttribute(name, `Invalid parameter: ${name} must list at most ${MOST_IDS} ids`);
  return ids;
}

function many<R>(name: string, records: Records<R>, indices: readonly number[]) {
  const known = [...new Set(indices.filter(index => index >= 0))].sort((a, b) => a - b);
  return { [name]: known.map(index => records.at(index)), next_page: null, previous_page: null, count: known.length };
}

/** The user with an external id, wherever it was stated: by the seed or by a later change. */
function indexOfExternalId({ population, users, userList }: Desk, externalId: string): number {
  const isTheirs = (index: number) => index >= 0 && users.at(index).external_id === externalId;
  const person = population.keys.uuid("product.accounts").indexOf(externalId);
  const seeded = person === null || person >= population.size ? -1 : userList.indexOfPerson(person);
  return isTheirs(seeded) ? seeded : (users.changedIndices().find(isTheirs) ?? -1);
}

function showManyUsers(desk: Desk, query: Query) {
  const { users } = desk;
  if (query.text("ids") !== undefined || query.text("external_ids") === undefined)
    return many(
      "users",
      users,
      idsOf(query, "ids").map(id => users.indexOf(id)),
    );
  return many(
    "users",
    users,
    idsOf(query, "external_ids").map(id => indexOfExternalId(desk, id)),
  );
}

function serveUsers(get: Get, desk: Desk): void {
  const { users, tickets, ticketList } = desk;
  const search = createUserSearch(users);
  get("/users", (_request, query) => pageOf("users", users, query));
  get("/users/show_many", (_request, query) => showManyUsers(desk, query));
  get("/users/search", (_request, query) => {
    const external = query.text("external_id");
    const terms = external === undefined ? query.text("query") : `external_id:${external}`;
    if (terms === undefined) throw invalidAttribute("query", "Invalid parameter: query must be given");
    return foundPage("users", search.find(terms), query);
  });
  get("/users/:id/tickets/requested", (request, query) => {
    const { from, length } = ticketList.rangeOf(indexIn(users, request));
    return pageOf("tickets", sliceOf(tickets, from, length), query);
  });
  get("/users/:id", request => ({ user: users.at(indexIn(users, request)) }));
}

function serveTickets(get: Get, { tickets }: Desk, quotas: Quotas): void {
  get("/tickets", (_request, query, reply) => (quotas.admitTicketList(reply) ? pageOf("tickets", tickets, query) : reply));
  get("/tickets/show_many", (_request, query) => {
    return many(
      "tickets",
      tickets,
      idsOf(query, "ids").map(id => tickets.indexOf(id)),
    );
  });
  get("/tickets/:id", request => ({ ticket: tickets.at(indexIn(tickets, request)) }));
}

/** The fields of a change that may be changed, taken out of `{"<name>": {...}}`. */
function changesOf(request: FastifyRequest, name: string, fields: readonly string[]): Record<string, unknown> {
  const wrapped = (request.body ?? {}) as Readonly<Record<string, unknown>>;
  const given = wrapped[name];
  if (typeof given !== "object" || given === null) throw invalidAttribute(name, `Invalid body: ${name} must be an object`);
  return Object.fromEntries(Object.entries(given).filter(([field]) => fields.includes(field)));
}

function changeUser(request: FastifyRequest, users: Records<User>) {
  const index = indexIn(users, request);
  const changes: Partial<User> = changesOf(request, "user", userFields);
  if (changes.name !== undefined && (typeof changes.name !== "string" || changes.name === ""))
    throw recordInvalid("name", "Name: is too short (minimum is one character)");
  const user_fields = { ...users.at(index).user_fields, ...changes.user_fields };
  return { user: users.change(index, { ...changes, user_fields }) };
}

function changeTicket(request: FastifyRequest, { tickets, clock }: { tickets: Records<Ticket>; clock: () => number }) {
  const index = indexIn(tickets, request);
  const changes: Partial<Ticket> = changesOf(request, "ticket", ticketFields);
  if (changes.status !== undefined && !statuses.has(changes.status))
    throw recordInvalid("status", `Status: ${changes.status} is not a ticket status`);
  return { ticket: tickets.change(index, { ...changes, generated_timestamp: Math.floor(clock() / 1000) }) };
}

function serveExports(app: FastifyInstance, { desk, quotas, clock }: { desk: Desk; quotas: Quotas; clock: () => number }): void {
  const serve = <R>(name: string, records: Records<R>) => {
    const handler = (request: FastifyRequest, reply: FastifyReply) =>
      quotas.admitExport(reply) ? exportPage(name, records, new Query(request), clock()) : reply;
    for (const suffix of ["", ".json"]) app.get(`/api/v2/incremental/${name}/cursor${suffix}`, handler);
  };
  serve("users", desk.users);
  serve("tickets", desk.tickets);
}

function mount(app: FastifyInstance, world: World): void {
  const desk = openDesk(world);
  const quotas = createQuotas(world);
  const { clock } = world;
  guard(app, quotas);
  app.setErrorHandler(answerRefusal);
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: "InvalidEndpoint", description: "Not found" }));
  const get: Get = (path, handler) => {
    const suffixes = path.endsWith(":id") ? [""] : ["", ".json"];
    for (const suffix of suffixes)
      app.get(`/api/v2${path}${suffix}`, (request, reply) => handler(request, new Query(request), reply));
  };
  serveUsers(get, desk);
  serveTickets(get, desk, quotas);
  serveExports(app, { desk, quotas, clock });
  app.put("/api/v2/users/:id", request => changeUser(request, desk.users));
  app.put("/api/v2/tickets/:id", request => changeTicket(request, { tickets: desk.tickets, clock }));
}

/**
 * Imitates Zendesk Support: users and tickets by cursor, by number and by export, under the limits of one account.
 *
 * @see https://developer.zendesk.com/api-reference/
 */
const zendesk: Imitation = {
  name: "zendesk",
  rates: { presence: 0.6, duplicates: 0 },
  environment: origin => ({
    ZENDESK_BASE_URL: `${origin}/zendesk`,
    ZENDESK_EMAIL: EMAIL,
    ZENDESK_API_TOKEN: API_TOKEN,
    ZENDESK_WEBHOOK_SECRET: WEBHOOK_SECRET,
  }),
  webhooks,
  mount,
  records: (population, person) => {
    const position = population.traces("zendesk").positionOf(person);
    if (position < 0) return [];
    return [{ collection: "users", key: String(population.keys.ordered("zendesk.users").of(position)) }];
  },
};
export default zendesk;
