import { type FieldPlan, type ObjectPlan, type Operation, planOf } from "./plan.ts";

interface ActualCostOptions extends Operation {
  /** The answer's `data`; null when there is none. */
  readonly data: unknown;
}

type Fields = Readonly<Record<string, unknown>>;

/** What an operation did cost: the weights of `estimateCost` over the objects and values that the answer holds; null counts nothing. */
export function actualCost(options: ActualCostOptions): number {
  return isObject(options.data) ? objectCost(planOf(options), options.data) : 0;
}

function objectCost(plan: ObjectPlan, object: Fields): number {
  let cost = plan.weight;
  for (const field of plan.fields) {
    const value = object[field.responseKey];
    if (value !== undefined) cost += field.weight + valueCost(field, value, field.listDepth);
  }
  return cost;
}

function valueCost(field: FieldPlan, value: unknown, listDepth: number): number {
  if (value === null || (field.objects.length === 0 && field.leafWeight === 0)) return 0;
  if (listDepth > 0 && Array.isArray(value)) {
    let sum = 0;
    for (const item of value) sum += valueCost(field, item, listDepth - 1);
    return sum;
  }
  if (field.objects.length === 0) return field.leafWeight;
  if (!isObject(value)) return 0;
  const plan = planFor(field.objects, value);
  return plan ? objectCost(plan, value) : 0;
}

/** Of an abstract type the answer does not always say which object type a value has: of those that fit, the one of the largest weight counts. */
function planFor(plans: readonly ObjectPlan[], object: Fields): ObjectPlan | undefined {
  if (plans.length === 1) return plans[0];
  return plans
    .filter(plan => fits(plan, object))
    .reduce<ObjectPlan | undefined>((a, b) => (a && a.weight >= b.weight ? a : b), undefined);
}

function fits({ typeName, typenameKeys, fields }: ObjectPlan, object: Fields): boolean {
  if (typenameKeys.length > 0) return typenameKeys.every(key => object[key] === typeName);
  return fields.length === Object.keys(object).length && fields.every(({ responseKey }) => responseKey in object);
}

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
