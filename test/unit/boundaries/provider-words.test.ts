import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { discoverSources } from "../../../src/app/registry.ts";
import { canonical, fieldsOf, entityNames } from "../../../src/core/canonical.ts";
import type { Collection } from "../../../src/source/collection.ts";
import { baseUrlVariable, type Source, secretVariables } from "../../../src/source/define-source.ts";
import type { Pagination } from "../../../src/source/pagination.ts";
import type { UpstreamRequest } from "../../../src/source/request.ts";
import type { RuleData } from "../../../src/source/rule.ts";

const project = fileURLToPath(new URL("../../../", import.meta.url));
const scanned = ["src", "resolvers", "schema"];
/** The template of a declaration holds a declaration's words. */
const template = "src/app/scaffold.ts";

/**
 * Words of a provider that mean nothing in particular: finding one elsewhere says nothing about where it came from. Those that the canonical
 * entities use themselves need no mention here.
 */
const general: Readonly<Record<string, readonly string[]>> = {
  "the names of lists and envelopes everywhere": [
    "[*]",
    "data",
    "data[*]",
    "results",
    "nodes",
    "ids",
    "errors",
    "code",
    "properties",
  ],
  "terms of paging, of Relay and of our own graph": [
    "limit",
    "first",
    "after",
    "from",
    "to",
    "pageInfo",
    "hasNextPage",
    "endCursor",
    "next",
    "cursor",
  ],
  "terms of GraphQL and of HTTP": [
    "ratelimit-reset",
    "/graphql",
    "query",
    "ID",
    "Int",
    "String",
    "Date",
    "cost",
    "extensions",
    "v1",
    "v2",
    "v3",
  ],
  "headers that many providers share, so that our vocabulary has a word for them": [
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
  ],
  "what booleans are written as": ["true", "false", "0", "1"],
  "plain words that we use ourselves, for what a rule reads, any other kind, and a sum": ["inputs", "other", "total", "category"],
  "sources' names and collections: English words for what we build, what it counts, and whom it serves": [
    "product",
    "usage",
    "accounts",
  ],
};

const snakeCase = (name: string): string => name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase();

/** What the canonical entities call things, as the graph and as the tables write it. */
function canonicalWords(): string[] {
  const fields = entityNames.flatMap(entity => fieldsOf(entity));
  const names = [...Object.keys(canonical), ...fields.flatMap(([name, field]) => [name, ...(field.values ?? [])])];
  return names.flatMap(name => [name, `${name}s`, snakeCase(name)]);
}

const exceptions = new Set([...canonicalWords(), ...Object.values(general).flat()].map(word => word.toLowerCase()));

/** Every text in a value, names of objects included. */
function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(textsIn);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [name, ...textsIn(inner)]);
}

/** Asked with a key that no text of a declaration contains, so that it can be taken out again. */
const KEY = "0451";
const days = { from: "", to: "" };

function requestsOf({ list, lookup, related }: Collection): UpstreamRequest[] {
  const requests = [list.request(days)];
  if (lookup) requests.push(lookup.mode === "batch" ? lookup.request([KEY]) : lookup.request(KEY));
  if (related) requests.push(related.mode === "batch" ? related.request([KEY], days) : related.request(KEY));
  return requests;
}

const withoutKey = (text: string): string => text.replaceAll(KEY, "");

function requestWords({ path, query = {}, body }: UpstreamRequest): Words {
  const sent = body?.type === "graphql" ? [body.document, ...textsIn(body.variables)] : textsIn(body?.value);
  const values = [...Object.values(query).map(String), ...sent].map(withoutKey).flatMap(identifiersIn);
  const segments = identifiersIn(withoutKey(path)).filter(isTechnical);
  return together([pathWords(Object.keys(query)), { phrases: [path.split(KEY)[0]!], names: [...values, ...segments] }]);
}

const ruleTexts = ({ inputs, table = {}, of = [] }: RuleData): string[] => [
  ...inputs,
  ...Object.keys(table),
  ...of.flatMap(ruleTexts),
];

