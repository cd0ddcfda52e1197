import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { WRITABLE } from "./sandbox-contacts.ts";
import type { Contact, ContactBook, Properties } from "./sandbox-contacts.ts";
import { invalid, noSuchContact } from "./sandbox-errors.ts";
import type { SearchAnswer } from "./sandbox-search.ts";

/** The state behind the routes. */
export interface HubSpotState {
  readonly contacts: ContactBook;
  readonly search: (body: unknown) => SearchAnswer;
  /** Epoch milliseconds. */
  readonly clock: () => number;
}

/** A contact on the wire. @see https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/guide */
export interface WireContact {
  readonly id: string;
  readonly properties: Properties;
  readonly createdAt: string | null;
  readonly updatedAt: string | null;
  readonly archived: boolean;
}

/** `paging` is absent on the last page. */
export interface Paging {
  readonly paging?: { readonly next: { readonly after: string; readonly link?: string } };
}

const DEFAULT_PROPERTIES = ["firstname", "lastname", "email"];
const ALWAYS = ["createdate", "hs_object_id", "lastmodifieddate"];
const MAX_LIMIT = 100;
const MAX_BATCH = 100;

type Query = Readonly<Record<string, string | readonly string[] | undefined>>;
const queryOf = (request: FastifyRequest) => request.query as Query;
const idIn = (request: FastifyRequest) => (request.params as { readonly id: string }).id;

/** Names asked for that this account has: unknown ones are left out without a word, as the provider does. */
function show({ id, properties, archived }: Contact, asked: readonly string[] = DEFAULT_PROPERTIES): WireContact {
  const names = [...asked, ...ALWAYS].filter(name => Object.hasOwn(properties, name));
  const chosen = Object.fromEntries(names.map(name => [name, properties[name] ?? null]));
  return {
    id,
    properties: chosen,
    createdAt: properties["createdate"] ?? null,
    updatedAt: properties["lastmodifieddate"] ?? null,
    archived,
  };
}

function propertiesIn(request: FastifyRequest): readonly string[] | undefined {
  const { properties } = queryOf(request);
  if (properties === undefined) return undefined;
  return [properties].flat().flatMap(list => list.split(","));
}

function limitIn(request: FastifyRequest): number {
  const limit = Number(queryOf(request)["limit"] ?? 10);
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw invalid(`Invalid limit: it must be from 1 to ${MAX_LIMIT}.`);
}

/** The position after the last contact of the page before. */
function startIn(request: FastifyRequest, contacts: ContactBook): number {
  const { after } = queryOf(request);
  if (after === undefined || after === "") return 0;
  const position = contacts.positionOf(String(after));
  if (position < 0) throw invalid(`Invalid after: ${String(after)}`);
  return position + 1;
}

function linkTo(request: FastifyRequest, after: string): string {
  const url = new URL(request.url, `http://${request.headers.host ?? "127.0.0.1"}`);
  url.searchParams.set("after", after);
  return url.href;
}

/** `GET /crm/v3/objects/contacts` */
export function listContacts(
  { contacts }: HubSpotState,
  request: FastifyRequest,
): { readonly results: readonly WireContact[] } & Paging {
  const limit = limitIn(request);
  const archived = queryOf(request)["archived"] === "true";
  const asked = propertiesIn(request);
  const found: Contact[] = [];
  for (let position = startIn(request, contacts); position < contacts.length && found.length <= limit; position++) {
    const contact = contacts.at(position);
    if (contact.archived === archived) found.push(contact);
  }
  const results = found.slice(0, limit).map(contact => show(contact, asked));
  const after = results.at(-1)?.id;
  if (found.length <= limit || after === undefined) return { results };
  return { results, paging: { next: { after, link: linkTo(request, after) } } };
}

