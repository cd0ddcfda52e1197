import type { Lifecycle, Population, Rendering } from "../../src/sandbox/population.ts";
import { indexText } from "../../src/sandbox/text-index.ts";
import type { TextIndex } from "../../src/sandbox/text-index.ts";

/** A contact's properties by name; every value is text. */
export type Properties = Readonly<Record<string, string | null>>;

/** A contact before a request has chosen its properties. */
export interface Contact {
  readonly id: string;
  readonly properties: Properties;
  readonly archived: boolean;
}

/** Properties that clients may write. */
export const WRITABLE: ReadonlySet<string> = new Set([
  "firstname",
  "lastname",
  "email",
  "phone",
  "company",
  "country",
  "lifecyclestage",
  "account_number",
  "hs_lead_status",
]);

const SOURCE = "hubspot";
/** How far the search's index is behind what is written, in ms. */
const INDEX_LAG_MS = 5_000;
const ACCOUNT_NUMBER_SHARE = 0.7;
const LAST_EDIT = Date.UTC(2026, 10, 1);

const stages: Readonly<Record<Lifecycle, readonly [string, ...string[]]>> = {
  lead: ["lead", "LEAD", "subscriber", "marketingqualifiedlead", "salesqualifiedlead", "Lead"],
  trial: ["opportunity", "OPPORTUNITY", "Opportunity"],
  active: ["customer", "CUSTOMER", "Customer", "evangelist"],
  past_due: ["customer", "Customer"],
  churned: ["other", "OTHER"],
};
const leadStatuses = ["NEW", "OPEN", "IN_PROGRESS", "CONNECTED", null] as const;

/** The key space of contacts: position in the listing ↔ id. */
const contactKeys = (population: Population) => population.keys.ordered("hubspot.contacts");

const iso = (ms: number) => new Date(ms).toISOString();

function drawProperties(
  population: Population,
  rendering: Rendering,
  { copy, createdAt }: { copy: number; createdAt: number },
): Properties {
  const { givenName, familyName, email, phone, company, country, person } = rendering;
  const dice = rendering.dice(1);
  const statesAccount = population.states("hubspot.account_number", person.index, ACCOUNT_NUMBER_SHARE, copy);
  return {
    firstname: givenName,
    lastname: familyName,
    email,
    phone,
    company,
    country,
    lifecyclestage: rendering.spelling(...stages[person.lifecycle]),
    account_number: statesAccount ? person.accountNumber : null,
    hs_lead_status: dice.pick(leadStatuses),
    createdate: iso(createdAt),
    lastmodifieddate: iso(createdAt + Math.floor((LAST_EDIT - createdAt) * dice.fraction())),
  };
}

/** The ids under which a person is known here: none, one, or two. */
export function contactIdsOf(population: Population, person: number): readonly string[] {
  const traces = population.traces(SOURCE);
  const keys = contactKeys(population);
  return Array.from({ length: traces.copiesOf(person) }, (_empty, copy) => String(keys.of(traces.positionOf(person, copy))));
}

/** The contacts of a world with what has been written to them since, oldest first. */
export interface ContactBook {
  readonly length: number;
  /** A position in the listing. */
  at(position: number): Contact;
  /** A contact as the search's index has it: what was written a moment ago is not in it yet. */
  indexed(position: number, nowMs: number): Contact;
  /** Grows when the index takes something in that was written. */
  indexedVersion(nowMs: number): number;
  /** -1 when there is no such contact. */
  positionOf(id: string): number;
  /** Positions of the contacts with this address in any case, ascending. */
  withEmail(email: string): readonly number[];
  patch(position: number, properties: Properties, nowMs: number): Contact;
  archive(position: number): void;
  /** Grows with every write, so that what was found before can be told from what holds now. */
  version(): number;
  reset(): void;
}

/** What was written to a contact, and when. */
interface Patch {
  readonly atMs: number;
  readonly properties: Properties;
}

/** What was written to a contact: properties, or null where it was archived. */
export interface ContactWrite {
  readonly id: string;
  readonly properties: Properties | null;
}

/** Opens the contacts of a population; `onWrite` is told of every write. */
export function openContacts(population: Population, onWrite: (write: ContactWrite) => void): ContactBook {
  const traces = population.traces(SOURCE);
  const keys = contactKeys(population);
  const patches = new Map<number, readonly Patch[]>();
  const archived = new Set<number>();
  let index: TextIndex | undefined;
  let writes = 0;
  const renderingAt = (position: number) => {
    const { person, copy } = traces.at(position);
    return population.rendering(person, SOURCE, copy);
  };
  const patchedBy = (position: number, nowMs: number) =>
    Object.assign(
      {},
      ...(patches.get(position) ?? []).filter(({ atMs }) => atMs <= nowMs).map(patch => patch.properties),
    ) as Properties;
  const asOf = (position: number, nowMs: number): Contact => {
    const { copy } = traces.at(position);
    const properties = drawProperties(population, renderingAt(position), { copy, createdAt: traces.createdAt(position) });
    const id = String(keys.of(position));
    return {
      id,
      properties: { ...properties, hs_object_id: id, ...patchedBy(position, nowMs) },
      archived: archived.has(position),
    };
  };
  const at = (position: number) => asOf(position, Number.POSITIVE_INFINITY);
  const positionOf = (id: string) => {
    const position = keys.indexOf(id);
    return position !== null && position < traces.length ? position : -1;
  };
  const withEmail = (email: string) => {
    index ??= indexText(traces.length, position => renderingAt(position).email?.toLowerCase() ?? null);
    const wanted = email.toLowerCase();
    const candidates = new Set([...index.find(wanted), ...patches.keys()]);
    return [...candidates].filter(position => at(position).properties["email"]?.toLowerCase() === wanted).sort((a, b) => a - b);
  };
  const patch = (position: number, properties: Properties, nowMs: number) => {
    writes++;
    const patched = { atMs: nowMs, properties: { ...properties, lastmodifieddate: iso(nowMs) } };
    patches.set(position, [...(patches.get(position) ?? []), patched]);
    onWrite({ id: String(keys.of(position)), properties });
    return at(position);
  };
  const archive = (position: number) => {
    writes++;
    archived.add(position);
    onWrite({ id: String(keys.of(position)), properties: null });
  };
  const reset = () => {
    writes++;
    patches.clear();
    archived.clear();
  };
  const indexed = (position: number, nowMs: number) => asOf(position, nowMs - INDEX_LAG_MS);
  const indexedVersion = (nowMs: number) =>
    [...patches.values()].flat().filter(({ atMs }) => atMs <= nowMs - INDEX_LAG_MS).length;
  return {
    length: traces.length,
    at,
    indexed,
    indexedVersion,
    positionOf,
    withEmail,
    patch,
    archive,
    version: () => writes,
    reset,
  };
}
