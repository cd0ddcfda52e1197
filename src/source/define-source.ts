import { canonical } from "../core/canonical.ts";
import { ConfigError } from "../core/errors.ts";
import { type Auth, type ClientTls, secretNamesOf } from "./auth.ts";
import { listingProblem } from "./check-listing.ts";
import type { Collection } from "./collection.ts";
import type { Failures } from "./failures.ts";
import { eventsProblem } from "./events.ts";
import type { Learned, Limit } from "./limits.ts";
import { type Stream, streamProblem } from "./streams.ts";
import { defaultReconcile, reconcileProblem, signatureProblem, type Webhooks } from "./webhooks.ts";

/** How a source is spoken to, the same for all its collections. */
export interface Client {
  /** The provider's own address; `<NAME>_BASE_URL` in the environment replaces it. */
  readonly baseUrl: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly auth: Auth;
  /** A client certificate for the TLS handshake (mTLS). */
  readonly tls?: ClientTls;
  readonly limits: readonly Limit[];
  readonly learned?: Learned;
  /** Requests in flight at once; 16 unless stated. */
  readonly concurrency?: number;
  readonly timeouts?: Timeouts;
  /** Largest response in bytes after decompression; 16 MiB unless stated. */
  readonly maxResponseBytes?: number;
  /** Whether HTTP/2 is spoken where the source offers it; true unless stated. */
  readonly http2?: boolean;
  /** Redirects of a GET that are followed, at most so many in a row; none unless stated. Not for requests that are signed: the signature is for one address. */
  readonly redirects?: { readonly max: number };
  /** Hosts (`name` or `name:port`) beside its own that redirects and downloads may lead to. They never see a credential. */
  readonly otherHosts?: readonly string[];
  /** What may be kept of its answers, where its own headers allow it (RFC 9111); false for nothing. Up to 64 MiB unless stated, in memory only. */
  readonly cache?: false | { readonly maxBytes?: number };
  /** The header that carries an idempotency key: with it, an unsafe request may be sent again. */
  readonly idempotency?: { readonly header: string };
  /** Whether a live read whose answer is later than 95 in 100 of its kind is sent once more, budget permitting; false unless stated. */
  readonly hedge?: boolean;
  readonly failures?: Failures;
}

/** In ms; for each attempt. */
export interface Timeouts {
  /** Until a connection stands, with TLS; 3,000 unless stated. */
  readonly connectMs?: number;
  /** Until the headers have come; 8,000 unless stated. */
  readonly headersMs?: number;
  /** Between two pieces of the body; 8,000 unless stated. */
  readonly bodyMs?: number;
  /** For everything together, however steadily it drips; 30,000 unless stated. */
  readonly totalMs?: number;
}

export interface SourceSpec {
  /** Lower case letters and digits: names the folder, the environment variables and the errors. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  /** The version of the provider's interface that the contracts were written for. */
  readonly version: string;
  readonly client: Client;
  readonly collections: Readonly<Record<string, Collection>>;
  /** How the source calls us when something changes. */
  readonly webhooks?: Webhooks;
  /** How the source says what changes over connections that stay open; by name, which is the channel of their events. */
  readonly streams?: Readonly<Record<string, Stream>>;
}

/** A declared source. */
export interface Source extends SourceSpec {
  readonly kind: "source";
}

/** Declares a source and refuses what cannot be right; throws `SOURCE_INVALID` naming the place. */
export function defineSource(spec: SourceSpec): Source {
  if (!/^[a-z][a-z0-9]*$/.test(spec.name)) refuse(spec.name, "a source's name is lower case letters and digits");
  for (const limit of spec.client.limits) checkLimit(spec.name, limit);
  checkConnections(spec.name, spec.client);
  for (const [name, collection] of Object.entries(spec.collections)) checkCollection(spec, name, collection);
  const { webhooks } = spec;
  const problem =
    webhooks &&
    (signatureProblem(webhooks.signature) ??
      eventsProblem(webhooks.events, Object.keys(spec.collections)) ??
      reconcileProblem(webhooks.reconcile ?? defaultReconcile));
  if (problem !== undefined) refuse(`${spec.name}: webhooks`, problem);
  for (const [name, stream] of Object.entries(spec.streams ?? {})) checkStream(spec, name, stream);
  return Object.freeze({ kind: "source", ...spec });
}

