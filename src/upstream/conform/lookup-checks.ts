import { lastDays } from "../../core/days.ts";
import type { Json } from "../../core/json.ts";
import { decode } from "../decode.ts";
import { exactText } from "../listing/guard.ts";
import { lookupRecords } from "../lookup.ts";
import { relatedPages, relatedRecords } from "../related.ts";
import type { Fetched } from "../reads.ts";
import type { Subject } from "./listing-checks.ts";
import type { Check, Finding } from "./report.ts";
import { failureOf } from "./session.ts";

/** Records that are read by key; the requests of a lookup one by one are as many. */
const LOOKED_UP = 3;

/** Checks of a collection's lookup and of its records by owner. */
export const lookupChecks = (subject: Subject): readonly Check[] => [
  { check: "lookup equals listing", expected: "a record read by its key is the one that is listed", make: () => equals(subject) },
  {
    check: "unknown key is absent",
    expected: "a key that is not there gives no record and no error",
    make: () => absent(subject),
  },
  {
    check: "batch is matched by key",
    expected: "unknown, repeated and reordered keys each give their own record",
    make: () => batch(subject),
  },
  { check: "records by owner", expected: "an owner's records are its own", make: () => byOwner(subject) },
];

const noLookup: Finding = { skip: "no lookup is declared" };
const tooFew: Finding = { skip: "too few sound records are listed" };

/** Listed records that can be mapped. */
function soundOf({ entry, sample }: Subject) {
  return sample.records.flatMap(record => {
    try {
      return [decode(entry, record).entity];
    } catch {
      return []; // the contract's own check tells of it
    }
  });
}

const textOf = (entity: object): string => exactText(entity as unknown as Json);

/** A key in the form of the source's own that is not among those that are known. */
function strangerTo(keys: readonly string[]): string {
  const model = keys[0] ?? "unknown";
  const known = new Set(keys);
  const tries = Array.from({ length: 90 }, (_, at) => model.slice(0, -2) + String(99 - at).padStart(2, "0"));
  return tries.find(key => !known.has(key)) ?? `${model}0`;
}

async function equals(subject: Subject): Promise<Finding> {
  const { entry, session } = subject;
  if (entry.collection.lookup === undefined) return noLookup;
  const listed = soundOf(subject).slice(0, LOOKED_UP);
  if (listed.length === 0) return tooFew;
  const keys = listed.map(({ key }) => key);
  const found = await lookupRecords(session.asUpstream, entry, keys, session.context);
  const remedy = "Look at the lookup's address, items path and key; a record by key must have the same fields as a listed one.";
  for (const entity of listed) {
    const outcome = found.get(entity.key);
    if (outcome instanceof Error) return failureOf(outcome);
    if (!outcome) return { fail: "a record that is listed is not found by its key", remedy };
    const fields = Object.keys(entity).filter(name => textOf({ v: entity[name] }) !== textOf({ v: outcome.entity[name] }));
    if (fields.length > 0) return { fail: `a record by its key differs from the listed one in ${fields.join(", ")}`, remedy };
  }
  return { pass: `${listed.length} records are equal, field by field` };
}

async function absent(subject: Subject): Promise<Finding> {
  const { entry, session } = subject;
  if (entry.collection.lookup === undefined) return noLookup;
  const key = strangerTo(soundOf(subject).map(each => each.key));
  const outcome = (await lookupRecords(session.asUpstream, entry, [key], session.context)).get(key);
  const remedy = "State in failures what the source says of a record that is not there: absent, or a form that means it.";
  if (outcome instanceof Error) return { ...failureOf(outcome), remedy };
  return outcome ? { skip: "the made-up key happens to be there" } : { pass: "absent, without an error" };
}

async function batch(subject: Subject): Promise<Finding> {
  const { entry, session } = subject;
  const { lookup } = entry.collection;
  if (lookup?.mode !== "batch") return { skip: "the lookup takes one key at a time" };
  const listed = soundOf(subject);
  const [first, second] = listed;
  if (!first || !second) return tooFew;
  const stranger = strangerTo(listed.map(({ key }) => key));
  const asked = [second.key, stranger, first.key, second.key].slice(0, Math.max(2, lookup.max));
  const found = await lookupRecords(session.asUpstream, entry, asked, session.context);
  const remedy = "Check the key's path: records are matched by the key they carry, never by their place.";
  for (const key of new Set(asked)) {
    const outcome = found.get(key);
    if (outcome instanceof Error) return failureOf(outcome);
    if ((outcome?.entity.key ?? stranger) !== key) return { fail: "a key has no record, or one that is not there has", remedy };
  }
  return { pass: `${new Set(asked).size} keys, one of them unknown` };
}

async function byOwner(subject: Subject): Promise<Finding> {
  if (subject.entry.collection.related === undefined) return { skip: "its records have no owner" };
  const owned = soundOf(subject).find(entity => typeof entity["customer"] === "string");
  if (owned === undefined) return tooFew;
  const ownerKey = String(owned["customer"]);
  const records = await recordsOf(subject, ownerKey);
  const foreign = records.filter(({ entity }) => entity["customer"] !== ownerKey).length;
  const remedy = "Look at the parameter by which related asks for an owner.";
  if (foreign > 0) return { fail: `${foreign} of ${records.length} records are another owner's`, remedy };
  if (records.length === 0) return { fail: "none came for an owner that has some", remedy };
  return { pass: `${records.length} records, all the owner's` };
}

async function recordsOf({ entry, session, nowMs }: Subject, ownerKey: string): Promise<readonly Fetched[]> {
  const read = entry.collection.related!;
  const { context, asUpstream } = session;
  if (read.mode === "batch") {
    const window = lastDays(entry.collection.list.days ?? 30, nowMs);
    const outcome = (await relatedRecords(asUpstream, entry, read, [ownerKey], { context, window })).get(ownerKey);
    if (outcome instanceof Error) throw outcome;
    return outcome ?? [];
  }
  for await (const page of relatedPages(asUpstream, entry, read, ownerKey, { context, pageSize: read.pages.maxPageSize }))
    return page.records;
  return [];
}
