import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Imitation, World } from "../../src/sandbox/imitation.ts";
import { ChangeFeed } from "../../src/sandbox/change-feed.ts";
import { fixedWindow } from "../../src/sandbox/quota.ts";
import { replyWithFeed } from "../../src/sandbox/streams.ts";
import { type EventBook, openEvents } from "./sandbox-events.ts";
import { profileAt, profileKeys } from "./sandbox-profiles.ts";
import { Refused } from "./sandbox-refused.ts";
import { checkSignature, type Credentials } from "./sandbox-signature.ts";

/** The only credentials that this imitation accepts; worthless anywhere else. */
const credentials: Credentials = {
  accessKeyId: "ASIASANDBOXONLY00001",
  secretAccessKey: "sandbox/only/clickstream+secret",
  sessionToken: "sandbox-session-token/clickstream==",
  region: "eu-central-1",
  service: "execute-api",
};
const QUOTA = { limit: 300, windowMs: 10_000 };
const DAY_MS = 86_400_000;
const MAX_A_DAY = 250_000;
const MAX_LIMIT = 1000;
const MAX_IDS = 100;
const DEFAULT_LIMIT = 100;

type Asked = Readonly<Record<string, string | undefined>>;

const invalid = (message: string): Refused => new Refused(400, "ValidationException", message);

/** Refuses a parameter that is not there, and reads the page size. */
function limitOf(asked: Asked, known: readonly string[]): number {
  const unknown = Object.keys(asked).find(name => name !== "limit" && name !== "cursor" && !known.includes(name));
  if (unknown !== undefined) throw invalid(`there is no parameter ${unknown}`);
  const limit = Number(asked["limit"] ?? DEFAULT_LIMIT);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) throw invalid(`limit must be from 1 to ${MAX_LIMIT}`);
  return limit;
}

/** A cursor is the last key of the page before; 0 at the start. */
function cursorIn({ cursor }: Asked): bigint {
  if (cursor === undefined) return 0n;
  const text = Buffer.from(cursor, "base64url").toString("utf8");
  if (!/^\d{1,19}$/.test(text)) throw invalid("cursor was not given out by this interface");
  return BigInt(text);
}

/** An instant, or a day (UTC); undefined when it is not given. */
function instantIn(asked: Asked, name: string): number | undefined {
  const text = asked[name];
  const atMs = text === undefined ? undefined : Date.parse(text);
  if (Number.isNaN(atMs)) throw invalid(`${name} must be a day or an instant, RFC 3339`);
  return atMs;
}

/** From `from` on; an instant given as `to` is not included, a day is, to its end. */
function rangeIn(asked: Asked): { fromMs: number; toMs: number } {
  const [fromMs = 0, toMs = Number.MAX_SAFE_INTEGER] = ["from", "to"].map(name => instantIn(asked, name));
  return { fromMs, toMs: asked["to"]?.length === 10 ? toMs + DAY_MS : toMs };
}

/** One page: there is a link to the next one where more than the page's own records were found. Every page links to the first. */
function page<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  found: readonly T[],
  shown: { limit: number; keyOf: (item: T) => bigint },
) {
  const url = new URL(request.raw.url ?? "", `http://${request.headers.host ?? "localhost"}`);
  const items = found.slice(0, shown.limit);
  url.searchParams.delete("cursor");
  const links = [`<${url.href}>; rel="first"`];
  const last = items.at(-1);
  if (found.length > items.length && last !== undefined) {
    url.searchParams.set("cursor", Buffer.from(String(shown.keyOf(last))).toString("base64url"));
    links.push(`<${url.href}>; rel="next"`);
  }
  void reply.header("Link", links.join(", "));
  return items;
}

function createGate({ clock, quotas, onReset }: World) {
  const quota = fixedWindow(QUOTA);
  let [day, used] = [0, 0];
  onReset(() => {
    quota.reset();
    used = 0;
  });
  const takeOfDay = (nowMs: number): boolean => {
    const today = Math.floor(nowMs / DAY_MS);
    if (today !== day) [day, used] = [today, 0];
    return ++used <= MAX_A_DAY;
  };
  return (reply: FastifyReply): void => {
    if (!quotas) return;
    const nowMs = clock();
    const { granted, remaining, resetMs } = quota.take(nowMs);
    const seconds = Math.ceil(resetMs / 1000);
    void reply.headers({ "X-RateLimit-Limit": QUOTA.limit, "X-RateLimit-Remaining": remaining, "X-RateLimit-Reset": resetMs });
    if (granted && takeOfDay(nowMs)) return;
    void reply.header("Retry-After", String(granted ? Math.ceil((DAY_MS - (nowMs % DAY_MS)) / 1000) : seconds));
    throw granted
      ? new Refused(429, "LimitExceededException", "Limit Exceeded")
      : new Refused(429, "TooManyRequestsException", "Too Many Requests");
  };
}