function positionIn({ contacts }: HubSpotState, request: FastifyRequest): number {
  const id = idIn(request);
  const { idProperty, archived } = queryOf(request);
  const position = idProperty === "email" ? (contacts.withEmail(id)[0] ?? -1) : contacts.positionOf(id);
  if (position < 0 || contacts.at(position).archived !== (archived === "true")) throw noSuchContact(id);
  return position;
}

/** `GET /crm/v3/objects/contacts/:id` */
export const getContact = (state: HubSpotState, request: FastifyRequest): WireContact =>
  show(state.contacts.at(positionIn(state, request)), propertiesIn(request));

const patchContract = z.object({ properties: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])) });

/** `PATCH /crm/v3/objects/contacts/:id`: an empty value clears a property. */
export function updateContact(state: HubSpotState, request: FastifyRequest): WireContact {
  const position = positionIn(state, request);
  const read = patchContract.safeParse(request.body);
  if (!read.success) throw invalid("Invalid input JSON: properties must be an object of texts.");
  const entries = Object.entries(read.data.properties);
  const unknown = entries.find(([name]) => !WRITABLE.has(name))?.[0];
  if (unknown !== undefined)
    throw invalid(`Property values were not valid: Property "${unknown}" does not exist`, {
      errors: [
        { message: `Property "${unknown}" does not exist`, code: "PROPERTY_DOESNT_EXIST", context: { propertyName: [unknown] } },
      ],
    });
  const properties = Object.fromEntries(
    entries.map(([name, value]) => [name, value === null || value === "" ? null : String(value)]),
  );
  return show(state.contacts.patch(position, properties, state.clock()), [...WRITABLE]);
}

/** `DELETE /crm/v3/objects/contacts/:id`: 204, and 204 again for one that is gone. */
export function archiveContact({ contacts }: HubSpotState, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const position = contacts.positionOf(idIn(request));
  if (position >= 0) contacts.archive(position);
  return reply.code(204).send();
}

const batchContract = z.object({
  inputs: z
    .array(z.object({ id: z.string() }))
    .min(1)
    .max(MAX_BATCH, { error: `The maximum batch size is ${MAX_BATCH}` }),
  properties: z.array(z.string()).optional(),
  idProperty: z.enum(["email", "hs_object_id"]).optional(),
});

/** `POST /crm/v3/objects/contacts/batch/read`: 207 when some are absent; results come in the provider's order, each once. */
export function readBatch({ contacts, clock }: HubSpotState, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const read = batchContract.safeParse(request.body);
  if (!read.success) throw invalid(`Invalid input JSON: ${read.error.issues[0]?.message ?? "unreadable"}`);
  const { inputs, properties, idProperty } = read.data;
  const lookup = (id: string) => (idProperty === "email" ? (contacts.withEmail(id)[0] ?? -1) : contacts.positionOf(id));
  const isThere = (position: number) => position >= 0 && !contacts.at(position).archived;
  const asked = inputs.map(({ id }) => ({ id, position: lookup(id) }));
  const absent = asked.filter(({ position }) => !isThere(position)).map(({ id }) => id);
  const present = new Set(asked.filter(({ position }) => isThere(position)).map(({ position }) => position));
  const results = [...present].sort((a, b) => a - b).map(position => show(contacts.at(position), properties));
  const now = new Date(clock()).toISOString();
  const body = { status: "COMPLETE", results, startedAt: now, completedAt: now };
  if (absent.length === 0) return reply.send(body);
  const error = {
    status: "error",
    category: "OBJECT_NOT_FOUND",
    message: "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid.",
    context: { ids: absent },
  };
  return reply.code(207).send({ ...body, numErrors: 1, errors: [error] });
}

/** `POST /crm/v3/objects/contacts/search` */
export function searchContacts({ search }: HubSpotState, request: FastifyRequest) {
  const { total, found, properties, next } = search(request.body);
  const results = found.map(contact => show(contact, properties));
  return next === undefined ? { total, results } : { total, results, paging: { next: { after: String(next) } } };
}
