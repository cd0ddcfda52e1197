import { GraphQLError } from "graphql";
import type { Account, Accounts } from "./sandbox-accounts.ts";
import { DAYS_PER_POINT } from "./sandbox-schema.ts";
import { dayOf } from "./sandbox-usage.ts";
import type { DailyUsage, DayRange, UsageHistory } from "./sandbox-usage.ts";

/** An id whose account can never be read: its field is null and the answer carries an error beside the data. */
export const FAILING_ACCOUNT_ID = "00000000-0000-4000-8000-00000000dead";

/** What a running operation has cost so far. */
export interface Meter {
  points: number;
}

/** What the service holds. */
export interface Shelves {
  readonly accounts: Accounts;
  readonly history: UsageHistory;
}

interface PageArguments {
  readonly first: number;
  readonly after?: string | null;
}
interface RangeArguments {
  readonly from?: string | null;
  readonly to?: string | null;
}
interface Row<Node> {
  readonly cursor: string;
  readonly node: Node;
}

const MOST_ACCOUNTS = 250;
const MOST_USAGE = 1000;
const MOST_IDS = 100;
const UPDATE_POINTS = 10;

const badInput = (message: string) => new GraphQLError(message, { extensions: { code: "BAD_USER_INPUT" } });

function checkFirst(first: number, most: number): void {
  if (first < 1 || first > most) throw badInput(`first must be from 1 to ${most}, not ${first}`);
}

const encode = (parts: readonly (string | number)[]) => Buffer.from(parts.join(":")).toString("base64url");

/** The numbers of a cursor with this tag; null without a cursor. */
function decode(tag: string, cursor: string | null | undefined): readonly number[] | null {
  if (cursor === null || cursor === undefined) return null;
  const [found, ...numbers] = Buffer.from(cursor, "base64url").toString().split(":");
  if (found !== tag || !numbers.every(text => /^\d{1,12}$/.test(text)))
    throw badInput("after is not a cursor of this connection");
  return numbers.map(Number);
}

/** A page of one row more than asked for, as a connection. What is selected is counted when it is read. */
function connectionOf<Node>(rows: readonly Row<Node>[], first: number, spend: (count: number, meter: Meter) => void) {
  const page = rows.slice(0, first);
  return {
    nodes: (_args: unknown, meter: Meter) => {
      spend(page.length, meter);
      return page.map(row => row.node);
    },
    edges: (_args: unknown, meter: Meter) => {
      spend(page.length, meter);
      return page;
    },
    pageInfo: { hasNextPage: rows.length > first, endCursor: page.at(-1)?.cursor ?? null },
  };
}

const spendObjects = (count: number, meter: Meter) => void (meter.points += count);
const spendDays = (count: number, meter: Meter) => void (meter.points += Math.ceil(count / DAYS_PER_POINT));

/** The part of what is kept that a request asks for. */
function within(kept: DayRange, { from, to }: RangeArguments, fallback: DayRange): DayRange {
  const first = typeof from === "string" ? dayOf(Date.parse(from)) : fallback.from;
  const last = typeof to === "string" ? dayOf(Date.parse(to)) : fallback.to;
  return { from: Math.max(first, kept.from), to: Math.min(last, kept.to) };
}

function accountNode({ accounts, history }: Shelves, position: number) {
  const usage = (range: RangeArguments, meter: Meter): DailyUsage[] => {
    const { from, to } = within(history.kept, range, history.recent);
    const days: DailyUsage[] = [];
    for (let day = from; day <= to; day++) {
      const used = history.on(accounts.personAt(position), day);
      if (used !== null) days.push(used);
    }
    spendDays(days.length, meter);
    return days;
  };
  return { ...accounts.at(position), usage };
}

function accountsPage(shelves: Shelves, { first, after }: PageArguments) {
  checkFirst(first, MOST_ACCOUNTS);
  const from = (decode("account", after)?.[0] ?? -1) + 1;
  const count = Math.max(0, Math.min(first + 1, shelves.accounts.length - from));
  const rows = Array.from({ length: count }, (_empty, at) => ({
    cursor: encode(["account", from + at]),
    node: accountNode(shelves, from + at),
  }));
  return connectionOf(rows, first, spendObjects);
}

/** Usage of a range, day by day, from one place on, at most `most` rows. */
function usageRows(
  { accounts, history }: Shelves,
  range: DayRange,
  { after, most }: { after: readonly number[] | null; most: number },
) {
  const [startDay = range.from, position = -1] = after ?? [];
  const rows: Row<DailyUsage>[] = [];
  let next = position + 1;
  for (let day = Math.max(startDay, range.from); day <= range.to; day++, next = 0) {
    for (; next < accounts.length; next++) {
      const node = history.on(accounts.personAt(next), day);
      if (node !== null) rows.push({ cursor: encode(["usage", day, next]), node });
      if (rows.length === most) return rows;
    }
  }
  return rows;
}

function usagePage(shelves: Shelves, { first, after, ...asked }: PageArguments & RangeArguments) {
  checkFirst(first, MOST_USAGE);
  const { kept, recent } = shelves.history;
  const rows = usageRows(shelves, within(kept, asked, recent), { after: decode("usage", after), most: first + 1 });
  return connectionOf(rows, first, spendDays);
}

function failure(): GraphQLError {
  return new GraphQLError("The account could not be read", { extensions: { code: "INTERNAL_SERVER_ERROR" } });
}

function accountsByIds(shelves: Shelves, { ids }: { readonly ids: readonly string[] }, meter: Meter) {
  if (ids.length > MOST_IDS) throw badInput(`ids must list at most ${MOST_IDS} ids, not ${ids.length}`);
  const found = new Set(ids.map(id => shelves.accounts.positionOf(id)).filter(position => position >= 0));
  spendObjects(found.size, meter);
  const nodes = [...found].map(position => accountNode(shelves, position));
  // In the order of the ids' own bytes, as the service's storage has them.
  const sorted: (ReturnType<typeof accountNode> | GraphQLError)[] = nodes.sort((a, b) => (a.id < b.id ? -1 : 1));
  return ids.includes(FAILING_ACCOUNT_ID) ? [...sorted, failure()] : sorted;
}

function account(shelves: Shelves, { id }: { readonly id: string }, meter: Meter) {
  if (id === FAILING_ACCOUNT_ID) throw failure();
  const position = shelves.accounts.positionOf(id);
  if (position < 0) return null;
  spendObjects(1, meter);
  return accountNode(shelves, position);
}

function updateAccount(
  shelves: Shelves,
  { id, changes }: { readonly id: string; readonly changes: Partial<Account> },
  meter: Meter,
) {
  const position = shelves.accounts.positionOf(id);
  if (position < 0) return null;
  shelves.accounts.change(position, changes);
  spendObjects(UPDATE_POINTS, meter);
  return accountNode(shelves, position);
}

/** The root of every operation: one function a field, called with the field's arguments and the operation's meter. */
export const createRoot = (shelves: Shelves) => ({
  accounts: (args: PageArguments) => accountsPage(shelves, args),
  accountsByIds: (args: { readonly ids: readonly string[] }, meter: Meter) => accountsByIds(shelves, args, meter),
  account: (args: { readonly id: string }, meter: Meter) => account(shelves, args, meter),
  usageDaily: (args: PageArguments & RangeArguments) => usagePage(shelves, args),
  updateAccount: (args: { readonly id: string; readonly changes: Partial<Account> }, meter: Meter) =>
    updateAccount(shelves, args, meter),
});
