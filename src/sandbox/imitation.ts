import type { FastifyInstance } from "fastify";
import type { WebhookDialect } from "./deliveries.ts";
import type { Dice, Population } from "./population.ts";
import type { Rates } from "./traces.ts";

/** What an imitation is given of the world it lives in. */
export interface World {
  readonly population: Population;
  /** The present instant, epoch milliseconds. Tokens, quotas and written records go by it. */
  readonly clock: () => number;
  /** False lifts every rate limit. */
  readonly quotas: boolean;
  readonly seed: number;
  /** Registers what must be forgotten on `POST /__control/reset`: overlays, tokens, quotas. */
  readonly onReset: (callback: () => void) => void;
  /** Tells whoever subscribed to the source's webhooks that something happened, as the provider words it. */
  readonly notify: (source: string, event: object) => void;
  /** Registers how one random, likely change is made to a source's records, for `POST /__control/changes`. */
  readonly onChange: (source: string, change: (dice: Dice) => void) => void;
}

/** One record that a source keeps about a person. */
interface RecordOfPerson {
  readonly collection: string;
  /** The record's key as the source itself writes it. */
  readonly key: string;
}

/**
 * A faithful local stand-in for one provider's HTTP interface.
 *
 * It checks credentials and quotas in `preHandler` hooks or in handlers, never earlier, because injected faults come
 * first; it knows nothing of faults. Request bodies arrive parsed: JSON as a value, form bodies as `URLSearchParams`.
 * It answers with strings or JSON values, not streams but by `replyWithFeed`, and sets its own handler for paths it does not have.
 */
export interface Imitation {
  /** The source's name, and the URL prefix `/<name>/`. */
  readonly name: string;
  /** What share of the people it knows, and how many of them twice; seven in ten, once, unless stated. */
  readonly rates?: Rates;
  /** How it calls others when something changes; it does not unless stated. */
  readonly webhooks?: WebhookDialect;
  /** Paths at which it tells live what changes, with their transports, for people; none unless stated. */
  readonly streams?: readonly string[];
  /** Base URL and credentials as the environment variables a client reads. `origin` is e.g. `http://127.0.0.1:4100`. */
  environment(origin: string): Readonly<Record<string, string>>;
  /** Mounts the routes on an instance that already carries the prefix. State is fresh for each call. */
  mount(app: FastifyInstance, world: World): void | Promise<void>;
  /** The person's own records here (not their invoices or tickets), for the truth listing; empty when absent. */
  records(population: Population, person: number): readonly RecordOfPerson[];
}
