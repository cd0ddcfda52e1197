import { getArgumentValues, getNamedType, isObjectType, Kind, typeFromAST } from "graphql";
import type {
  DocumentNode,
  FieldNode,
  FragmentDefinitionNode,
  GraphQLField,
  GraphQLObjectType,
  GraphQLSchema,
  OperationDefinitionNode,
  SelectionNode,
  SelectionSetNode,
} from "graphql";
import type { Points } from "./sandbox-schema.ts";

/** An operation that passed validation, with its variables coerced. */
export interface PricedOperation {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** Prices an operation before it runs: one point for itself, and what its fields cost. Throws `GraphQLError` on a bad argument. */
export function requestedCost({ schema, document, operation, variables }: PricedOperation): number {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const node of document.definitions) if (node.kind === Kind.FRAGMENT_DEFINITION) fragments.set(node.name.value, node);
  // A fragment costs the same wherever it is spread, so each is walked once however often it is named.
  const fragmentCosts = new Map<string, number>();

  const objectNamed = (name: string): GraphQLObjectType | undefined => {
    const type = schema.getType(name);
    return isObjectType(type) ? type : undefined;
  };
  const costOfFragment = (name: string): number => {
    const known = fragmentCosts.get(name);
    if (known !== undefined) return known;
    const fragment = fragments.get(name);
    const type = fragment && objectNamed(fragment.typeCondition.name.value);
    const cost = fragment && type ? costOfSet(fragment.selectionSet, type) : 0;
    fragmentCosts.set(name, cost);
    return cost;
  };
  const costOfField = (node: FieldNode, parent: GraphQLObjectType): number => {
    const field: GraphQLField<unknown, unknown> | undefined = parent.getFields()[node.name.value];
    if (field === undefined) return 0;
    const type = getNamedType(field.type);
    const children = node.selectionSet && isObjectType(type) ? costOfSet(node.selectionSet, type) : 0;
    const price = field.extensions["points"] as Points | undefined;
    return price === undefined ? children : price(getArgumentValues(field, node, variables), children);
  };
  const costOf = (node: SelectionNode, parent: GraphQLObjectType): number => {
    if (node.kind === Kind.FIELD) return costOfField(node, parent);
    if (node.kind === Kind.FRAGMENT_SPREAD) return costOfFragment(node.name.value);
    const type = node.typeCondition ? typeFromAST(schema, node.typeCondition) : parent;
    return isObjectType(type) ? costOfSet(node.selectionSet, type) : 0;
  };
  const costOfSet = (set: SelectionSetNode, parent: GraphQLObjectType): number =>
    set.selections.reduce((sum, node) => sum + costOf(node, parent), 0);

  const root = schema.getRootType(operation.operation);
  return 1 + (root ? costOfSet(operation.selectionSet, root) : 0);
}
