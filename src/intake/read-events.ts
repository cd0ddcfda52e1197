import { createHash } from "node:crypto";
import { asError } from "../core/errors.ts";
import { textAt } from "../core/json-pointer.ts";
import { type Json, keyText, numberText, parseJson, valueAt } from "../core/json.ts";
import { type EventKind, type EventRules, isTypeOf, type MomentFormat } from "../source/events.ts";
import type { Arrival } from "../store/inbox.ts";
import { locatedItems } from "../upstream/records.ts";

/** Where a message came from, and when. */
export interface MessageFacts {
  readonly source: string;
  /** `webhook`, or the name of a stream. */
  readonly channel: string;
  readonly receivedAtMs: number;
}

/** What a message holds: events for the inbox, and how many of types that nobody wants. */
export interface ReadMessage {
  readonly arrivals: readonly Arrival[];
  readonly unwanted: number;
}

/** Reads a message. What cannot be read becomes an arrival too, without an object, so that it is kept and somebody sees it. */
export function readMessage(rules: EventRules, text: string, facts: MessageFacts): ReadMessage {
  const events = eventsIn(rules, text);
  if (typeof events === "string") return { arrivals: [unreadable(facts, text, events)], unwanted: 0 };
  const read = events.map(event => readEvent(rules, event, facts));
  const arrivals = read.filter(arrival => arrival !== null);
  return { arrivals, unwanted: read.length - arrivals.length };
}

/** The record that an event carries, as its text says it; undefined when its kind carries none, or it is not there. */
export function recordIn(rules: EventRules, type: string, text: string): Json | undefined {
  const record = kindOf(rules, type)?.record;
  if (record === undefined) return undefined;
  const event = parseJson(text);
  return (record === "" ? event : valueAt(event, record)) as Json | undefined;
}

interface EventText {
  readonly event: Json;
  readonly text: string;
}

/** The events of a message with their own texts, or why there are none. */
function eventsIn({ items }: EventRules, text: string): readonly EventText[] | string {
  try {
    const message = parseJson(text);
    if (items === undefined) return [{ event: message, text }];
    const found = locatedItems(message, items, "the message");
    return found.map(({ item, pointer }) => ({ event: item, text: textAt(text, pointer) ?? JSON.stringify(item) }));
  } catch (thrown) {
    return asError(thrown).message;
  }
}

const kindOf = ({ kinds }: EventRules, type: string): EventKind | undefined => kinds.find(kind => isTypeOf(type, kind.types));

function readEvent(rules: EventRules, { event, text }: EventText, facts: MessageFacts): Arrival | null {
  const type = plainText(valueAt(event, rules.type));
  if (type === undefined) return unreadable(facts, text, "it has no type");
  const kind = kindOf(rules, type);
  if (kind === undefined) return null;
  const identity = rules.identity.map(path => plainText(valueAt(event, path)) ?? "");
  if (identity.every(part => part === "")) return unreadable(facts, text, "it has nothing to be known by", type);
  const parts = [kind.key].flat().map(path => keyText(valueAt(event, path)));
  if (parts.includes(undefined)) return unreadable(facts, text, "it does not say which object it is about", type);
  const key = parts.join("");
  if (!isKeepable(key)) return unreadable(facts, text, "the key of its object is no text", type);
  return {
    ...facts,
    identity: JSON.stringify(identity.length === 1 ? identity[0] : identity),
    type,
    object: { collection: `${facts.source}.${kind.collection}`, key },
    isDeletion: kind.deletions !== undefined && isTypeOf(type, kind.deletions),
    occurredAtMs: occurredAt(rules, event),
    body: text,
  };
}

function occurredAt({ occurredAt: rule }: EventRules, event: Json): number | null {
  const value = rule && valueAt(event, rule.path);
  return rule === undefined || value === undefined ? null : momentOf(value, rule.format);
}

function momentOf(value: unknown, format: MomentFormat): number | null {
  const atMs =
    format === "rfc3339"
      ? Date.parse(typeof value === "string" ? value : "")
      : Number(numberText(value)) * (format === "epoch-seconds" ? 1_000 : 1);
  return Number.isSafeInteger(atMs) && Math.abs(atMs) <= 8.64e15 ? atMs : null;
}

/** What PostgreSQL cannot hold is no key of anything. */
const isKeepable = (text: string): boolean => text.isWellFormed() && !text.includes("\0");

const plainText = (value: unknown): string | undefined => (typeof value === "string" ? value : numberText(value));

/** Known by its own bytes, so that the same one that comes again is the same. */
export const unreadable = (facts: MessageFacts, text: string, problem: string, type = "unreadable"): Arrival => ({
  ...facts,
  identity: `sha256:${createHash("sha256").update(text).digest("hex")}`,
  type,
  object: null,
  isDeletion: false,
  occurredAtMs: null,
  body: text,
  problem,
});
