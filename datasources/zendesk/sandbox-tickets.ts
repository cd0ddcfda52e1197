import type { Dice, Population } from "../../src/sandbox/population.ts";
import { isoSeconds } from "./sandbox-records.ts";
import type { SeededListing } from "./sandbox-records.ts";
import { HISTORY_END_MS } from "./sandbox-users.ts";
import type { Users } from "./sandbox-users.ts";

/** A ticket on the wire. @see https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/ */
export interface Ticket {
  readonly id: number;
  readonly url: string;
  readonly subject: string | null;
  readonly description: string;
  /** `new`, `open`, `pending`, `hold`, `solved` or `closed`; older imports wrote it in upper case. */
  readonly status: string;
  /** `low`, `normal`, `high`, `urgent` or null. */
  readonly priority: string | null;
  readonly requester_id: number;
  readonly created_at: string;
  readonly updated_at: string;
  readonly generated_timestamp: number;
  readonly tags: readonly string[];
}

/** The tickets of a population, ascending by id: user after user, and within one the oldest first. */
export interface Tickets extends SeededListing<Ticket> {
  /** Where the tickets of the user at an index begin, and how many they are. */
  rangeOf(user: number): { readonly from: number; readonly length: number };
}

const MOST_PER_USER = 12;
const ID_STRIDE = 16;
const firstPersonStatuses = ["closed", "solved", "open", "pending", "new"] as const;
const openStatuses = ["new", "open", "pending", "hold"] as const;
const priorities = ["low", "normal", "normal", "normal", "high", "urgent", null, null] as const;
const labels = ["billing", "bug", "how-to", "login", "api", "refund"] as const;
const OFFSET_HOURS = [2, -5, 9, 5.5] as const;
const subjects = [
  "Cannot log in after password reset",
  "Invoice shows the wrong VAT number",
  "API returns 500 on large uploads",
  "Remboursement demandé pour mars",
  "How do I export all usage data?",
  "Bitte Rechnungsadresse ändern",
  "Two-factor codes never arrive",
  "Feature request: dark mode 🌙",
  "Charged twice this month",
  "データのエクスポートについて",
  'Webhook "customer.updated" is late',
  "Dashboard is slow since Monday",
] as const;

const countOf = (population: Population, person: number): number =>
  person === 0 ? firstPersonStatuses.length : population.dice("zendesk.tickets.count", person).below(MOST_PER_USER + 1);

/** The times of ticket `n` of `count`: they part the user's history evenly, so ids and times grow together. */
function timesOf(population: Population, person: number, { n, count, sinceMs }: { n: number; count: number; sinceMs: number }) {
  const dice = population.dice("zendesk.tickets.times", person, n);
  const createdMs = sinceMs + Math.floor(((HISTORY_END_MS - sinceMs) * (n + dice.fraction())) / count / 1000) * 1000;
  const patienceMs = Math.min(HISTORY_END_MS - createdMs, 30 * 86_400_000);
  return { createdMs, changedMs: createdMs + Math.floor((patienceMs * dice.fraction()) / 1000) * 1000 };
}

function withOffset(ms: number, hours: number): string {
  const minutes = Math.abs(hours) * 60;
  const zone = `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
  return `${isoSeconds(ms + hours * 3_600_000).slice(0, 19)}${hours < 0 ? "-" : "+"}${zone}`;
}

function statusOf(population: Population, person: number, n: number): string {
  const first = person === 0 ? firstPersonStatuses[n] : undefined;
  if (first !== undefined) return first;
  const dice = population.dice("zendesk.tickets.status", person, n);
  const status = dice.chance(0.3) ? dice.pick(openStatuses) : dice.pick(["solved", "closed"]);
  return dice.chance(0.05) ? status.toUpperCase() : status;
}

/** A few priorities are not set; the first person's all are, so that everybody's first impression has nothing odd in it. */
function priorityOf(dice: Dice, person: number): string | null {
  const drawn = dice.pick(priorities);
  return person === 0 ? (drawn ?? "normal") : drawn;
}

/** Mostly in UTC; from a few imports with another offset, but never for the first person. */
function createdAtOf(dice: Dice, person: number, createdMs: number): string {
  const hours = dice.chance(0.08) ? dice.pick(OFFSET_HOURS) : undefined;
  return person === 0 || hours === undefined ? isoSeconds(createdMs) : withOffset(createdMs, hours);
}

interface TicketPlace {
  readonly id: number;
  readonly requester: number;
  readonly n: number;
  readonly createdMs: number;
  readonly changedMs: number;
}

function ticketOf(population: Population, person: number, { id, requester, n, createdMs, changedMs }: TicketPlace): Ticket {
  const dice = population.dice("zendesk.tickets", person, n);
  const subject = dice.pick(subjects);
  return {
    id,
    url: `https://example.zendesk.com/api/v2/tickets/${id}.json`,
    subject: person !== 0 && dice.chance(0.02) ? null : subject,
    description: `${subject}. Sent from account ${population.person(person).company}.`,
    status: statusOf(population, person, n),
    priority: priorityOf(dice, person),
    requester_id: requester,
    created_at: createdAtOf(dice, person, createdMs),
    updated_at: isoSeconds(changedMs),
    generated_timestamp: changedMs / 1000,
    tags: labels.filter(() => dice.chance(0.2)),
  };
}

function startsOf(population: Population, users: Users): Uint32Array {
  const starts = new Uint32Array(users.length + 1);
  for (let user = 0; user < users.length; user++)
    starts[user + 1] = (starts[user] ?? 0) + countOf(population, users.personAt(user));
  return starts;
}

/** The last user whose tickets begin at or before an index: the one who has it. */
function ownerOf(starts: Uint32Array, index: number): number {
  let low = 0;
  for (let high = starts.length - 1; low < high;) {
    const middle = (low + high + 1) >>> 1;
    if ((starts[middle] ?? 0) <= index) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Lists the tickets of a population's users. Memory: 4 bytes a user. */
export function listTickets(population: Population, users: Users): Tickets {
  const starts = startsOf(population, users);
  const ids = population.keys.ordered("zendesk.tickets");
  const startOf = (user: number) => starts[user] ?? 0;
  const rangeOf = (user: number) => ({ from: startOf(user), length: startOf(user + 1) - startOf(user) });
  const placeAt = (index: number) => {
    const user = ownerOf(starts, index);
    return { user, person: users.personAt(user), n: index - startOf(user), count: rangeOf(user).length };
  };
  const idOf = (user: number, n: number) => ids.of(user * ID_STRIDE + n);
  const idAt = (index: number) => {
    const { user, n } = placeAt(index);
    return idOf(user, n);
  };
  const indexOf = (id: string) => {
    const packed = ids.indexOf(id);
    if (packed === null) return -1;
    const user = Math.floor(packed / ID_STRIDE);
    return packed % ID_STRIDE < rangeOf(user).length ? startOf(user) + (packed % ID_STRIDE) : -1;
  };
  const at = (index: number) => {
    const { user, person, n, count } = placeAt(index);
    const times = timesOf(population, person, { n, count, sinceMs: users.createdAtMs(user) });
    return ticketOf(population, person, { id: idOf(user, n), requester: users.idAt(user), n, ...times });
  };
  const changedAtSeconds = (index: number) => {
    const { user, person, n, count } = placeAt(index);
    return timesOf(population, person, { n, count, sinceMs: users.createdAtMs(user) }).changedMs / 1000;
  };
  return { length: startOf(users.length), at, idAt, indexOf, changedAtSeconds, rangeOf };
}
