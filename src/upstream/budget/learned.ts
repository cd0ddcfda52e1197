import { type Dictionary, type Item, type List, parseDictionary, parseList } from "structured-headers";
import { type Json, numberText, valueAt } from "../../core/json.ts";
import type { Learned, LearnedHeaders, ResetUnit } from "../../source/limits.ts";

/** What a provider has said of one of its limits. */
export interface LearnedLimit {
  /** The header, or the path, that said it. */
  readonly origin: string;
  readonly unit: "requests" | "points";
  readonly left: number;
  readonly allowed: number | null;
  /** When it starts anew, in ms since the epoch; null when the provider does not say. */
  readonly resetsAtMs: number | null;
  /** Its window in ms, where that is known. */
  readonly windowMs: number | null;
  readonly learnedAtMs: number;
  /** The operations that it is about; all unless stated. */
  readonly operations?: readonly string[];
}

/** Further away than this, a reset is nonsense. */
const MAX_RESET_MS = 40 * 86_400_000;

type Headers = Readonly<Record<string, string>>;
type Said = Omit<LearnedLimit, "learnedAtMs">;

/** Everything that an answer says about limits; what makes no sense is left out. */
export function learnedFrom(learned: Learned, headers: Headers, body: Json | undefined, nowMs: number): LearnedLimit[] {
  const said: Said[] = [
    ...(learned.hasRateLimitFields ? rateLimitFields(headers, nowMs) : []),
    ...(learned.headers ?? []).flatMap(each => fromHeaders(each, headers, nowMs)),
    ...(learned.endpoints ?? []).flatMap(each => fromEndpoint(each, headers, nowMs)),
    ...(learned.usage ? fromUsage(learned.usage, headers) : []),
    ...(learned.cost && body !== undefined ? fromCost(learned.cost.available, body) : []),
  ];
  return said.filter(({ left }) => left >= 0).map(each => ({ ...each, learnedAtMs: nowMs }));
}

const numberIn = (text: string | undefined): number => (text === undefined || text.trim() === "" ? Number.NaN : Number(text));
const orNull = (number: number): number | null => (Number.isFinite(number) ? number : null);

function fromHeaders({ remaining, limit, reset, windowMs }: LearnedHeaders, headers: Headers, nowMs: number): Said[] {
  const left = numberIn(headers[remaining.toLowerCase()]);
  if (!Number.isFinite(left)) return [];
  const allowed = orNull(numberIn(limit && headers[limit.toLowerCase()]));
  const resetsAtMs = reset === undefined ? null : resetAt(headers[reset.header.toLowerCase()], reset.unit, nowMs);
  return [{ origin: remaining, unit: "requests", left, allowed, resetsAtMs, windowMs: windowMs ?? null }];
}

/** The moment that a reset header means, or null when it is not there or makes no sense. A moment that is past means now. */
export function resetAt(text: string | undefined, unit: ResetUnit, nowMs: number): number | null {
  const number = numberIn(text);
  const atMs = {
    "delta-seconds": nowMs + number * 1000,
    "delta-milliseconds": nowMs + number,
    "epoch-seconds": number * 1000,
    "epoch-milliseconds": number,
    "http-date": Date.parse(text ?? ""),
  }[unit];
  if (!Number.isFinite(atMs) || number < 0 || atMs > nowMs + MAX_RESET_MS) return null;
  return Math.max(nowMs, atMs);
}

/**
 * `RateLimit: "default";r=50;t=30` with `RateLimit-Policy: "default";q=100;w=60`, and the older `RateLimit-Limit`, `-Remaining`, `-Reset`.
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
 */
function rateLimitFields(headers: Headers, nowMs: number): Said[] {
  const older = fromHeaders(olderFields, headers, nowMs);
  const field = headers["ratelimit"];
  if (field === undefined) return older;
  const policies = new Map(itemsOf(headers["ratelimit-policy"]).map(([name, parameters]) => [name, parameters]));
  return itemsOf(field).flatMap(([name, parameters]) => {
    const left = numberOf(parameters.get("r"));
    if (left === null) return [];
    const seconds = numberOf(parameters.get("t"));
    const policy = policies.get(name);
    const windowS = numberOf(policy?.get("w"));
    return [
      {
        origin: "RateLimit",
        unit: "requests" as const,
        left,
        allowed: numberOf(policy?.get("q")),
        resetsAtMs: seconds === null ? null : resetAt(String(seconds), "delta-seconds", nowMs),
        windowMs: windowS === null ? null : windowS * 1000,
      },
    ];
  });
}

const olderFields: LearnedHeaders = {
  limit: "RateLimit-Limit",
  remaining: "RateLimit-Remaining",
  reset: { header: "RateLimit-Reset", unit: "delta-seconds" },
};

type Parameters = Item[1];

/** The named items of a structured list; an earlier draft wrote a dictionary (`limit=100, remaining=50, reset=30`). Nothing for what is neither. */
function itemsOf(field: string | undefined): [string, Parameters][] {
  if (field === undefined) return [];
  try {
    const list: List = parseList(field);
    return list.flatMap(([value, parameters]) => (typeof value === "string" ? [[value, parameters]] : []));
  } catch {
    return dictionaryItems(field);
  }
}

function dictionaryItems(field: string): [string, Parameters][] {
  try {
    const dictionary: Dictionary = parseDictionary(field);
    const valueOf = (name: string) => dictionary.get(name)?.[0];
    const [left, seconds] = [valueOf("remaining"), valueOf("reset")];
    return [
      [
        "",
        new Map(
          [
            ["r", left],
            ["t", seconds],
          ].filter(([, value]) => value !== undefined) as [string, number][],
        ),
      ],
    ];
  } catch {
    return []; // no structured field: whoever sent it means something else by the name
  }
}

const numberOf = (value: unknown): number | null => (typeof value === "number" ? value : null);

function fromEndpoint(
  { header, operations }: { readonly header: string; readonly operations: readonly string[] },
  headers: Headers,
  nowMs: number,
): Said[] {
  const text = headers[header.toLowerCase()] ?? "";
  const partOf = (name: string) => new RegExp(`(?:^|[;\\s])${name}=(\\d+)`).exec(text)?.[1];
  const left = numberIn(partOf("remaining"));
  if (!Number.isFinite(left)) return [];
  const resetsAtMs = resetAt(partOf("resets"), "delta-seconds", nowMs);
  return [
    {
      origin: header,
      unit: "requests",
      left,
      allowed: orNull(numberIn(partOf("total"))),
      resetsAtMs,
      windowMs: null,
      operations,
    },
  ];
}

function fromUsage({ header, name }: { header: string; name: string }, headers: Headers): Said[] {
  const found = new RegExp(`(?:^|[;\\s])${name}=(\\d+)/(\\d+)`).exec(headers[header.toLowerCase()] ?? "");
  if (!found) return [];
  const [used, allowed] = [Number(found[1]), Number(found[2])];
  return [{ origin: header, unit: "requests", left: Math.max(0, allowed - used), allowed, resetsAtMs: null, windowMs: null }];
}

function fromCost(path: string, body: Json): Said[] {
  const left = Number(numberText(valueAt(body, path)));
  if (!Number.isFinite(left)) return [];
  return [{ origin: path, unit: "points", left, allowed: null, resetsAtMs: null, windowMs: null }];
}

/** What a request really cost, where the answer says so. */
export function actualCost(learned: Learned, body: Json): number | undefined {
  const path = learned.cost?.actual;
  const cost = path === undefined ? Number.NaN : Number(numberText(valueAt(body, path)));
  return Number.isFinite(cost) ? cost : undefined;
}
