/** How the messages of a webhook or a stream are read: as events that say which object changed, never as the truth about it. */
export interface EventRules {
  /** Path of the events in a message; a message is one event unless stated. */
  readonly items?: string;
  /** Path of the event's type. */
  readonly type: string;
  /** Paths of what an event is known by when it comes again; all together, in this order. */
  readonly identity: readonly string[];
  readonly occurredAt?: { readonly path: string; readonly format: MomentFormat };
  /** What is wanted of them; events of other types are passed over. */
  readonly kinds: readonly EventKind[];
}

export type MomentFormat = "epoch-seconds" | "epoch-ms" | "rfc3339";

/** Events about the objects of one collection. */
export interface EventKind {
  /** Types as they are written, or `beginning.*`. */
  readonly types: readonly string[];
  /** The collection's name in the same source. */
  readonly collection: string;
  /** Path of the object's key; for records whose key is joined of several values, all of them in that order. */
  readonly key: string | readonly string[];
  /** Path of the record itself, as a listing gives it, where the event carries it; `""` when the event is the record. */
  readonly record?: string;
  /** Types of these that say that the object is gone. */
  readonly deletions?: readonly string[];
}

/** Whether a type is among those that are written so. */
export const isTypeOf = (type: string, types: readonly string[]): boolean =>
  types.some(each => (each.endsWith(".*") ? type.startsWith(each.slice(0, -1)) : type === each));

/** What is wrong with rules; undefined when nothing is. */
export function eventsProblem(rules: EventRules, collections: readonly string[]): string | undefined {
  if (rules.identity.length === 0) return "events need an identity: what they are known by when they come again";
  if (rules.kinds.length === 0) return "no kind of event is wanted";
  const unknown = rules.kinds.find(({ collection }) => !collections.includes(collection));
  if (unknown) return `events are about ${unknown.collection}, which is no collection of this source`;
  const empty = rules.kinds.find(({ types, key }) => types.length === 0 || key.length === 0);
  return empty && `a kind of events about ${empty.collection} has no types or no key`;
}
