import type { FastifyInstance } from "fastify";
import { RequestError } from "../core/errors.ts";
import { admit, type Door } from "./admit.ts";

const states = ["waiting", "done", "dead", "discarded"] as const;
type State = (typeof states)[number];

/** The inbox, as far as it is looked after from outside. An event's `body` is its own text. */
interface InboxKeeper {
  readonly list: (query: {
    state?: State;
    source?: string;
    before?: string;
    limit: number;
  }) => Promise<readonly { readonly body: string }[]>;
  /** Throws `REQUEST_INVALID` when there is none. */
  readonly show: (id: string) => Promise<object>;
  /** Both return how many events that were. */
  readonly retry: (ids: readonly string[] | "all") => Promise<number>;
  readonly discard: (ids: readonly string[] | "all") => Promise<number>;
  /** Throws `SOURCE_UNKNOWN`. */
  readonly reconcile: (sources: readonly string[], isFull: boolean) => Promise<readonly object[]>;
  readonly completeness: (days: number) => Promise<readonly object[]>;
  readonly reconciliations: (limit: number) => Promise<readonly object[]>;
}

/** Who looks after the inbox, and what they may do. */
export interface InboxRouteOptions {
  readonly intake: InboxKeeper;
  readonly door: Door;
}

const MAX_LIST = 1_000;
const MAX_DAYS = 400;
const MAX_RUNS = 20;
interface ListQuery {
  readonly state?: string;
  readonly source?: string;
  readonly before?: string;
  readonly limit?: string;
}

/** `GET /intake/events`, `GET /intake/events/<id>`, and `POST /intake/retry` and `/intake/discard` with `{"ids": [...]}` or `{"ids": "all"}`. */
export function mountInbox(app: FastifyInstance, { intake, door }: InboxRouteOptions): void {
  app.get<{ Querystring: ListQuery }>("/intake/events", async (request, reply) => {
    admit(door, request, reply);
    const { state, source, before, limit = "50" } = request.query;
    if (state !== undefined && !states.includes(state as State))
      throw new RequestError("REQUEST_INVALID", `state is one of ${states.join(", ")}`);
    const count = countOf("limit", limit, MAX_LIST);
    const wanted = {
      ...(state && { state: state as State }),
      ...(source && { source }),
      ...(before && { before: idOf(before) }),
    };
    const events = await intake.list({ ...wanted, limit: count });
    return { events: events.map(withoutBody) };
  });
  app.get<{ Params: { id: string } }>("/intake/events/:id", async (request, reply) => {
    admit(door, request, reply);
    return intake.show(request.params.id);
  });
  app.get<{ Querystring: { readonly days?: string } }>("/intake/completeness", async (request, reply) => {
    admit(door, request, reply);
    const days = countOf("days", request.query.days ?? "7", MAX_DAYS);
    return { days: await intake.completeness(days), reconciliations: await intake.reconciliations(MAX_RUNS) };
  });
  app.post<{ Body: { readonly sources?: unknown; readonly full?: unknown } | null }>(
    "/intake/reconcile",
    async (request, reply) => {
      admit(door, request, reply);
      const { sources = [], full = false } = request.body ?? {};
      if (!Array.isArray(sources) || sources.some(name => typeof name !== "string") || typeof full !== "boolean")
        throw new RequestError("REQUEST_INVALID", "sources is a list of names, and full is true or false");
      return { reconciliations: await intake.reconcile(sources as string[], full) };
    },
  );
  for (const action of ["retry", "discard"] as const) {
    app.post<{ Body: { readonly ids?: unknown } | null }>(`/intake/${action}`, async (request, reply) => {
      admit(door, request, reply);
      return { events: await intake[action](idsIn(request.body?.ids)) };
    });
  }
}

/** What an event says is personal, and long: it is shown one at a time. */
const withoutBody = ({ body: _body, ...event }: { readonly body: string }): object => event;

function countOf(name: string, text: string, most: number): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= most) return count;
  throw new RequestError("REQUEST_INVALID", `${name} is a whole number from 1 to ${most}`);
}

function idOf(text: unknown): string {
  if (typeof text === "string" && /^\d{1,18}$/.test(text)) return text;
  throw new RequestError("REQUEST_INVALID", "an event's id is its number, as text");
}

function idsIn(ids: unknown): readonly string[] | "all" {
  if (ids === "all") return ids;
  if (Array.isArray(ids) && ids.length > 0) return ids.map(idOf);
  throw new RequestError("REQUEST_INVALID", 'ids are a list of events\' ids, or "all"');
}
