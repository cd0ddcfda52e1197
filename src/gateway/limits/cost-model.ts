import {
  type DirectiveNode,
  getDirectiveValues,
  getNamedType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLNamedType,
  GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  isAbstractType,
  isCompositeType,
  isEnumType,
  isListType,
  isNonNullType,
  isObjectType,
} from "graphql";
import { ConfigError } from "../../core/errors.ts";

/** `@listSize` of a field. */
export interface ListSize {
  readonly assumedSize: number | null;
  readonly slicingArguments: readonly string[];
  readonly sizedFields: ReadonlySet<string>;
  readonly requiresOne: boolean;
}

/** What the schema says about the cost of a field. */
export interface FieldCost {
  /** `Type.field`, for messages. */
  readonly place: string;
  readonly definition: GraphQLField<unknown, unknown>;
  /** The object types of its values; empty for scalars and enums. */
  readonly objectTypes: readonly GraphQLObjectType[];
  /** Weight of each scalar or enum value; 0 for objects, whose own type counts. */
  readonly leafWeight: number;
  /** How many lists are around each value. */
  readonly listDepth: number;
  /** Weight of resolving it once. */
  readonly weight: number;
  readonly argumentWeights: ReadonlyMap<string, number>;
  readonly listSize: ListSize | null;
  /** The canonical entity that resolving it reads. */
  readonly entity: string | null;
  /** For its arguments the values with which nothing of a source is read. */
  readonly local: ReadonlyMap<string, ReadonlySet<string>>;
}

interface Annotated {
  readonly astNode?: { readonly directives?: readonly DirectiveNode[] | undefined } | null | undefined;
}

/** The weights and sizes that a schema states by `@cost`, `@listSize` and `@upstream`. */
export class CostModel {
  readonly schema: GraphQLSchema;
  readonly #fields = new Map<GraphQLObjectType, ReadonlyMap<string, FieldCost>>();
  readonly #weights = new Map<GraphQLNamedType, number>();

  /** Throws `CONFIG_INVALID` naming a weight that is not a number of 0 or more. */
  constructor(schema: GraphQLSchema) {
    this.schema = schema;
    for (const type of Object.values(schema.getTypeMap())) {
      this.#weights.set(type, this.#weight(type, type.name) ?? (isCompositeType(type) ? 1 : 0));
    }
    for (const type of Object.values(schema.getTypeMap())) {
      if (isObjectType(type)) this.#fields.set(type, this.#fieldsOf(type));
    }
  }

  /** Weight of each object of a type. */
  weightOf(type: GraphQLObjectType): number {
    return this.#weights.get(type) ?? 1;
  }

  /** Undefined for `__typename`, `__schema`, `__type` and what does not exist. */
  field(type: GraphQLObjectType, name: string): FieldCost | undefined {
    return this.#fields.get(type)?.get(name);
  }

  #fieldsOf(type: GraphQLObjectType): ReadonlyMap<string, FieldCost> {
    return new Map(Object.values(type.getFields()).map(field => [field.name, this.#fieldCost(type, field)]));
  }

  #fieldCost(type: GraphQLObjectType, definition: GraphQLField<unknown, unknown>): FieldCost {
    const place = `${type.name}.${definition.name}`;
    const named = getNamedType(definition.type);
    const weights = definition.args.map(
      argument => [argument.name, this.#weight(argument, `${place}(${argument.name}:)`) ?? 0] as const,
    );
    return {
      place,
      definition,
      objectTypes: this.#objectTypes(named),
      leafWeight: isCompositeType(named) ? 0 : (this.#weights.get(named) ?? 0),
      listDepth: listDepthOf(definition.type),
      weight: this.#weight(definition, place) ?? 0,
      argumentWeights: new Map(weights.filter(([, weight]) => weight > 0)),
      listSize: this.#listSize(definition),
      entity: (this.#values("upstream", definition)?.["entity"] as string | undefined) ?? null,
      local: new Map(definition.args.flatMap(argument => this.#localValues(argument))),
    };
  }

  #localValues({ name, type }: GraphQLArgument): readonly (readonly [string, ReadonlySet<string>])[] {
    const named = getNamedType(type);
    if (!isEnumType(named)) return [];
    const local = named.getValues().filter(value => this.#values("local", value) !== undefined);
    return local.length === 0 ? [] : [[name, new Set(local.map(value => value.name))]];
  }

  #objectTypes(named: GraphQLNamedType): readonly GraphQLObjectType[] {
    if (isAbstractType(named)) return this.schema.getPossibleTypes(named);
    return isObjectType(named) ? [named] : [];
  }

  #weight(annotated: Annotated, place: string): number | null {
    const text = this.#values("cost", annotated)?.["weight"] as string | undefined;
    if (text === undefined) return null;
    const weight = text.trim() === "" ? Number.NaN : Number(text);
    if (Number.isFinite(weight) && weight >= 0) return weight;
    throw new ConfigError(
      "CONFIG_INVALID",
      `@cost(weight: ${JSON.stringify(text)}) of ${place} in the schema is not a number of 0 or more`,
    );
  }

  #listSize(field: Annotated): ListSize | null {
    const values = this.#values("listSize", field);
    if (!values) return null;
    return {
      assumedSize: (values["assumedSize"] as number | null | undefined) ?? null,
      slicingArguments: (values["slicingArguments"] as readonly string[] | null | undefined) ?? [],
      sizedFields: new Set((values["sizedFields"] as readonly string[] | null | undefined) ?? []),
      requiresOne: values["requireOneSlicingArgument"] !== false,
    };
  }

  #values(name: string, { astNode }: Annotated): Readonly<Record<string, unknown>> | undefined {
    const directive = this.schema.getDirective(name);
    return directive && astNode ? getDirectiveValues(directive, { directives: astNode.directives ?? [] }) : undefined;
  }
}

function listDepthOf(type: GraphQLOutputType): number {
  if (isNonNullType(type)) return listDepthOf(type.ofType);
  return isListType(type) ? 1 + listDepthOf(type.ofType) : 0;
}

const models = new WeakMap<GraphQLSchema, CostModel>();

/** The one model of a schema, made when it is first asked for. Throws `CONFIG_INVALID`. */
export function costModelOf(schema: GraphQLSchema): CostModel {
  const model = models.get(schema) ?? new CostModel(schema);
  models.set(schema, model);
  return model;
}
