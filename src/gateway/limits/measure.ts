import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
} from "graphql";
import { errorTable, RequestError } from "../../core/errors.ts";
import { saturated } from "./limits.ts";

/** The size of a selection set with its fragments written out. */
interface Measure {
  /** Fields inside one another, without what is below `__schema` and `__type`. */
  readonly levels: number;
  /** Fields inside one another from `__schema` or `__type` on. */
  readonly introspectionLevels: number;
  /** How often introspection goes from a type to types, e.g. by `fields`. */
  readonly introspectionLoops: number;
  /** Fields, inline fragments and spreads. */
  readonly selections: number;
}

interface Part extends Measure {
  /** Loops counted as if this were introspection; only what is above can tell. */
  readonly loops: number;
}

const nothing: Part = { levels: 0, introspectionLevels: 0, introspectionLoops: 0, selections: 0, loops: 0 };
const introspectionRoots = new Set(["__schema", "__type"]);
const typeLists = new Set(["fields", "inputFields", "interfaces", "possibleTypes"]);

/** Measures a document; the largest of its operations counts. Each fragment is measured once. Throws `LIMIT_FRAGMENT_CYCLE`. */
export function measureDocument(document: DocumentNode): Measure {
  return new Measurement(document).whole();
}

class Measurement {
  readonly #document: DocumentNode;
  readonly #fragments = new Map<string, FragmentDefinitionNode>();
  readonly #measured = new Map<string, Part>();
  /** The fragments that are being written out, outermost first. */
  readonly #open = new Set<string>();

  constructor(document: DocumentNode) {
    this.#document = document;
    for (const definition of document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.#fragments.set(definition.name.value, definition);
    }
  }

  whole(): Measure {
    let whole = nothing;
    for (const definition of this.#document.definitions) {
      if (definition.kind === Kind.OPERATION_DEFINITION) whole = larger(whole, this.#set(definition.selectionSet));
      // Where a fragment stands decides whether its levels are introspection: only the operation that spreads it can tell.
      if (definition.kind === Kind.FRAGMENT_DEFINITION) {
        whole = larger(whole, { ...nothing, selections: this.#fragment(definition.name.value).selections });
      }
    }
    return whole;
  }

  #set(set: SelectionSetNode): Part {
    let sum = nothing;
    for (const selection of set.selections) {
      const part = this.#selection(selection);
      sum = { ...larger(sum, part), selections: saturated(sum.selections + part.selections) };
    }
    return sum;
  }

  #selection(selection: SelectionNode): Part {
    if (selection.kind === Kind.FIELD) return this.#field(selection);
    const inside =
      selection.kind === Kind.INLINE_FRAGMENT ? this.#set(selection.selectionSet) : this.#fragment(selection.name.value);
    return { ...inside, selections: inside.selections + 1 };
  }

  #field(field: FieldNode): Part {
    const inside = field.selectionSet ? this.#set(field.selectionSet) : nothing;
    const selections = inside.selections + 1;
    const name = field.name.value;
    if (introspectionRoots.has(name))
      return { levels: 1, introspectionLevels: inside.levels + 1, introspectionLoops: inside.loops, selections, loops: 0 };
    return { ...inside, levels: inside.levels + 1, selections, loops: inside.loops + (typeLists.has(name) ? 1 : 0) };
  }

  #fragment(name: string): Part {
    const known = this.#measured.get(name);
    if (known) return known;
    if (this.#open.has(name)) throw cycle([...this.#open], name);
    const fragment = this.#fragments.get(name);
    this.#open.add(name);
    const part = fragment ? this.#set(fragment.selectionSet) : nothing;
    this.#open.delete(name);
    this.#measured.set(name, part);
    return part;
  }
}

const larger = (a: Part, b: Part): Part => ({
  levels: Math.max(a.levels, b.levels),
  introspectionLevels: Math.max(a.introspectionLevels, b.introspectionLevels),
  introspectionLoops: Math.max(a.introspectionLoops, b.introspectionLoops),
  selections: Math.max(a.selections, b.selections),
  loops: Math.max(a.loops, b.loops),
});

function cycle(open: readonly string[], name: string): RequestError {
  const path = [...open.slice(open.indexOf(name)), name].join(" → ");
  return new RequestError(
    "LIMIT_FRAGMENT_CYCLE",
    `the fragment ${name} spreads itself (${path}). ${errorTable.Request.LIMIT_FRAGMENT_CYCLE.remedy}`,
  );
}
