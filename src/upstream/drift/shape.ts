import { z } from "zod";
import { isJsonObject } from "../../core/json.ts";
import type { Collection } from "../../source/collection.ts";

/** Fields of one collection that are held; with more of them its names are data, and nothing is new any more. */
const MAX_FIELDS = 2_000;
/** Deeper than this nothing is looked at. */
const MAX_DEPTH = 8;

/** A field that a record has and nobody knew of. */
export interface UnknownField {
  readonly path: string;
  readonly value: unknown;
}

interface Node {
  /** Anything may stand below: a map whose names are data. */
  isOpen: boolean;
  readonly below: Map<string, Node>;
}

const newNode = (): Node => ({ isOpen: false, below: new Map() });
const ELEMENT = "[*]";

/** A name as a path writes it, so that its own dots and brackets are told apart from the path's; and back. */
const escaped = (name: string): string =>
  name === "" ? "~3" : /[~.[]/.test(name) ? name.replace(/[~.[]/g, sign => `~${"~.[".indexOf(sign)}`) : name;
const unescaped = (step: string): string => step.replace(/~([0-3])/g, (_all, sign: string) => "~.["[Number(sign)] ?? "");
const stepsOf = (path: string): readonly string[] =>
  path.replaceAll(ELEMENT, `.${ELEMENT}`).split(".").filter(Boolean).map(unescaped);

/** The fields that the records of a collection are known to have, whatever their values. */
export class Shape {
  readonly #root = newNode();
  #fields = 0;

  static of(paths: Iterable<string>): Shape {
    const shape = new Shape();
    for (const path of paths) shape.add(path);
    return shape;
  }

  /** Whether so many fields are known that nothing counts as new. */
  get isFull(): boolean {
    return this.#fields >= MAX_FIELDS;
  }

  /** Adds one field by its path, `[*]` for any element of an array. */
  add(path: string): void {
    this.#nodeAt(path);
  }

  /** Adds a map whose names are data. */
  addOpen(path: string): void {
    this.#nodeAt(path).isOpen = true;
  }

  /** Adds every field of a record. */
  learn(record: unknown): void {
    if (!this.isFull) for (const { path } of this.unknownIn(record)) this.add(path);
  }

  /** The fields of a record that are not known, and all below them; one that several elements of an array have comes several times. */
  unknownIn(record: unknown): readonly UnknownField[] {
    if (this.isFull) return [];
    const found: UnknownField[] = [];
    unknownBelow(record, this.#root, { path: "", depth: 0, found });
    return found;
  }

  /** Every field, in the order of their paths. */
  paths(): readonly string[] {
    const found: string[] = [];
    listBelow(this.#root, "", found);
    return found.toSorted();
  }

  #nodeAt(path: string): Node {
    let node = this.#root;
    for (const step of stepsOf(path)) node = node.below.get(step) ?? this.#grow(node, step);
    return node;
  }

  #grow(node: Node, step: string): Node {
    const grown = newNode();
    node.below.set(step, grown);
    this.#fields++;
    return grown;
  }
}

interface Walk {
  readonly path: string;
  readonly depth: number;
  readonly found: UnknownField[];
}

const joined = (path: string, name: string): string =>
  name === ELEMENT ? `${path}${ELEMENT}` : path === "" ? escaped(name) : `${path}.${escaped(name)}`;

/** `known` is undefined below a field that is itself unknown. */
function unknownBelow(value: unknown, known: Node | undefined, walk: Walk): void {
  if (typeof value !== "object" || value === null || walk.depth >= MAX_DEPTH || known?.isOpen) return;
  if (Array.isArray(value)) {
    const element = known?.below.get(ELEMENT);
    for (const item of value) stepInto(item, ELEMENT, element, walk);
  } else if (isJsonObject(value)) {
    for (const name in value) stepInto(value[name], name, known?.below.get(name), walk);
  }
}

function stepInto(value: unknown, name: string, known: Node | undefined, walk: Walk): void {
  if (known === undefined) {
    const path = joined(walk.path, name);
    if (name !== ELEMENT) walk.found.push({ path, value });
    unknownBelow(value, undefined, { path, depth: walk.depth + 1, found: walk.found });
  } else if (typeof value === "object" && value !== null) {
    unknownBelow(value, known, { path: joined(walk.path, name), depth: walk.depth + 1, found: walk.found });
  }
}

function listBelow(node: Node, path: string, found: string[]): void {
  for (const [name, below] of node.below) {
    const at = joined(path, name);
    if (name !== ELEMENT) found.push(at);
    listBelow(below, at, found);
  }
}

/** What a declaration itself says of fields: its contract's, and those that its mapping reads. */
export function declaredShape({ contract, map, identity }: Collection): Shape {
  const shape = new Shape();
  const rules = [...Object.values(map), ...Object.values(identity?.keys ?? {})];
  for (const path of rules.flatMap(({ inputs }) => inputs)) shape.add(path);
  addSchema(shape, z.toJSONSchema(contract, { unrepresentable: "any", io: "input" }), "");
  return shape;
}

type Schema = z.core.JSONSchema.BaseSchema;

function addSchema(shape: Shape, schema: Schema, path: string): void {
  for (const each of [...(schema.anyOf ?? []), ...(schema.allOf ?? []), ...(schema.oneOf ?? [])]) addSchema(shape, each, path);
  for (const [name, below] of Object.entries(schema.properties ?? {})) {
    shape.add(joined(path, name));
    if (typeof below === "object") addSchema(shape, below, joined(path, name));
  }
  if (typeof schema.items === "object" && !Array.isArray(schema.items)) addSchema(shape, schema.items, `${path}${ELEMENT}`);
  if (typeof schema.additionalProperties === "object" && path !== "") shape.addOpen(path);
}
