import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  getArgumentValues,
  getDirectiveValues,
  getVariableValues,
  GraphQLIncludeDirective,
  type GraphQLObjectType,
  type GraphQLSchema,
  GraphQLSkipDirective,
  isAbstractType,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from "graphql";
import { RequestError } from "../../core/errors.ts";
import { type CostModel, costModelOf, type FieldCost } from "./cost-model.ts";
import { type Sizing, type Slice, sizingOf } from "./list-size.ts";

/** One operation as it is to be executed. The document is inspected and valid. */
export interface Operation {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  /** May be absent when the document has one operation. */
  readonly operationName?: string | null | undefined;
  /** As they came, before defaults. */
  readonly variables: Readonly<Record<string, unknown>>;
}

/** What an operation selects of objects of one type, as execution merges it: each response key once. */
export interface ObjectPlan {
  readonly typeName: string;
  /** Weight of each such object. */
  readonly weight: number;
  readonly fields: readonly FieldPlan[];
  /** The response keys under which the type's name is selected. */
  readonly typenameKeys: readonly string[];
}

/** A field of an object plan. */
export interface FieldPlan {
  readonly place: string;
  readonly responseKey: string;
  /** Weight of resolving it once, with the arguments that are given. */
  readonly weight: number;
  readonly leafWeight: number;
  readonly listDepth: number;
  /** Values for each time it is resolved; 1 when it is not a list. */
  readonly size: number;
  readonly slices: readonly Slice[];
  readonly read: Read | null;
  /** Whether nothing inside it is read from a source. */
  readonly isLocal: boolean;
  /** One plan for each object type that a value can have; empty for scalars and enums. */
  readonly objects: readonly ObjectPlan[];
}

/** What resolving a field reads from sources. */
export interface Read {
  readonly entity: string;
  /** Fields of one object with the same identity share one read. */
  readonly identity: string;
  /** How many items each parent's read is asked for. */
  readonly items: number;
}

const KEPT_PLANS = 8;
/** Characters of name and variables up to which a plan is kept: what clients send must not fill the memory. */
const MAX_KEPT_NAME = 4_096;
const plans = new WeakMap<GraphQLSchema, WeakMap<DocumentNode, Map<string, ObjectPlan>>>();

/**
 * The plan of an operation; the last few are kept for each document. Throws `LIMIT_LIST_SIZE`, `REQUEST_INVALID` when there is no such operation,
 * and a `GraphQLError` when a variable or an argument does not fit its type.
 */
export function planOf(operation: Operation): ObjectPlan {
  const { schema, document, operationName, variables } = operation;
  const documents = plans.get(schema) ?? new WeakMap<DocumentNode, Map<string, ObjectPlan>>();
  plans.set(schema, documents);
  const kept = documents.get(document) ?? new Map<string, ObjectPlan>();
  documents.set(document, kept);
  const name = JSON.stringify([operationName, variables]);
  const plan = kept.get(name) ?? makePlan(operation);
  if (name.length <= MAX_KEPT_NAME) keep(kept, name, plan);
  return plan;
}

/** Keeps a plan as the latest and forgets the one that was not used for longest. */
function keep(kept: Map<string, ObjectPlan>, name: string, plan: ObjectPlan): void {
  kept.delete(name);
  kept.set(name, plan);
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT_PLANS) break;
    kept.delete(oldest);
  }
}

function makePlan({ schema, document, operationName, variables }: Operation): ObjectPlan {
  const definition = operationIn(document, operationName);
  const root = definition && schema.getRootType(definition.operation);
  if (!root)
    throw new RequestError(
      "REQUEST_INVALID",
      `the query has no operation ${operationName ?? "that can be told without its name"}`,
    );
  const { coerced, errors } = getVariableValues(schema, definition.variableDefinitions ?? [], variables);
  if (!coerced) throw errors[0] ?? new TypeError("variables without a value and without an error");
  return new Planner(costModelOf(schema), document, coerced).object(root, [definition.selectionSet], null);
}

function operationIn(document: DocumentNode, name: string | null | undefined): OperationDefinitionNode | undefined {
  const operations = document.definitions.filter(definition => definition.kind === Kind.OPERATION_DEFINITION);
  if (name === null || name === undefined) return operations.length === 1 ? operations[0] : undefined;
  return operations.find(operation => operation.name?.value === name);
}

/** Lists inside an object that a field above has sized. */
interface SizedFields {
  readonly names: ReadonlySet<string>;
  readonly size: number;
}

interface Collected {
  readonly type: GraphQLObjectType;
  readonly nodes: Map<string, FieldNode[]>;
  readonly spread: Set<string>;
}

/** What an object plan was made from. */
interface Planned {
  readonly type: GraphQLObjectType;
  readonly sets: readonly SelectionSetNode[];
  readonly sized: SizedFields | null;
  readonly plan: ObjectPlan;
}

class Planner {
  readonly #model: CostModel;
  readonly #planned = new Map<SelectionSetNode | undefined, Planned[]>();
  readonly #fragments = new Map<string, FragmentDefinitionNode>();
  readonly #variables: Record<string, unknown>;

  constructor(model: CostModel, document: DocumentNode, variables: Record<string, unknown>) {
    this.#model = model;
    this.#variables = variables;
    for (const definition of document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.#fragments.set(definition.name.value, definition);
    }
  }

