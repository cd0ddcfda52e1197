import { saturated } from "./limits.ts";
import { checkSlices } from "./list-size.ts";
import { type FieldPlan, type ObjectPlan, type Operation, planOf, type Read } from "./plan.ts";

/** What an operation can cost at most. Figures stop at `Number.MAX_SAFE_INTEGER`. */
export interface CostEstimate {
  /** Sum of the weights of everything that the answer can hold. */
  readonly cost: number;
  /** Requests to sources. */
  readonly upstreamCalls: number;
  /** Items of the longest list, as asked for or assumed. */
  readonly largestList: number;
}

/**
 * How many requests it takes to read an entity of so many parents, each asked for so many items: for a source that takes batches,
 * the parents divided by the batch's maximum; for another one, as many as there are parents.
 */
export type UpstreamCalls = (entity: string, parents: number, itemsPerParent: number) => number;

export interface EstimateOptions extends Operation {
  readonly calls: UpstreamCalls;
  /** Items that a slicing argument may ask for. */
  readonly maxListSize: number;
}

/**
 * The static cost of an operation: type weights times the objects that it can return, plus the weights of fields and arguments times how often
 * they are resolved. An upper bound as long as lists keep to their slicing arguments and assumed sizes; of an abstract type the dearest object type
 * counts. Differs from the specification in that type and field costs are one sum and weights are never negative.
 *
 * Throws `LIMIT_LIST_SIZE` for a slicing argument above the limit, below zero or null, and what `planOf` throws.
 * @see https://ibm.github.io/graphql-specs/cost-spec.html
 */
export function estimateCost(options: EstimateOptions): CostEstimate {
  return new Estimation(options).object(planOf(options), 1);
}

type Bounds = Pick<EstimateOptions, "calls" | "maxListSize">;

class Estimation {
  readonly #bounds: Bounds;
  /** By plan and number of objects: plans are shared where selections are the same. */
  readonly #known = new Map<ObjectPlan, Map<number, CostEstimate>>();

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  object(plan: ObjectPlan, count: number): CostEstimate {
    const known = this.#known.get(plan) ?? new Map<number, CostEstimate>();
    this.#known.set(plan, known);
    const estimate = known.get(count) ?? this.#object(plan, count);
    known.set(count, estimate);
    return estimate;
  }

  #object(plan: ObjectPlan, count: number): CostEstimate {
    let cost = plan.weight * count;
    let upstreamCalls = callsFor(plan, count, this.#bounds.calls);
    let largestList = 0;
    for (const field of plan.fields) {
      const estimate = this.#field(field, count);
      cost += estimate.cost;
      upstreamCalls += estimate.upstreamCalls;
      largestList = Math.max(largestList, estimate.largestList);
    }
    return { cost: saturated(cost), upstreamCalls: saturated(upstreamCalls), largestList };
  }

  #field(field: FieldPlan, parents: number): CostEstimate {
    checkSlices(field.place, field.slices, this.#bounds.maxListSize);
    const count = saturated(parents * field.size);
    const { cost, upstreamCalls, largestList } = this.#values(field, count);
    return {
      cost: saturated(parents * field.weight + count * field.leafWeight + cost),
      upstreamCalls: field.isLocal ? 0 : upstreamCalls,
      largestList: field.listDepth > 0 ? Math.max(largestList, field.size) : largestList,
    };
  }

  #values({ objects }: FieldPlan, count: number): CostEstimate {
    const all = objects.map(plan => this.object(plan, count));
    const calls = all.map(({ upstreamCalls }) => upstreamCalls);
    return {
      cost: Math.max(0, ...all.map(({ cost }) => cost)),
      // One value has one type; several can be of all types, each with requests of its own.
      upstreamCalls: count > 1 ? saturated(calls.reduce((sum, each) => sum + each, 0)) : Math.max(0, ...calls),
      largestList: Math.max(0, ...all.map(({ largestList }) => largestList)),
    };
  }
}

/** The requests for one selection set: each distinct read once, whichever fields share it. */
function callsFor(plan: ObjectPlan, parents: number, calls: UpstreamCalls): number {
  if (parents === 0) return 0;
  const reads = new Map<string, Read>();
  for (const { read } of plan.fields) {
    if (!read) continue;
    const known = reads.get(read.identity);
    reads.set(read.identity, known && known.items > read.items ? known : read);
  }
  let sum = 0;
  for (const { entity, items } of reads.values()) sum += calls(entity, parents, items);
  return sum;
}
