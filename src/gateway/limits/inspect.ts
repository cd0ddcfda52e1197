import { type DefinitionNode, type DocumentNode, Kind, parse, type SelectionNode, type SelectionSetNode } from "graphql";
import { checkLimit, type QueryLimits } from "./limits.ts";
import { measureDocument } from "./measure.ts";
import { checkTokens } from "./tokens.ts";

/** Room for the standard introspection query, whose types nest nine deep inside the arguments of a field. */
const MAX_INTROSPECTION_LEVELS = 15;
/** From a type to its fields' types and once more; each further round multiplies the answer by the size of the schema. */
const MAX_INTROSPECTION_LOOPS = 2;

/**
 * Parses a query and refuses it when its text alone shows that it asks for too much. The time is linear in the text, and short for a long text
 * because reading stops at the token limit. The result depends on text and limits only, so the caller may keep it.
 *
 * Throws `LIMIT_BODY_SIZE`, `LIMIT_TOKENS`, `LIMIT_ALIASES`, `LIMIT_DIRECTIVES`, `LIMIT_FRAGMENT_CYCLE`, `LIMIT_DEPTH`; a syntax error stays a `GraphQLError`.
 */
export function inspectText(text: string, limits: QueryLimits): DocumentNode {
  checkLimit("LIMIT_BODY_SIZE", {
    fact: `the query has ${text.length} characters`,
    value: text.length,
    limit: limits.maxBodyBytes,
  });
  checkTokens(text, limits);
  const document = parse(text);
  checkCounts(document, limits);
  checkMeasures(document, limits);
  return document;
}

function checkCounts(document: DocumentNode, limits: QueryLimits): void {
  const { aliases, directives } = countMarks(document);
  checkLimit("LIMIT_ALIASES", { fact: `the query has ${aliases} aliases`, value: aliases, limit: limits.maxAliases });
  checkLimit("LIMIT_DIRECTIVES", {
    fact: `the query has ${directives} directives`,
    value: directives,
    limit: limits.maxDirectives,
  });
}

function checkMeasures(document: DocumentNode, { maxTokens, maxDepth }: QueryLimits): void {
  const { selections, levels, introspectionLevels, introspectionLoops } = measureDocument(document);
  checkLimit("LIMIT_TOKENS", {
    fact: `the query has ${selections} selections with its fragments written out`,
    value: selections,
    limit: maxTokens,
  });
  checkLimit("LIMIT_DEPTH", { fact: `the query is ${levels} levels deep`, value: levels, limit: maxDepth });
  const limit = MAX_INTROSPECTION_LEVELS;
  checkLimit("LIMIT_DEPTH", {
    fact: `the introspection is ${introspectionLevels} levels deep`,
    value: introspectionLevels,
    limit,
  });
  const loops = { value: introspectionLoops, limit: MAX_INTROSPECTION_LOOPS };
  checkLimit("LIMIT_DEPTH", { fact: `the introspection goes ${introspectionLoops} times from types to types`, ...loops });
}

interface Marks {
  aliases: number;
  directives: number;
}

/** Counts aliases and directives as they are written. */
function countMarks(document: DocumentNode): Marks {
  const marks: Marks = { aliases: 0, directives: 0 };
  const open = document.definitions.flatMap(definition => countDefinition(definition, marks));
  for (let set = open.pop(); set; set = open.pop()) {
    for (const selection of set.selections) {
      const inner = countSelection(selection, marks);
      if (inner) open.push(inner);
    }
  }
  return marks;
}

function countDefinition(definition: DefinitionNode, marks: Marks): SelectionSetNode[] {
  if (definition.kind !== Kind.OPERATION_DEFINITION && definition.kind !== Kind.FRAGMENT_DEFINITION) return [];
  marks.directives += definition.directives?.length ?? 0;
  for (const variable of definition.variableDefinitions ?? []) marks.directives += variable.directives?.length ?? 0;
  return [definition.selectionSet];
}

function countSelection(selection: SelectionNode, marks: Marks): SelectionSetNode | undefined {
  marks.directives += selection.directives?.length ?? 0;
  if (selection.kind === Kind.FIELD && selection.alias) marks.aliases += 1;
  return selection.kind === Kind.FRAGMENT_SPREAD ? undefined : selection.selectionSet;
}
