import { createHash } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Imitation, World } from "../../src/sandbox/imitation.ts";
import { dayNumber, dayText, isDay } from "./sandbox-calendar.ts";
import { openRates, type RateBook, type Snapshot } from "./sandbox-rates.ts";

/** One rate on the wire. */
interface RateRow {
  readonly date: string;
  readonly base: string;
  readonly quote: string;
  readonly rate: number;
}

/** What a request asks for, as it came. */
type Asked = Readonly<Record<string, string | undefined>>;

/** Thrown where the feed refuses a parameter: 422. */
class InvalidParameter extends Error {
  override readonly name = "InvalidParameter";
}

const MAX_AGE_S = 900;
const DIGITS = 5;
const known = new Set(["base", "quotes", "date", "from", "to"]);
/** A code that is none is refused; one that has no rates is left out. */
const codes = new Set(Intl.supportedValuesOf("currency"));

function validate(asked: Asked): void {
  const unknown = Object.keys(asked).filter(name => !known.has(name));
  if (unknown.length > 0) throw new InvalidParameter(`unknown parameter: ${unknown.join(", ")}`);
  if ([asked["date"], asked["from"], asked["to"]].some(day => day !== undefined && !isDay(day)))
    throw new InvalidParameter("invalid date");
  if (asked["date"] !== undefined && (asked["from"] ?? asked["to"]) !== undefined)
    throw new InvalidParameter("conflicting params");
  const invalid = [baseOf(asked), ...(quotesOf(asked) ?? [])].filter(code => !codes.has(code));
  if (invalid.length > 0) throw new InvalidParameter(`invalid currency: ${invalid.join(",")}`);
}

const baseOf = (asked: Asked): string => asked["base"]?.toUpperCase() ?? "EUR";
const quotesOf = (asked: Asked): readonly string[] | undefined => asked["quotes"]?.toUpperCase().split(",");

/** The days that a request is about. A range that begins on a day without rates begins with the rates before it. */
function snapshotsOf(asked: Asked, book: RateBook, nowMs: number): readonly Snapshot[] {
  const { date, from, to } = asked;
  if (from === undefined) {
    const latest = book.latest(date === undefined ? Math.floor(nowMs / 86_400_000) : dayNumber(date), nowMs);
    return latest === undefined ? [] : [latest];
  }
  const first = dayNumber(from);
  const range = book.between(first, to === undefined ? Number.POSITIVE_INFINITY : dayNumber(to), nowMs);
  const before = range[0]?.day === first ? undefined : book.latest(first - 1, nowMs);
  return before === undefined ? range : [before, ...range];
}

function rowsOf({ day, of }: Snapshot, base: string, quotes: readonly string[]): RateRow[] {
  const date = dayText(day);
  const perEuro = of(base);
  if (perEuro === undefined) return [];
  return quotes.flatMap(quote => {
    const rate = of(quote);
    return rate === undefined ? [] : [{ date, base, quote, rate: Number((rate / perEuro).toPrecision(DIGITS)) }];
  });
}

/** What `If-None-Match` names; weak marks make no difference here. @see https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2 */
const isNamed = (header: string | undefined, etag: string): boolean =>
  (header ?? "").split(",").some(name => ["*", etag].includes(name.trim().replace(/^W\//, "")));

/** Answers by the day of the newest rates: as long as none are added, what was answered still holds. */
function answer(request: FastifyRequest, reply: FastifyReply, newest: number | undefined, body: unknown): FastifyReply {
  const etag = `"${createHash("md5").update(String(newest)).digest("hex")}"`;
  void reply.headers({ "Cache-Control": `public, max-age=${MAX_AGE_S}`, ETag: etag });
  if (isNamed(request.headers["if-none-match"], etag)) return reply.code(304).send();
  return reply.type("application/json; charset=utf-8").send(JSON.stringify(body));
}

function serveRates(app: FastifyInstance, { clock }: World, book: RateBook): void {
  app.get("/v2/rates", (request, reply) => {
    const asked = request.query as Asked;
    validate(asked);
    const snapshots = snapshotsOf(asked, book, clock());
    const quotes = (quotesOf(asked) ?? book.currencies).toSorted();
    const rows = snapshots.flatMap(snapshot => rowsOf(snapshot, baseOf(asked), quotes));
    return answer(request, reply, snapshots.at(-1)?.day, rows);
  });
  app.get("/v2/rate/:base/:quote", (request, reply) => {
    const { base, quote } = request.params as { readonly base: string; readonly quote: string };
    const asked: Asked = { ...(request.query as Asked), base, quotes: quote };
    validate(asked);
    const [snapshot] = snapshotsOf(asked, book, clock());
    const [row] = snapshot === undefined ? [] : rowsOf(snapshot, baseOf(asked), quotesOf(asked) ?? []);
    return row === undefined ? reply.callNotFound() : answer(request, reply, snapshot?.day, row);
  });
}

function mount(app: FastifyInstance, world: World): void {
  const book = openRates(world.seed);
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ status: 404, message: "not found" }));
  app.setErrorHandler((error, _request, reply) => {
    if (!(error instanceof InvalidParameter)) throw error;
    return reply.code(422).send({ status: 422, message: error.message });
  });
  serveRates(app, world, book);
  app.get("/v2/currencies", (request, reply) => {
    const latest = book.latest(Math.floor(world.clock() / 86_400_000), world.clock());
    const range = { start_date: dayText(book.firstDay), end_date: dayText(latest?.day ?? book.firstDay) };
    const currencies = book.currencies.map(code => ({ iso_code: code, ...range }));
    return answer(request, reply, latest?.day, currencies);
  });
}

/** Imitates an open feed of daily exchange rates: by day, by range, by pair, with validators and no credentials. @see https://frankfurter.dev/ */
const fx: Imitation = {
  name: "fx",
  environment: origin => ({ FX_BASE_URL: `${origin}/fx` }),
  mount,
  records: () => [],
};
export default fx;