  /** The same selections of the same type have one plan, so that abstract types inside one another do not multiply the work. */
  object(type: GraphQLObjectType, sets: readonly SelectionSetNode[], sized: SizedFields | null): ObjectPlan {
    const planned = this.#planned.get(sets[0]) ?? [];
    this.#planned.set(sets[0], planned);
    const known = planned.find(each => each.type === type && isSameSize(each.sized, sized) && isSameList(each.sets, sets));
    if (known) return known.plan;
    const plan = this.#plan(type, sets, sized);
    planned.push({ type, sets, sized, plan });
    return plan;
  }

  #plan(type: GraphQLObjectType, sets: readonly SelectionSetNode[], sized: SizedFields | null): ObjectPlan {
    const collected: Collected = { type, nodes: new Map(), spread: new Set() };
    for (const set of sets) this.#collect(set, collected);
    const fields: FieldPlan[] = [];
    const typenameKeys: string[] = [];
    for (const [responseKey, nodes] of collected.nodes) {
      const name = nodes[0]?.name.value ?? "";
      const field = this.#model.field(type, name);
      if (field) fields.push(this.#field(field, responseKey, nodes, sized));
      else if (name === "__typename") typenameKeys.push(responseKey);
      else fields.push(introspection(responseKey, name));
    }
    return { typeName: type.name, weight: this.#model.weightOf(type), fields, typenameKeys };
  }

  #field(field: FieldCost, responseKey: string, nodes: readonly FieldNode[], sized: SizedFields | null): FieldPlan {
    const node = nodes[0]!;
    const { place, definition, leafWeight, listDepth, listSize } = field;
    const values = definition.args.length > 0 ? getArgumentValues(definition, node, this.#variables) : {};
    const sizing = this.#sizing(field, node, values, sized);
    const inner = listSize && listSize.sizedFields.size > 0 ? { names: listSize.sizedFields, size: sizing.size } : null;
    const sets = nodes.flatMap(({ selectionSet }) => selectionSet ?? []);
    return {
      place,
      responseKey,
      weight: weightOf(field, node),
      leafWeight,
      listDepth,
      size: listDepth === 0 ? 1 : sizing.size ** listDepth,
      slices: sizing.slices,
      read: field.entity === null ? null : { entity: field.entity, identity: identityOf(field, values), items: sizing.size },
      isLocal: [...field.local].some(([argument, local]) => local.has(String(values[argument]))),
      objects: field.objectTypes.map(type => this.object(type, sets, inner)),
    };
  }

  #sizing(field: FieldCost, node: FieldNode, values: Record<string, unknown>, sized: SizedFields | null): Sizing {
    if (field.listDepth > 0 && sized?.names.has(field.definition.name)) return { size: sized.size, slices: [] };
    if (field.listDepth === 0 && !field.listSize) return { size: 1, slices: [] };
    return sizingOf(field, node, values);
  }

  /** Merges as execution does: by response key, each fragment once. @see https://spec.graphql.org/October2021/#CollectFields() */
  #collect(set: SelectionSetNode, collected: Collected): void {
    for (const selection of set.selections) {
      if (!this.#isIncluded(selection)) continue;
      if (selection.kind === Kind.FIELD) {
        const key = selection.alias?.value ?? selection.name.value;
        const nodes = collected.nodes.get(key);
        if (nodes) nodes.push(selection);
        else collected.nodes.set(key, [selection]);
      } else {
        const fragment = this.#fragmentOf(selection, collected);
        if (fragment && this.#applies(fragment.typeCondition?.name.value, collected.type))
          this.#collect(fragment.selectionSet, collected);
      }
    }
  }

  #fragmentOf(selection: Exclude<SelectionNode, FieldNode>, { spread }: Collected) {
    if (selection.kind === Kind.INLINE_FRAGMENT) return selection;
    const name = selection.name.value;
    if (spread.has(name)) return undefined;
    spread.add(name);
    return this.#fragments.get(name);
  }

  #applies(condition: string | undefined, type: GraphQLObjectType): boolean {
    if (condition === undefined || condition === type.name) return true;
    const named = this.#model.schema.getType(condition);
    return isAbstractType(named) && this.#model.schema.isSubType(named, type);
  }

  #isIncluded(selection: SelectionNode): boolean {
    if (!selection.directives || selection.directives.length === 0) return true;
    if (getDirectiveValues(GraphQLSkipDirective, selection, this.#variables)?.["if"] === true) return false;
    return getDirectiveValues(GraphQLIncludeDirective, selection, this.#variables)?.["if"] !== false;
  }
}

const isSameSize = (a: SizedFields | null, b: SizedFields | null): boolean => a?.names === b?.names && a?.size === b?.size;
const isSameList = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((each, index) => each === b[index]);

/** `__schema` and `__type` count as one object: how much they answer does not depend on any source and is bounded by depth. */
const introspection = (responseKey: string, name: string): FieldPlan => ({
  place: name,
  responseKey,
  weight: 1,
  leafWeight: 0,
  listDepth: 0,
  size: 1,
  slices: [],
  read: null,
  isLocal: false,
  objects: [],
});

function weightOf({ weight, argumentWeights }: FieldCost, node: FieldNode): number {
  if (argumentWeights.size === 0) return weight;
  return (node.arguments ?? []).reduce((sum, argument) => sum + (argumentWeights.get(argument.name.value) ?? 0), weight);
}

/** A field without arguments reads its entity whole, together with its siblings; arguments shape a read of their own. */
const identityOf = ({ entity, definition }: FieldCost, values: Record<string, unknown>): string =>
  definition.args.length === 0 ? `${entity}` : `${entity} ${definition.name} ${JSON.stringify(values)}`;
