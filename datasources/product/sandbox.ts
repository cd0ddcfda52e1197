import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { FastifyInstance, FastifyReply } from "fastify";
import { ChangeFeed } from "../../src/sandbox/change-feed.ts";
import type { Imitation, World } from "../../src/sandbox/imitation.ts";
import { serveSockets } from "../../src/sandbox/streams.ts";
import { changeAccount, listAccounts } from "./sandbox-accounts.ts";
import { createOperations } from "./sandbox-operations.ts";
import type { OperationRequest } from "./sandbox-operations.ts";
import { openUsageHistory } from "./sandbox-usage.ts";

const API_TOKEN = "prd_sandbox_3b8e5f0d7c6a4219ae51";

const isAuthorized = ({ headers }: { readonly headers: IncomingHttpHeaders }) =>
  headers.authorization?.replace(/^bearer +/i, "") === API_TOKEN;

const refuse = (reply: FastifyReply, { status, message, code }: { status: number; message: string; code: string }) =>
  reply.code(status).send({ errors: [{ message, extensions: { code } }] });

/** What a body asks for, or null when it is no GraphQL request. */
function readRequest(body: unknown): OperationRequest | null {
  const { query, variables, operationName } = (typeof body === "object" ? (body ?? {}) : {}) as Readonly<Record<string, unknown>>;
  const given = variables ?? {};
  if (typeof query !== "string" || typeof given !== "object") return null;
  return {
    query,
    variables: given as Readonly<Record<string, unknown>>,
    operationName: typeof operationName === "string" ? operationName : null,
  };
}

function mount(app: FastifyInstance, world: World): void {
  // Midnight does not move the ninety days while the sandbox runs.
  const todayMs = world.clock();
  const accounts = listAccounts(world.population, todayMs);
  const operations = createOperations({ accounts, history: openUsageHistory(world.population, todayMs) }, world);
  const feed = new ChangeFeed(world.clock);
  world.onChange("product", dice => {
    const accountId = changeAccount(accounts, dice);
    feed.append(number => JSON.stringify({ type: "account.updated", sequence: number, accountId, at: world.clock() }));
  });
  serveSockets(app, { path: "/changes", feed, isAuthorized });
  world.onReset(() => {
    feed.reset();
    accounts.reset();
    operations.reset();
  });
  app.addHook("preHandler", async (request, reply) => {
    reply.header("X-Request-Id", randomUUID());
    if (isAuthorized(request)) return undefined;
    return refuse(reply, { status: 401, message: "Invalid API token", code: "UNAUTHENTICATED" });
  });
  app.post("/graphql", (request, reply) => {
    const asked = readRequest(request.body);
    if (asked === null) return refuse(reply, { status: 400, message: "The body must be JSON with a query", code: "BAD_REQUEST" });
    return reply.type("application/json; charset=utf-8").send(JSON.stringify(operations.run(asked)));
  });
}

/** Imitates the product's own GraphQL service: accounts and their daily usage, throttled by the cost of a query. */
const product: Imitation = {
  name: "product",
  rates: { presence: 0.8, duplicates: 0 },
  environment: origin => ({ PRODUCT_BASE_URL: `${origin}/product`, PRODUCT_API_TOKEN: API_TOKEN }),
  streams: ["/changes (WebSocket)"],
  mount,
  records: (population, person) =>
    population.isPresent("product", person)
      ? [{ collection: "accounts", key: population.keys.uuid("product.accounts").of(person) }]
      : [],
};
export default product;