/** The environment variable that replaces a source's base URL. */
export const baseUrlVariable = (source: SourceSpec): string => `${source.name.toUpperCase()}_BASE_URL`;
/** The environment variables that hold a source's secrets. */
export const secretVariables = ({ client: { auth, tls }, streams = {} }: SourceSpec): readonly string[] => [
  ...new Set([
    ...secretNamesOf(auth),
    ...(tls ? Object.values(tls) : []),
    ...Object.values(streams).flatMap(stream =>
      stream.transport === "kafka" && stream.login ? [stream.login.user, stream.login.password] : [],
    ),
  ]),
];

function refuse(place: string, problem: string): never {
  throw new ConfigError("SOURCE_INVALID", `${place}: ${problem}`);
}

function checkStream(spec: SourceSpec, name: string, stream: Stream): void {
  if (name === "webhook" || !/^[a-z][a-zA-Z0-9]*$/.test(name)) refuse(`${spec.name}: streams`, `${name} is no name for a stream`);
  const problem = streamProblem(stream) ?? eventsProblem(stream.events, Object.keys(spec.collections));
  if (problem !== undefined) refuse(`${spec.name}: streams.${name}`, problem);
}

function checkLimit(place: string, limit: Limit): void {
  const { type, ...amounts } = limit;
  const wrong = Object.entries(amounts).filter(
    ([name, amount]) => typeof amount === "number" && !(amount > 0) && name !== "resetHour",
  );
  if (wrong.length > 0)
    refuse(place, `a ${type} limit's numbers must be greater than zero: ${wrong.map(([name]) => name).join(", ")}`);
  if (limit.type === "quota" && !(limit.resetHour >= 0 && limit.resetHour < 24)) refuse(place, "a quota's resetHour is 0 to 23");
}

function checkConnections(
  place: string,
  { timeouts = {}, maxResponseBytes = 1, redirects, otherHosts = [], cache }: Client,
): void {
  const amounts = [...Object.values(timeouts), maxResponseBytes, redirects?.max ?? 1, (cache && cache.maxBytes) || 1];
  if (amounts.some(amount => !(amount > 0))) refuse(place, "timeouts, sizes and redirects must be greater than zero");
  const isHost = (host: string) => !host.includes("*") && URL.parse(`https://${host}`)?.host === host;
  const wrong = otherHosts.find(host => !isHost(host));
  if (wrong !== undefined) refuse(place, `otherHosts are names like files.example.com or files.example.com:8443, not ${wrong}`);
}

function checkCollection(spec: SourceSpec, name: string, collection: Collection): void {
  const place = `${spec.name}.${name}`;
  const fields = Object.keys(canonical[collection.canonical]);
  const missing = fields.filter(field => !(field in collection.map));
  const unknown = Object.keys(collection.map).filter(field => !fields.includes(field));
  if (missing.length > 0)
    refuse(place, `no rule for the canonical fields ${missing.join(", ")}; use literal(null) for what the source lacks`);
  if (unknown.length > 0) refuse(place, `${collection.canonical} has no fields ${unknown.join(", ")}`);
  const problem = listingProblem(collection.list);
  if (problem !== undefined) refuse(place, problem);
  const { maxQuarantinedShare: share = 0 } = collection;
  if (!(share >= 0 && share <= 1)) refuse(place, `maxQuarantinedShare is a share from 0 to 1, not ${share}`);
  if (collection.canonical === "Customer") checkCustomer(place, collection);
  else if ("customer" in canonical[collection.canonical]) checkOwned(spec, place, collection);
}

function checkCustomer(place: string, collection: Collection): void {
  if (!collection.identity) refuse(place, "a collection of customers states its identity clues");
  if (!collection.survivorship) refuse(place, "a collection of customers states its survivorship rank");
  if (!collection.lookup) refuse(place, "a collection of customers has a lookup by key");
}

function checkOwned(spec: SourceSpec, place: string, collection: Collection): void {
  const owner = collection.owner === undefined ? undefined : spec.collections[collection.owner];
  if (owner?.canonical !== "Customer") refuse(place, "owner must name a collection of customers in this source");
  if (collection.related === undefined)
    refuse(place, "a collection with an owner states how an owner's records are read: related");
}