function serveProfiles(app: FastifyInstance, { population }: World, book: EventBook): void {
  const traces = population.traces("clickstream");
  const keys = profileKeys(population);
  const positionIn = ({ params }: FastifyRequest): number => {
    const position = keys.positionOf((params as { readonly id: string }).id);
    if (position < 0) throw new Refused(404, "ResourceNotFoundException", "there is no such profile");
    return position;
  };
  app.get("/v1/profiles", (request, reply) => {
    const asked = request.query as Asked;
    const limit = limitOf(asked, ["anonymous_ids"]);
    const named = asked["anonymous_ids"]?.split(",");
    if (named !== undefined) {
      if (named.length > MAX_IDS) throw invalid(`anonymous_ids names ${MAX_IDS} profiles at most`);
      const positions = [...new Set(named.map(key => keys.positionOf(key)))].filter(position => position >= 0);
      return { data: positions.map(position => profileAt(population, position)) };
    }
    const from = Number(cursorIn(asked));
    const length = Math.max(0, Math.min(limit + 1, traces.length - from));
    const found = Array.from({ length }, (_empty, at) => from + at);
    const positions = page(request, reply, found, { limit, keyOf: position => BigInt(position + 1) });
    return { data: positions.map(position => profileAt(population, position)) };
  });
  app.get("/v1/profiles/:id", request => ({ data: profileAt(population, positionIn(request)) }));
  app.get("/v1/profiles/:id/events", (request, reply) => {
    const asked = request.query as Asked;
    const limit = limitOf(asked, []);
    const before = cursorIn(asked);
    const newestFirst = book.of(positionIn(request)).toReversed();
    const found = before === 0n ? newestFirst : newestFirst.filter(id => id < before);
    const ids = page(request, reply, found.slice(0, limit + 1), { limit, keyOf: id => id });
    return reply.type("application/json; charset=utf-8").send(JSON.stringify({ data: ids.map(id => book.at(id)) }));
  });
}

function serveEvents(app: FastifyInstance, book: EventBook): void {
  app.get("/v1/events", (request, reply) => {
    const asked = request.query as Asked;
    const limit = limitOf(asked, ["from", "to"]);
    const found = book.between({ ...rangeIn(asked), after: cursorIn(asked) }, limit + 1);
    const ids = page(request, reply, found, { limit, keyOf: id => id });
    return reply.type("application/json; charset=utf-8").send(JSON.stringify({ data: ids.map(id => book.at(id)) }));
  });
}

/** What happens from now on, as it happens. */
function serveLiveEvents(app: FastifyInstance, { population, clock, onChange, onReset }: World, book: EventBook): void {
  const feed = new ChangeFeed(clock);
  const { length } = population.traces("clickstream");
  onChange("clickstream", dice => {
    const id = book.record(dice.below(length), clock());
    feed.append(number => JSON.stringify({ type: "event.recorded", sequence: number, event: book.at(id) }));
  });
  onReset(() => {
    book.reset();
    feed.reset();
  });
  app.get("/v1/events/stream", (request, reply) => {
    const { after } = request.query as Asked;
    const last = request.headers["last-event-id"];
    return replyWithFeed(reply, feed, after ?? (typeof last === "string" ? last : undefined));
  });
}

function mount(app: FastifyInstance, world: World): void {
  // Midnight does not move the thirty days while the sandbox runs.
  const book = openEvents(world.population, world.clock());
  const gate = createGate(world);
  app.setErrorHandler((error, _request, reply) => {
    if (!(error instanceof Refused)) throw error;
    return reply.code(error.status).header("x-amzn-ErrorType", error.type).send({ __type: error.type, message: error.message });
  });
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ __type: "ResourceNotFoundException", message: "there is nothing here" }),
  );
  app.addHook("preHandler", async (request, reply) => {
    const { method, headers, raw } = request;
    checkSignature({ method, target: raw.url ?? "", headers, body: "" }, credentials, world.clock());
    gate(reply);
  });
  serveProfiles(app, world, book);
  serveEvents(app, book);
  serveLiveEvents(app, world, book);
}

/** Imitates a heavy event interface behind signed requests: profiles of anonymous visitors, and what they did in the last thirty days. */
const clickstream: Imitation = {
  name: "clickstream",
  rates: { presence: 0.9, duplicates: 0.1 },
  environment: origin => ({
    CLICKSTREAM_BASE_URL: `${origin}/clickstream`,
    CLICKSTREAM_ACCESS_KEY_ID: credentials.accessKeyId,
    CLICKSTREAM_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    CLICKSTREAM_SESSION_TOKEN: credentials.sessionToken,
  }),
  streams: ["/v1/events/stream (server-sent events, JSON lines)"],
  mount,
  records: (population, person) => {
    const copies = population.traces("clickstream").copiesOf(person);
    const keys = profileKeys(population);
    return Array.from({ length: copies }, (_empty, copy) => ({ collection: "profiles", key: keys.of(person, copy) }));
  },
};
export default clickstream;
