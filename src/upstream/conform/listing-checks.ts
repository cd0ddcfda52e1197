import { type Json, keyText, valueAt } from "../../core/json.ts";
import type { CatalogEntry } from "../../source/catalog.ts";
import { policiesOf } from "../../source/drift.ts";
import { contractDifferences } from "../drift/contract-differences.ts";
import { pathOf } from "../drift/finding.ts";
import { mappingOf } from "../decode.ts";
import { readChanges } from "../listing/changes.ts";
import { instantIn, stepOf } from "../listing/scale.ts";
import type { Check, Finding } from "./report.ts";
import { readSample, type Sample } from "./sample.ts";
import type { Session } from "./session.ts";

/** What the checks of one collection know. */
export interface Subject {
  readonly entry: CatalogEntry;
  readonly session: Session;
  readonly sample: Sample;
  readonly nowMs: number;
}

/** Records that page sizes are compared over. */
const COMPARED = 4;

/** Checks of a collection's listing, over the sample that was read. */
export const listingChecks = (subject: Subject): readonly Check[] => [
  {
    check: "records satisfy the contract",
    expected: "every record has the fields that the contract requires, in their types",
    make: () => contract(subject),
  },
  { check: "values can be read", expected: "every mapped value can be read by its rule", make: () => values(subject) },
  { check: "words are known", expected: "every word of an enumeration is in the map", make: () => words(subject) },
  {
    check: "unknown fields",
    expected: "what records have beside the contract is known to the author",
    make: () => unknown(subject),
  },
  { check: "keys are unique", expected: "every record has a key, and no two have the same", make: () => keys(subject) },
  {
    check: "page sizes agree",
    expected: "the first records are the same in pages of 1, of 2, and of the maximum",
    make: () => pageSizes(subject),
  },
  { check: "order is as declared", expected: `records come ${subject.entry.collection.list.order}`, make: () => order(subject) },
  { check: "totals agree", expected: "the advertised total is the number of records", make: () => totals(subject) },
  {
    check: "watermark is honoured",
    expected: "what has changed since an instant is nothing older",
    make: () => watermark(subject),
  },
];

const nothing: Finding = { skip: "the listing has no records", remedy: "Run it against an account that has some." };
const unique = (texts: readonly string[]): string => [...new Set(texts)].slice(0, 5).join("; ");

function contract({ entry, sample: { records } }: Subject): Finding {
  if (records.length === 0) return nothing;
  const broken = records.map(record => contractDifferences(entry.collection.contract, record)).filter(found => found.length > 0);
  if (broken.length === 0) return { pass: `${records.length} records` };
  const places = unique(broken.flat().map(({ place, kind }) => `${pathOf(place)}: ${kind}`));
  const remedy = "Adapt the contract: optional or nullable what may be missing, the type that comes.";
  return { fail: `${broken.length} of ${records.length} records differ at ${places}`, remedy };
}

const issuesIn = ({ entry, sample: { records } }: Subject, code: string): string[] =>
  records
    .filter(record => contractDifferences(entry.collection.contract, record).length === 0)
    .flatMap(record => mappingOf(entry).read(record).issues)
    .filter(issue => issue.code === code)
    .map(({ field, rule, inputs }) => `${field} (${rule} of ${inputs.join(", ")})`);

function values(subject: Subject): Finding {
  if (subject.sample.records.length === 0) return nothing;
  const found = issuesIn(subject, "INVALID_VALUE");
  if (found.length === 0) return { pass: `${subject.sample.records.length} records` };
  return {
    fail: `${found.length} values cannot be read: ${unique(found)}`,
    remedy: "Choose the rule that fits what the field holds.",
  };
}

function words(subject: Subject): Finding {
  if (subject.sample.records.length === 0) return nothing;
  const found = issuesIn(subject, "UNKNOWN_ENUM_VALUE");
  if (found.length === 0) return { pass: "no word that the map lacks" };
  const remedy = "Add the words to the enumOf rule; until then they are UNKNOWN.";
  const seen = `${found.length} that the map lacks: ${unique(found)}`;
  const isLetThrough = policiesOf(subject.entry.collection.drift).newEnumValue === "evolve";
  return isLetThrough ? { pass: `${seen}; let through`, remedy } : { fail: seen, remedy };
}

/** Never a failure: providers add fields as they like. */
function unknown({ entry, sample: { records } }: Subject): Finding {
  if (records.length === 0) return nothing;
  const used = new Set(Object.values(entry.collection.map).flatMap(rule => rule.inputs.map(path => path.split(".")[0])));
  const names = new Set(records.flatMap(record => (typeof record === "object" && record !== null ? Object.keys(record) : [])));
  const others = [...names].filter(name => !used.has(name)).toSorted();
  const shown = others.slice(0, 12).join(", ") + (others.length > 12 ? ", …" : "");
  return { pass: others.length === 0 ? "none" : `${others.length} that no rule reads: ${shown}` };
}

