import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { type CounterName, type HistogramName, type Labels, type Meter, metrics } from "../core/ports.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { type SourceNode, sourceNodes } from "../gateway/source-reader.ts";

/** Series of one metric at most; what comes after them is counted under `(others)`. */
const MAX_SERIES = 1_000;
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** The process's metrics in a registry of their own, as Prometheus reads them. */
export class PrometheusMeter implements Meter {
  readonly registry = new Registry();
  readonly #counters = new Map<CounterName, Counter>();
  readonly #histograms = new Map<HistogramName, Histogram>();
  readonly #series = new Map<string, Set<string>>();

  constructor() {
    const registers = [this.registry];
    for (const [name, { help, labels }] of entriesOf(metrics.counters))
      this.#counters.set(name, new Counter({ name, help, labelNames: labels, registers }));
    for (const [name, { help, labels }] of entriesOf(metrics.histograms))
      this.#histograms.set(name, new Histogram({ name, help, labelNames: labels, buckets: SECONDS, registers }));
  }

  count(name: CounterName, labels: Labels, by = 1): void {
    this.#counters.get(name)?.inc(this.#bounded(name, labels), by);
  }

  observe(name: HistogramName, labels: Labels, value: number): void {
    this.#histograms.get(name)?.observe(this.#bounded(name, labels), value);
  }

  #bounded(name: string, labels: Labels): Labels {
    const series = this.#series.get(name) ?? new Set<string>();
    this.#series.set(name, series);
    const own = Object.values(labels).join("\0");
    if (series.size < MAX_SERIES) series.add(own);
    if (series.has(own)) return labels;
    return Object.fromEntries(Object.keys(labels).map(label => [label, "(others)"]));
  }
}

const entriesOf = <T extends object>(table: T) =>
  Object.entries(table) as [keyof T & string, { readonly help: string; readonly labels: readonly string[] }][];

/** What a source's state says of itself when it is asked for: name, meaning, labels beside `source`, and the values. */
interface Reading {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly labels?: readonly string[];
  readonly of: (node: SourceNode) => readonly { readonly labels?: Labels; readonly value: number }[];
}

const one = (value: number) => [{ value }];
const breakerStates = ["CLOSED", "HALF_OPEN", "OPEN"];

const readings: readonly Reading[] = [
  {
    name: "tributary_upstream_calls_total",
    help: "Requests sent, retries and requests for tokens included.",
    type: "counter",
    of: ({ status }) => one(status.calls),
  },
  {
    name: "tributary_upstream_throttled_total",
    help: "Requests that the source refused as too many.",
    type: "counter",
    of: ({ status }) => one(status.throttled),
  },
  {
    name: "tributary_upstream_retries_total",
    help: "Attempts after the first.",
    type: "counter",
    of: ({ status }) => one(status.retries),
  },
  {
    name: "tributary_upstream_hedges_total",
    help: "Second requests for an answer that was late.",
    type: "counter",
    of: ({ status }) => one(status.hedges),
  },
  {
    name: "tributary_upstream_cache_hits_total",
    help: "Answers given again without a request, as the source allows.",
    type: "counter",
    of: ({ status }) => one(status.cacheHits),
  },
  {
    name: "tributary_upstream_breaker_state",
    help: "Circuit breaker of one kind of request: 0 closed, 1 half open, 2 open.",
    type: "gauge",
    labels: ["operation"],
    of: ({ status }) =>
      status.breakers.map(({ operation, state }) => ({ labels: { operation }, value: breakerStates.indexOf(state) })),
  },
  {
    name: "tributary_upstream_budget_left",
    help: "What is left of a limit.",
    type: "gauge",
    labels: ["limit", "unit"],
    of: ({ status }) => status.limits.map(({ name, unit, left }) => ({ labels: { limit: name, unit }, value: left })),
  },
  {
    name: "tributary_upstream_budget_allowed",
    help: "How much a limit allows.",
    type: "gauge",
    labels: ["limit", "unit"],
    of: ({ status }) => status.limits.map(({ name, unit, allowed }) => ({ labels: { limit: name, unit }, value: allowed })),
  },
  {
    name: "tributary_upstream_budget_queued",
    help: "Requests that wait for their turn.",
    type: "gauge",
    labels: ["limit", "unit"],
    of: ({ status }) => status.limits.map(({ name, unit, queued }) => ({ labels: { limit: name, unit }, value: queued })),
  },
  {
    name: "tributary_upstream_paused_until_seconds",
    help: "Nothing is sent before this instant, in s since 1970-01-01T00:00:00Z; 0: now.",
    type: "gauge",
    of: ({ status }) => one((status.pausedUntilMs ?? 0) / 1_000),
  },
  {
    name: "tributary_collection_indexed_at_seconds",
    help: "When a collection was last read to its end for the customer index, in s since 1970-01-01T00:00:00Z.",
    type: "gauge",
    labels: ["collection"],
    of: ({ collections }) =>
      collections.flatMap(({ name, indexedAtMs }) =>
        indexedAtMs === null ? [] : [{ labels: { collection: name }, value: indexedAtMs / 1_000 }],
      ),
  },
];

/** Everything that there is to tell about the process and its sources, as Prometheus's text; asks no source. */
export async function metricsText(gateway: Gateway, meter: PrometheusMeter): Promise<string> {
  const state = new Registry();
  const nodes = await sourceNodes(gateway);
  for (const reading of readings) addReading(state, reading, nodes);
  return `${await meter.registry.metrics()}\n${await state.metrics()}`;
}

export const metricsType = Registry.PROMETHEUS_CONTENT_TYPE;

function addReading(state: Registry, { name, help, type, labels = [], of }: Reading, nodes: readonly SourceNode[]): void {
  const options = { name, help, labelNames: ["source", ...labels], registers: [state] };
  const metric = type === "counter" ? new Counter(options) : new Gauge(options);
  for (const node of nodes) {
    for (const { labels: more = {}, value } of of(node)) {
      if (Number.isFinite(value)) metric.inc({ source: node.source.name, ...more }, value);
    }
  }
}
