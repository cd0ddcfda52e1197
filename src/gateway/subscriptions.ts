import type { Change } from "../core/changes.ts";
import { RequestError } from "../core/errors.ts";
import { ChangeQueue } from "./change-queue.ts";
import type { CustomerNode } from "./customer-reader.ts";
import type { Gateway } from "./gateway.ts";
import type { RequestContext } from "./request-context.ts";

/** After a change, what comes so soon after it, in ms, is told with it. */
const GATHER_MS = 100;
/** It is looked whether other records are the customer after so long, in ms. */
const LOOK_AGAIN_MS = 2_000;
const MAX_TOLD = 100;

/** What a subscriber of a customer is told. */
export interface CustomerChange {
  readonly id: string;
  readonly changes: readonly Change[];
}

/** Each change of a source's records, or of all. Throws `SOURCE_UNKNOWN`. */
export async function* changesOf(
  { gateway, signal }: Pick<RequestContext, "gateway" | "signal">,
  source: string | null,
): AsyncGenerator<Change> {
  const queue = queueOf(gateway, change => source === null || change.source === source, signal);
  try {
    // One at a time: who lags behind is told so after the answer that is being made.
    while (!signal.aborted) yield* await queue.take(1, LOOK_AGAIN_MS);
  } finally {
    queue.close();
  }
}

/** What has changed about a customer, gathered. */
export async function* customerChanges(
  { gateway, signal }: Pick<RequestContext, "gateway" | "signal">,
  customer: CustomerNode,
): AsyncGenerator<CustomerChange> {
  let members = namesOf(customer);
  const queue = queueOf(gateway, change => isAbout(change, members, gateway), signal);
  try {
    let { id } = customer;
    while (!signal.aborted) {
      const first = await queue.take(1, LOOK_AGAIN_MS);
      if (first.length > 0) await gateway.clock.sleep(GATHER_MS, signal);
      const changes = first.length > 0 ? [...first, ...(await queue.take(MAX_TOLD - 1, 0))] : first;
      id = (await gateway.index.find(id))[0] ?? id;
      const now = namesOf({ members: (await gateway.index.membersOf([id])).get(id) ?? [] });
      const isOther = now.size !== members.size || [...now].some(name => !members.has(name));
      members = now;
      if ((changes.length > 0 || isOther) && !signal.aborted) yield { id, changes };
    }
  } finally {
    queue.close();
  }
}

function queueOf(gateway: Gateway, isWanted: (change: Change) => boolean, signal: AbortSignal): ChangeQueue {
  if (gateway.changes) return new ChangeQueue(gateway.changes, isWanted, signal);
  throw new RequestError("REQUEST_INVALID", "this server does not tell what changes");
}

const namesOf = ({ members }: Pick<CustomerNode, "members">): ReadonlySet<string> =>
  new Set(members.map(({ collection, key }) => `${collection} ${key}`));

/** Whether a changed record is one of a customer's, or belongs to one of them. */
function isAbout({ source, collection, key, owners }: Change, members: ReadonlySet<string>, { catalog }: Gateway): boolean {
  if (members.has(`${collection} ${key}`)) return true;
  const owner = catalog.get(collection).collection.owner;
  return owner !== undefined && owners.some(each => members.has(`${source}.${owner} ${each}`));
}

/** The customer that a changed record is, or belongs to; null when it is not known, or not one alone. */
export async function customerOf({ gateway, customers }: RequestContext, change: Change): Promise<CustomerNode | null> {
  const { collection } = gateway.catalog.get(change.collection);
  const key = collection.canonical === "Customer" ? change.key : change.owners[0];
  const ids = key === undefined ? [] : await gateway.index.findByKey(change.source, key);
  return ids.length === 1 ? customers.find(ids[0]!) : null;
}