function keys({ sample }: Subject): Finding {
  if (sample.keys.length === 0) return nothing;
  const missing = sample.keys.filter(key => key === undefined).length;
  const repeated = sample.keys.length - new Set(sample.keys).size - Math.max(0, missing - 1);
  if (missing + repeated === 0) return { pass: `${sample.keys.length} keys over ${sample.pages} page(s)` };
  const remedy = "Take the field that is the record's own key, or join several with joined; look at how the listing goes on.";
  return { fail: `of ${sample.keys.length} records ${missing} have no key and ${repeated} one that came before`, remedy };
}

async function pageSizes({ entry, session, sample, nowMs }: Subject): Promise<Finding> {
  const { pages, order: declared } = entry.collection.list;
  if (pages.style === "one" || pages.style === "export") return { skip: `a listing of style ${pages.style} has no pages` };
  if (!("sizeParameter" in pages) || pages.sizeParameter === undefined)
    return { skip: "the source alone decides on the size of a page" };
  const wanted = sample.keys.slice(0, COMPARED);
  if (wanted.length < 2) return { skip: "there are fewer than two records" };
  const textOf = (found: Sample["keys"]) => {
    const texts = found.map(String);
    return (declared === "unordered" ? texts.toSorted() : texts).join(", ");
  };
  for (const pageSize of [1, 2]) {
    const found = await readSample(session, entry, { size: wanted.length, pageSize, nowMs });
    if (textOf(found.keys) !== textOf(wanted)) {
      const seen = `pages of ${pageSize} gave ${found.keys.length} records, ${found.keys.filter(key => wanted.includes(key)).length} of them the first ${wanted.length}`;
      return { fail: seen, remedy: "Look at the pagination: parameter, start, cursor, and what ends it." };
    }
  }
  return { pass: `the first ${wanted.length} records are the same` };
}

/** Fields that an order may go by, canonical ones by the path that they are read from. */
function* orderings({ entry, sample }: Subject): Generator<readonly (number | bigint | undefined)[]> {
  const { watermark: mark } = entry.collection.list;
  if (mark) yield sample.records.map(record => instantIn(valueAt(record, mark.field), mark.fieldFormat ?? mark.format));
  for (const field of ["createdAt", "issuedAt", "openedAt", "day"]) {
    const [path] = entry.collection.map[field]?.inputs ?? [];
    if (path !== undefined) yield sample.records.map(record => comparable(valueAt(record, path)));
  }
  yield sample.keys.map(comparable);
}

function comparable(value: unknown): number | bigint | undefined {
  const text = keyText(value);
  if (text === undefined) return undefined;
  if (/^-?\d+$/.test(text)) return BigInt(text);
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : atMs;
}

function order(subject: Subject): Finding {
  const declared = subject.entry.collection.list.order;
  if (declared === "unordered") return { skip: "no order is declared" };
  let opposite = false;
  for (const found of orderings(subject)) {
    const known = found.filter(value => value !== undefined);
    if (known.length < 3 || known.length < found.length) continue;
    const rises = known.every((value, at) => at === 0 || value >= known[at - 1]!);
    const falls = known.every((value, at) => at === 0 || value <= known[at - 1]!);
    if (rises === falls) continue;
    if (rises === (declared === "oldest-first")) return { pass: `${known.length} records, by time or key` };
    opposite = true;
  }
  if (!opposite) return { skip: "these records do not tell: none of their times and keys rises or falls all along" };
  return { fail: "they come the other way round", remedy: "Correct order in the declaration: checkpoints rely on it." };
}

function totals({ sample }: Subject): Finding {
  const { advertisedTotal: total, records, isWhole } = sample;
  if (total === null) return { skip: "the source says no total, or the declaration does not say where" };
  if (total < records.length || (isWhole && total !== records.length))
    return {
      fail: `${total} advertised, ${isWhole ? "" : "at least "}${records.length} listed`,
      remedy: "Correct the path in total, or leave it out where the source only estimates.",
    };
  if (isWhole) return { pass: `${total} advertised and listed` };
  return { skip: `${records.length} of ${total} records were read`, remedy: `Give --sample ${total} to read them all.` };
}

async function watermark({ entry, session, sample }: Subject): Promise<Finding> {
  const { watermark: mark } = entry.collection.list;
  if (mark === undefined) return { skip: "no watermark is declared" };
  const instantOf = (record: Json) => instantIn(valueAt(record, mark.field), mark.fieldFormat ?? mark.format);
  const instants = sample.records.flatMap(record => instantOf(record) ?? []).toSorted((a, b) => a - b);
  const watermarkMs = instants[Math.floor(instants.length / 2)];
  if (watermarkMs === undefined)
    return { fail: `no record has a time at ${mark.field}`, remedy: "Correct the watermark's field or format." };
  const floorMs = watermarkMs - (mark.lookbackMs ?? 0) - 2 * stepOf[mark.format];
  const since = { watermarkMs, boundary: [], isBoundaryKnown: false };
  for await (const { page } of readChanges(session, entry, since, { context: session.context })) {
    const older = page.records.filter(record => (instantOf(record) ?? floorMs) < floorMs).length;
    const remedy = "Correct the watermark's parameter or format: the source takes no notice of it.";
    if (older > 0) return { fail: `${older} of ${page.records.length} records are older`, remedy };
    if (page.records.length > 0) return { pass: `${page.records.length} records, none older` };
  }
  return { fail: "none came, though some have changed since", remedy: "Correct the watermark's parameter or format." };
}
