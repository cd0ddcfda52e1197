import { exactNumber } from "../../src/sandbox/exact-json.ts";
import type { Population } from "../../src/sandbox/population.ts";
import { profileKeys } from "./sandbox-profiles.ts";

/** One event on the wire; large numbers are JSON numbers with their digits kept. */
export interface ClickEvent {
  readonly event_id: object;
  readonly anonymous_id: string;
  readonly session_id: string;
  readonly name: string;
  readonly occurred_at: string;
  readonly client_time_unix_nano: object | null;
  readonly page_url: string | null;
  readonly revenue: object | null;
  readonly currency: string | null;
}

/** The events of a world, in the order of their ids, which is that of their time. None is kept: each is made when it is asked for. */
export interface EventBook {
  /** The first ids that are greater than `after` and lie in a range of instants, its end not included. */
  between(range: { readonly fromMs: number; readonly toMs: number; readonly after: bigint }, count: number): readonly bigint[];
  /** All of one profile's ids, oldest first. */
  of(position: number): readonly bigint[];
  at(id: bigint): ClickEvent;
  /** Something happens now, on a profile: its id. */
  record(position: number, nowMs: number): bigint;
  /** Forgets what was recorded. */
  reset(): void;
}

const DAY_MS = 86_400_000;
const DAYS_KEPT = 30;
const MAX_A_DAY = 3;
/** An id is the ms since then, 23 bits of the profile's place and a final one: never what a double can hold. */
const EPOCH_MS = Date.UTC(2020, 0, 1);
const PLACE_BITS = 24n;
const pages = ["/", "/pricing", "/docs", "/docs/start", "/app", "/app/reports", "/account/billing"] as const;
const names = ["page_view", "page_view", "page_view", "button_click", "search", "form_submit"] as const;
/** Currencies whose amounts have no minor unit. */
const wholeOnly = new Set(["JPY", "KRW", "CLP", "VND", "ISK", "HUF"]);

const idOf = (position: number, atMs: number): bigint => (BigInt(atMs - EPOCH_MS) << PLACE_BITS) | (BigInt(position) << 1n) | 1n;
const placeOf = (id: bigint) => ({
  position: Number((id & ((1n << PLACE_BITS) - 1n)) >> 1n),
  atMs: Number(id >> PLACE_BITS) + EPOCH_MS,
});

/** What a purchase brought; nothing for any other event. */
function revenueOf(population: Population, person: number, dice: ReturnType<Population["dice"]>) {
  const { currency } = population.person(person);
  if (!dice.chance(0.06)) return { revenue: null, currency: null };
  const whole = String(1 + dice.below(900));
  return { revenue: exactNumber(wholeOnly.has(currency) ? whole : `${whole}.${dice.digits(2)}`), currency };
}

function eventAt(population: Population, id: bigint): ClickEvent {
  const { position, atMs } = placeOf(id);
  const { person, copy } = population.traces("clickstream").at(position);
  const dice = population.dice("clickstream.event", position, Number(BigInt.asUintN(31, BigInt(atMs))));
  const money = revenueOf(population, person, dice);
  const day = Math.floor(atMs / DAY_MS);
  const isLocated = !dice.chance(0.03);
  return {
    event_id: exactNumber(String(id)),
    anonymous_id: profileKeys(population).of(person, copy),
    session_id: `ses_${position.toString(36)}${day.toString(36)}`,
    name: money.revenue === null ? dice.pick(names) : "purchase",
    occurred_at: new Date(atMs).toISOString(),
    client_time_unix_nano: dice.chance(0.02) ? null : exactNumber(`${atMs + dice.below(4000) - 2000}${dice.digits(5)}1`),
    page_url: isLocated ? `https://www.example.com${dice.pick(pages)}` : null,
    ...money,
  };
}

/** Opens the events of the thirty days before the day of `todayMs`, which has none but those that are recorded. */
export function openEvents(population: Population, todayMs: number): EventBook {
  const traces = population.traces("clickstream");
  const lastDay = Math.floor(todayMs / DAY_MS) - 1;
  const firstDay = lastDay - DAYS_KEPT + 1;
  const onDay = (position: number, day: number): bigint[] => {
    if (day * DAY_MS < traces.createdAt(position)) return [];
    const dice = population.dice("clickstream.day", position, day);
    const count = position === 0 ? 1 : dice.below(MAX_A_DAY);
    return Array.from({ length: count }, (_empty, slot) =>
      idOf(position, day * DAY_MS + Math.floor((DAY_MS / count) * (slot + dice.fraction()))),
    );
  };
  let recorded: bigint[] = [];
  let latest: { readonly day: number; readonly ids: readonly bigint[] } | undefined;
  /** A listing reads one day after another: the one at hand is enough. */
  const idsOn = (day: number): readonly bigint[] => {
    if (latest?.day !== day) {
      const ids = Array.from({ length: traces.length }, (_empty, position) => onDay(position, day)).flat();
      latest = { day, ids: ids.sort((a, b) => (a < b ? -1 : 1)) };
    }
    return latest.ids;
  };
  return {
    between({ fromMs, toMs, after }, count) {
      const startMs = Math.max(fromMs, after === 0n ? fromMs : placeOf(after).atMs);
      const found: bigint[] = [];
      const end = Math.min(lastDay, Math.ceil(toMs / DAY_MS) - 1);
      for (let day = Math.max(firstDay, Math.floor(startMs / DAY_MS)); day <= end && found.length < count; day++) {
        const wanted = idsOn(day).filter(id => id > after && placeOf(id).atMs >= fromMs && placeOf(id).atMs < toMs);
        for (const id of wanted.slice(0, count - found.length)) found.push(id);
      }
      const since = recorded.filter(id => id > after && placeOf(id).atMs >= fromMs && placeOf(id).atMs < toMs);
      return [...found, ...since.slice(0, count - found.length)];
    },
    of: position => [
      ...Array.from({ length: DAYS_KEPT }, (_empty, at) => onDay(position, firstDay + at)).flat(),
      ...recorded.filter(id => placeOf(id).position === position),
    ],
    at: id => eventAt(population, id),
    record: (position, nowMs) => {
      // Each one later than the last: no two have the same id.
      const last = recorded.at(-1);
      const id = idOf(position, Math.max(nowMs, last === undefined ? 0 : placeOf(last).atMs + 1));
      recorded.push(id);
      return id;
    },
    reset: () => {
      recorded = [];
    },
  };
}