const pageTexts = ({ style: _style, ...pages }: Pagination): string[] =>
  Object.values(pages).filter(value => typeof value === "string");

/** What a declaration says in the provider's own words. */
interface Words {
  /** Paths, headers, parameters and the like: looked for as they are. */
  readonly phrases: readonly string[];
  /** Names of fields and values of enums: looked for one by one. */
  readonly names: readonly string[];
}

const together = (parts: readonly Words[]): Words => ({
  phrases: parts.flatMap(part => part.phrases),
  names: parts.flatMap(part => part.names),
});
const identifiersIn = (text: string): string[] => text.match(/[A-Za-z0-9_]+/g) ?? [];
/** A dotted path as it is and name by name; a parameter such as `page[size]` as it is only. */
const pathWords = (paths: readonly string[]): Words => ({
  phrases: paths,
  names: paths.filter(path => /^[\w.]+$/.test(path.replaceAll("[*]", ""))).flatMap(identifiersIn),
});
/** Whether a word could not stand in an English sentence. */
const isTechnical = (word: string): boolean => /[_0-9]|[a-z][A-Z]/.test(word);

function collectionWords(name: string, collection: Collection): Words {
  const { list, lookup, related, identity, map } = collection;
  const rules: readonly RuleData[] = [...Object.values(map), ...Object.values(identity?.keys ?? {})];
  const items = [list, lookup, related].flatMap(read => (read !== undefined && "items" in read ? [read.items] : []));
  const pages = [list.pages, ...(related?.mode === "each" ? [related.pages] : [])];
  return together([
    { phrases: [], names: [name] },
    pathWords([...items, ...pages.flatMap(pageTexts), ...rules.flatMap(ruleTexts)]),
    ...requestsOf(collection).map(requestWords),
  ]);
}

function clientWords({ client, ...source }: Source): Words {
  const { headers = {}, auth, learned = {}, failures = {}, baseUrl } = client;
  const learnedNames = (learned.headers ?? []).flatMap(({ remaining, limit, reset }) => [remaining, limit, reset?.header]);
  const headerNames = [...Object.keys(headers), ...learnedNames, learned.usage?.header, failures.retryHint];
  const paths = [...Object.values(learned.cost ?? {}), failures.errors, failures.throttled?.path, failures.absent?.path];
  const codes = [failures.throttled?.equals, failures.absent?.equals];
  const tokenPath = auth.scheme === "client-credentials" ? auth.tokenPath : undefined;
  const given = (texts: readonly (string | undefined)[]) => texts.filter(text => text !== undefined);
  return together([
    { phrases: given([...headerNames, ...Object.values(headers), tokenPath, new URL(baseUrl).hostname]), names: [] },
    pathWords(given(paths)),
    { phrases: [], names: given(codes) },
    { phrases: [], names: [source.name, baseUrlVariable({ client, ...source }), ...secretVariables({ client, ...source })] },
  ]);
}

/** A declaration's own words, apart from what anybody says. */
interface ProviderWords {
  readonly phrases: ReadonlySet<string>;
  readonly names: ReadonlySet<string>;
}

const wordsOf = (source: Source): Words =>
  together([
    clientWords(source),
    ...Object.entries(source.collections).map(([name, collection]) => collectionWords(name, collection)),
  ]);

function providerWords(source: Source): ProviderWords {
  const { phrases, names } = wordsOf(source);
  const isTelling = (word: string) => word.length > 1 && !exceptions.has(word.toLowerCase());
  return {
    phrases: new Set(phrases.filter(text => /[^A-Za-z0-9_]/.test(text)).filter(isTelling)),
    names: new Set(names.filter(isTelling)),
  };
}

async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(`${project}${folder}`, { recursive: true, withFileTypes: true });
  return entries
    .filter(entry => entry.isFile() && /\.(ts|tsx|js|graphql|sql|json|html)$/.test(entry.name))
    .map(entry => `${entry.parentPath}/${entry.name}`);
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\-]/g, String.raw`\$&`);
/** The longest first, so that a path is found before its own beginning. */
const wholeWords = (words: readonly string[], flags: string): RegExp => {
  const choices = words.toSorted((a, b) => b.length - a.length).map(escaped);
  return new RegExp(`(?<![A-Za-z0-9_])(?:${choices.join("|")})(?![A-Za-z0-9_])`, flags);
};

