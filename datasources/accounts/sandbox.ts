import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Imitation, World } from "../../src/sandbox/imitation.ts";
import type { Lifecycle, Population } from "../../src/sandbox/population.ts";
import { fixedWindow } from "../../src/sandbox/quota.ts";

/** The only key that this imitation accepts; worthless anywhere else. */
const KEY = "acc_sandbox_only_9917";
const QUOTA = { limit: 300, windowMs: 60_000 };
const MAX_LIMIT = 100;
const DEFAULT_LIMIT = 20;

const words: Readonly<Record<Lifecycle, readonly [string, ...string[]]>> = {
  lead: ["prospect"],
  trial: ["trial"],
  active: ["active", "ACTIVE", "Active"],
  past_due: ["overdue"],
  churned: ["closed", "CLOSED"],
};

/** Answered with a status and a problem of its own. */
class Refused extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** The records of a population by position, oldest first; a record's id is the person's account number. */
function openBook(population: Population) {
  const traces = population.traces("accounts");
  const at = (position: number) => {
    const { person } = traces.at(position);
    const rendering = population.rendering(person, "accounts");
    const { fullName: name, email, phone, company, country } = rendering;
    const { accountNumber, lifecycle } = population.person(person);
    return {
      id: Number(accountNumber),
      name,
      email,
      phone,
      company,
      country,
      status: rendering.spelling(...words[lifecycle]),
      created_at: new Date(traces.createdAt(position)).toISOString(),
    };
  };
  const positions = new Map<string, number>();
  for (let position = 0; position < traces.length; position++)
    positions.set(population.person(traces.at(position).person).accountNumber, position);
  return {
    length: traces.length,
    at,
    personAt: (position: number) => traces.at(position).person,
    positionOf: (id: string) => positions.get(id),
  };
}

type Book = ReturnType<typeof openBook>;
type Asked = Readonly<Record<string, string | undefined>>;

const known = new Set(["status", "limit", "cursor", "offset"]);

function wholeNumber(name: string, text: string | undefined, fallback: number, most: number): number {
  if (text === undefined) return fallback;
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0 || number > most)
    throw new Refused(400, "invalid_parameter", `${name} must be a whole number from 0 to ${most}`);
  return number;
}

/** Cursors are opaque to callers: the position after the last record, with a mark. */
const cursorOf = (position: number): string => Buffer.from(`after:${position}`).toString("base64url");
function positionIn(cursor: string): number {
  const [, digits] = /^after:(\d+)$/.exec(Buffer.from(cursor, "base64url").toString("utf8")) ?? [];
  if (digits === undefined) throw new Refused(400, "invalid_cursor", "cursor was not given out by this interface");
  return Number(digits);
}

/** One page, by cursor or by offset; with a status only the records that have it, whatever its case. */
function page(book: Book, asked: Asked) {
  for (const name of Object.keys(asked))
    if (!known.has(name)) throw new Refused(400, "unknown_parameter", `there is no parameter ${name}`);
  if (asked["cursor"] !== undefined && asked["offset"] !== undefined)
    throw new Refused(400, "invalid_parameter", "give cursor or offset, not both");
  const limit = Math.max(1, wholeNumber("limit", asked["limit"], DEFAULT_LIMIT, MAX_LIMIT));
  const status = asked["status"]?.toLowerCase();
  const wanted: number[] = [];
  for (let position = 0; position < book.length; position++)
    if (status === undefined || book.at(position).status.toLowerCase() === status) wanted.push(position);
  const { cursor, offset } = asked;
  const start =
    cursor === undefined ? wholeNumber("offset", offset, 0, Number.MAX_SAFE_INTEGER) : firstFrom(wanted, positionIn(cursor));
  const shown = wanted.slice(start, start + limit);
  const isMore = start + limit < wanted.length;
  const last = shown.at(-1);
  return {
    data: shown.map(position => book.at(position)),
    next_cursor: isMore && last !== undefined ? cursorOf(last + 1) : null,
    total: wanted.length,
  };
}

function firstFrom(positions: readonly number[], least: number): number {
  const found = positions.findIndex(position => position >= least);
  return found === -1 ? positions.length : found;
}

function checkKey({ headers }: FastifyRequest): void {
  if (headers.authorization !== `Bearer ${KEY}`) throw new Refused(401, "unauthorized", "the API key is missing or wrong");
}

function createGate({ clock, quotas, onReset }: World) {
  const quota = fixedWindow(QUOTA);
  onReset(() => quota.reset());
  return (reply: FastifyReply): void => {
    if (!quotas) return;
    const { granted, remaining, resetMs } = quota.take(clock());
    const seconds = Math.ceil(resetMs / 1000);
    void reply.header("RateLimit-Policy", `"default";q=${QUOTA.limit};w=${QUOTA.windowMs / 1000}`);
    void reply.header("RateLimit", `"default";r=${remaining};t=${seconds}`);
    if (granted) return;
    void reply.header("Retry-After", String(seconds));
    throw new Refused(429, "rate_limited", "too many requests");
  };
}

function addressesOf(book: Book, population: Population, id: string) {
  const position = book.positionOf(id);
  if (position === undefined) throw new Refused(404, "not_found", `there is no customer ${id}`);
  const { country } = population.person(book.personAt(position));
  return { data: [{ kind: "billing", country }], next_cursor: null };
}

function mount(app: FastifyInstance, world: World): void {
  const book = openBook(world.population);
  const gate = createGate(world);
  app.setErrorHandler((error, _request, reply) => {
    if (!(error instanceof Refused)) throw error;
    return reply.code(error.status).send({ error: { code: error.code, message: error.message } });
  });
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ error: { code: "not_found", message: "there is nothing here" } }),
  );
  app.addHook("preHandler", async (request, reply) => {
    checkKey(request);
    gate(reply);
  });
  app.get("/v2/customers", request => page(book, request.query as Asked));
  app.get("/v2/customers/:id", request => {
    const { id } = request.params as { readonly id: string };
    const position = book.positionOf(id);
    if (position === undefined) throw new Refused(404, "not_found", `there is no customer ${id}`);
    return { data: book.at(position) };
  });
  app.get("/v2/customers/:id/addresses", request =>
    addressesOf(book, world.population, (request.params as { readonly id: string }).id),
  );
}

/** A company's own account service: customers by their account number, paged by cursor or by offset. */
const accounts: Imitation = {
  name: "accounts",
  rates: { presence: 0.85, duplicates: 0 },
  environment: origin => ({ ACCOUNTS_BASE_URL: `${origin}/accounts`, ACCOUNTS_API_KEY: KEY }),
  mount,
  records: (population, person) =>
    population.isPresent("accounts", person) ? [{ collection: "customers", key: population.person(person).accountNumber }] : [],
};
export default accounts;
