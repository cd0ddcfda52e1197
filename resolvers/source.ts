import { MAX_DAYS } from "../src/core/days.ts";
import { refuseArgument, type RequestContext } from "../src/gateway/request-context.ts";
import { type SourceNode, sourceNodes } from "../src/gateway/source-reader.ts";
import { instant } from "./record.ts";

const healthOf = ({ status, collections }: SourceNode): string => {
  const shut = status.breakers.filter(({ state }) => state !== "CLOSED").length;
  if (shut > 0 && shut === status.breakers.length) return "DOWN";
  if (shut > 0) return "DEGRADED";
  if (collections.some(({ indexProblem }) => indexProblem !== null)) return "DEGRADED";
  if (status.lastFailure && status.lastFailure.atMs >= (status.lastSuccessAtMs ?? 0)) return "DEGRADED";
  return status.lastSuccessAtMs === null ? "UNKNOWN" : "UP";
};

/** A word of the declarations as the schema writes it. */
const enumName = (word: string): string => word.replaceAll(/[A-Z]/g, letter => `_${letter}`).toUpperCase();

const DAY_MS = 86_400_000;

const eventDays = async ({ source }: SourceNode, { days }: { days: number }, { gateway }: RequestContext) => {
  if (days < 1 || days > MAX_DAYS) refuseArgument(`eventDays: days must be 1 to ${MAX_DAYS}`);
  const known = (await gateway.completeness?.days(gateway.clock.nowMs() - (days - 1) * DAY_MS)) ?? [];
  return known
    .filter(day => day.source === source.name)
    .map(day => ({ ...day, completeness: day.missed === 0 ? 1 : day.delivered / (day.delivered + day.missed) }));
};

const reconciliations = async ({ source }: SourceNode, { last }: { last: number }, { gateway }: RequestContext) => {
  const runs = (await gateway.completeness?.runs(last, source.name)) ?? [];
  return runs.map(({ startedAtMs, endedAtMs, ...run }) => ({
    ...run,
    startedAt: instant(startedAtMs),
    endedAt: instant(endedAtMs),
  }));
};

export const Source = {
  name: ({ source }: SourceNode) => source.name,
  title: ({ source }: SourceNode) => source.title,
  version: ({ source }: SourceNode) => source.version,
  health: healthOf,
  breaker: ({ status }: SourceNode) => status.breaker,
  breakers: ({ status }: SourceNode) =>
    status.breakers.map(({ operation, state, probeAtMs }) => ({ operation, state, probeAt: instant(probeAtMs) })),
  budgets: ({ status }: SourceNode) => status.limits.map(limit => ({ ...limit, used: limit.allowed - limit.left })),
  sharing: ({ status: { sharing } }: SourceNode) => ({ ...sharing, mode: enumName(sharing.mode) }),
  learnedLimits: ({ status }: SourceNode) =>
    status.learned.map(said => ({ ...said, resetsAt: instant(said.resetsAtMs), learnedAt: instant(said.learnedAtMs) })),
  pausedUntil: ({ status }: SourceNode) => instant(status.pausedUntilMs),
  eventDays,
  reconciliations,
  calls: ({ status }: SourceNode) => status.calls,
  throttled: ({ status }: SourceNode) => status.throttled,
  retries: ({ status }: SourceNode) => status.retries,
  lastSuccessAt: ({ status }: SourceNode) => instant(status.lastSuccessAtMs),
  lastFailureAt: ({ status }: SourceNode) => instant(status.lastFailure?.atMs),
  lastFailureCode: ({ status }: SourceNode) => status.lastFailure?.code ?? null,
  collections: ({ collections }: SourceNode) =>
    collections.map(({ indexedAtMs, mirroredAtMs, drift, ...collection }) => ({
      ...collection,
      indexedAt: instant(indexedAtMs),
      mirroredAt: instant(mirroredAtMs),
      drift: drift.map(each => ({
        ...each,
        kind: enumName(each.kind),
        policy: enumName(each.policy),
        firstSeenAt: instant(each.firstSeenAtMs),
        lastSeenAt: instant(each.lastSeenAtMs),
      })),
    })),
};

export const sources = (_parent: unknown, _arguments: object, { gateway }: RequestContext) => sourceNodes(gateway);