type Finder = (text: string, name: string) => string[];

/**
 * Finds provider words in a text, as `file:line: word`. Phrases and the sources' own names count wherever they stand, in any case; technical
 * names wherever they stand as they are spelled; a word that could stand in an English sentence only inside a quoted text without
 * white space, which is how a field or a value is named.
 */
function finder({ phrases, names }: ProviderWords, sourceNames: readonly string[]): Finder {
  const known = [...names].filter(word => !sourceNames.includes(word));
  const inAnyCase = wholeWords([...phrases, ...sourceNames.filter(name => names.has(name))], "gi");
  const asSpelled = wholeWords(known.filter(isTechnical), "g");
  const english = known.filter(word => !isTechnical(word));
  const inQuotes = wholeWords(english, "g");
  const quotedIn = (line: string) => [...line.matchAll(/(["'`])([^\s"'`]+)\1/g)].map(([, , quoted]) => quoted).join(" ");
  const findIn = (line: string) => [
    ...line.matchAll(inAnyCase),
    ...line.matchAll(asSpelled),
    ...quotedIn(line).matchAll(inQuotes),
  ];
  return (text, name) => text.split("\n").flatMap((line, index) => findIn(line).map(([word]) => `${name}:${index + 1}: ${word}`));
}

let sources: readonly Source[];
let words: ProviderWords;
let find: Finder;
let texts: ReadonlyMap<string, string>;

beforeAll(async () => {
  sources = (await discoverSources()).sources;
  const each = sources.map(providerWords);
  words = {
    phrases: new Set(each.flatMap(({ phrases }) => [...phrases])),
    names: new Set(each.flatMap(({ names }) => [...names])),
  };
  find = finder(
    words,
    sources.map(({ name }) => name),
  );
  const files = (await Promise.all(scanned.map(filesUnder))).flat().filter(file => !file.endsWith(template));
  texts = new Map(
    await Promise.all(files.map(async file => [file.slice(project.length), await readFile(file, "utf8")] as const)),
  );
});

describe("the words of the providers", () => {
  it("are collected from every declaration", () => {
    expect(sources.length).toBeGreaterThan(3);
    for (const source of sources) {
      const { phrases, names } = providerWords(source);
      expect(phrases.size).toBeGreaterThan(0);
      // Its name and its address's variable at least: a source without secrets may say the rest as we do.
      expect(names.size).toBeGreaterThan(1);
    }
  });

  it("would be found wherever they were planted", () => {
    for (const name of words.names) expect(find(`\nread(record, "a.${name}");`, "x.ts")).toContain(`x.ts:2: ${name}`);
    for (const phrase of words.phrases) expect(find(`// see ${phrase} there`, "x.ts").join()).toContain(`x.ts:1: ${phrase}`);
    for (const { name } of sources.filter(source => words.names.has(source.name)))
      expect(find(`// as ${name.toUpperCase()} does`, "x.ts")).toEqual([`x.ts:1: ${name.toUpperCase()}`]);
    expect(find(`const xxx = "${[...words.names].map(name => `x${name}x`).join(" ")}";`, "x.ts")).toEqual([]);
  });

  it("are told from general words by a list without dead entries", () => {
    const said = new Set(sources.map(wordsOf).flatMap(({ phrases, names }) => [...phrases, ...names]));
    expect(
      Object.values(general)
        .flat()
        .filter(word => !said.has(word)),
    ).toEqual([]);
  });

  it("stand nowhere but in the sources' own folders", () => {
    expect(texts.size).toBeGreaterThan(50);
    for (const folder of scanned)
      expect([...texts.keys()].filter(name => name.startsWith(`${folder}/`)).length).toBeGreaterThan(3);
    expect([...texts].flatMap(([name, text]) => find(text, name))).toEqual([]);
  });
});
