import type { Clock, Logger, Meter } from "../../core/ports.ts";
import type { CatalogEntry } from "../../source/catalog.ts";
import { policiesOf } from "../../source/drift.ts";
import type { DriftFinding } from "./finding.ts";
import type { Shape } from "./shape.ts";

/** One way in which the records of a collection differ from what was agreed, with the record that showed it last. */
export interface DriftCount extends DriftFinding {
  /** Null where the record has none that may be shown. */
  readonly key: string | null;
  readonly count: number;
  readonly firstSeenAtMs: number;
  readonly lastSeenAtMs: number;
}

/** What those who read records need of it. */
export interface DriftWatch {
  /** The fields that the next record of a collection is to be held against; null when it need not be, or nobody knows them. */
  known(entry: CatalogEntry): Shape | null;
  note(entry: CatalogEntry, findings: readonly DriftFinding[], key: string | null): void;
}

/** Differences that are kept of one collection; further ones are counted as one. */
const MAX_KEPT = 100;
/** Of records whose unknown fields change nothing but the report, one in so many is looked at: it costs several times what the contract costs. */
const SAMPLE = 16;

interface DriftLogParts {
  readonly clock: Pick<Clock, "nowMs">;
  readonly logger?: Logger;
  readonly meter?: Meter;
}

/** Counts, logs once and measures how records differ from what was agreed. */
export class DriftLog implements DriftWatch {
  readonly #parts: DriftLogParts;
  readonly #counts = new Map<string, Map<string, DriftCount>>();
  readonly #known = new Map<string, Shape>();
  readonly #turns = new Map<string, number>();

  constructor(parts: DriftLogParts) {
    this.#parts = parts;
  }

  known(entry: CatalogEntry): Shape | null {
    const shape = this.#known.get(entry.id);
    if (shape === undefined) return null;
    const { unknownField } = policiesOf(entry.collection.drift);
    if (unknownField !== "evolve" && unknownField !== "discard_value") return shape;
    const turn = this.#turns.get(entry.id) ?? 0;
    this.#turns.set(entry.id, turn + 1);
    return turn % SAMPLE === 0 ? shape : null;
  }

  /** States which fields the records of a collection are known to have. */
  learn(collection: string, shape: Shape): void {
    this.#known.set(collection, shape);
  }

  note(entry: CatalogEntry, findings: readonly DriftFinding[], key: string | null): void {
    for (const finding of findings) this.#noteOne(entry, finding, key);
  }

  /** What was seen in a collection, in the order in which it first was. */
  of(collection: string): readonly DriftCount[] {
    return [...(this.#counts.get(collection)?.values() ?? [])];
  }

  #noteOne(entry: CatalogEntry, finding: DriftFinding, key: string | null): void {
    const nowMs = this.#parts.clock.nowMs();
    const counts = this.#counts.get(entry.id) ?? new Map<string, DriftCount>();
    this.#counts.set(entry.id, counts);
    const own = `${finding.kind} ${finding.field}`;
    const isKept = counts.has(own) || counts.size < MAX_KEPT;
    const kept = isKept ? finding : { ...finding, field: "(others)" };
    const name = isKept ? own : `${kept.kind} ${kept.field}`;
    const known = counts.get(name);
    counts.set(name, {
      ...kept,
      key,
      count: (known?.count ?? 0) + 1,
      firstSeenAtMs: known?.firstSeenAtMs ?? nowMs,
      lastSeenAtMs: nowMs,
    });
    const labels = { source: entry.source.name, collection: entry.name, kind: kept.kind, field: kept.field };
    this.#parts.meter?.count("tributary_drift_total", labels);
    if (known === undefined) this.#parts.logger?.warn({ ...kept, ...labels, key }, "records differ from what was agreed");
  }
}
