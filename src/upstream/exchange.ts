import type { Clock, Logger, Secrets } from "../core/ports.ts";
import type { Source } from "../source/define-source.ts";
import type { UpstreamRequest } from "../source/request.ts";
import type { Authorizer, SendForToken } from "./auth/authorizer.ts";
import { createAuthorizer } from "./auth/create-authorizer.ts";
import type { Permit } from "./budget/gate.ts";
import { tlsMaterial } from "./auth/client-tls.ts";
import { MemoryTokenStore, type TokenStore } from "./auth/token-store.ts";
import type { ConnectOptions, ProxySettings } from "./connection.ts";
import type { CallContext } from "./context.ts";
import { hedged } from "./hedge.ts";
import { HttpCache } from "./http-cache.ts";
import { Latency } from "./latency.ts";
import { createTransport, type StreamedResponse, type Transport } from "./transport.ts";
import type { Vitals } from "./vitals.ts";
import type { WireRequest, WireResponse } from "./wire.ts";

export interface ExchangeOptions {
  readonly baseUrl: string;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly proxy?: ProxySettings;
  /** Where rotated tokens are kept; in memory unless given. */
  readonly tokens?: TokenStore;
}

interface ExchangeParts extends ExchangeOptions {
  readonly vitals: Vitals;
  /** A place in the budget that nobody waits for, for a second request; undefined when there is none. */
  readonly spare: (request: UpstreamRequest) => Permit | undefined;
}

/** One attempt as it goes to the log. */
export interface AttemptFacts {
  readonly attempt: number;
  /** How long it waited for its turn. */
  waitedMs: number;
  /** The credential that was used, once there is one. */
  credential?: string;
}

const MAX_OPERATIONS = 500;
/** Longer than any request may take: then nothing uses the connections of a replaced certificate any more. */
const OLD_TRANSPORT_MS = 60_000;

/** One request and its answer, with nothing interpreted: credentials, signature, kept answers, the wire. */
export class Exchange {
  readonly #source: Source;
  readonly #parts: ExchangeParts;
  #transport: Transport;
  /** Of the client certificate that the transport was made with. */
  #tlsFingerprint: string | undefined;
  readonly #authorizer: Authorizer;
  /** Null when the declaration wants nothing kept. */
  readonly #cache: HttpCache | null;
  readonly #latencies = new Map<string, Latency>();

  constructor(source: Source, parts: ExchangeParts) {
    this.#source = source;
    this.#parts = parts;
    this.#transport = this.#createTransport();
    const { cache, auth } = source.client;
    this.#cache = cache === false ? null : new HttpCache({ clock: parts.clock, ...cache });
    const tokens = parts.tokens ?? new MemoryTokenStore();
    this.#authorizer = createAuthorizer(auth, { ...parts, source: source.name, tokens, send: this.#sendForToken() });
  }

  /** An earlier answer that the source still vouches for: nothing is sent. */
  fresh(request: UpstreamRequest): WireResponse | undefined {
    if (this.#cache === null || this.#cache.isEmpty || request.method !== "GET") return undefined;
    return this.#cache.fresh(this.#transport.prepare(request), this.#scope());
  }

  /** Drops a kept answer that proved to be of no use. */
  forget(request: UpstreamRequest): void {
    this.#cache?.forget(this.#transport.prepare(request), this.#scope());
  }

  /** Sends a request once, or, where the declaration says so and the answer is late, twice. */
  async send(request: UpstreamRequest, context: CallContext, facts: AttemptFacts): Promise<WireResponse> {
    const afterMs = this.#hedgeAfterMs(request, context);
    if (afterMs === undefined) return this.#sendOnce(request, context, facts);
    const { clock } = this.#parts;
    const first = (signal: AbortSignal) => this.#sendOnce(request, { ...context, signal }, facts);
    return hedged(first, { afterMs, clock, signal: context.signal, second: () => this.#second(request, context, facts) });
  }

  /** A file that is read as it arrives. An address that the source gave is asked without credentials. */
  async stream(
    from: UpstreamRequest | { readonly href: string },
    context: CallContext,
    facts: AttemptFacts,
  ): Promise<StreamedResponse> {
    const { clock, logger, vitals } = this.#parts;
    await this.#presentCertificate();
    const wire = await this.#downloadRequest(from, context, facts);
    const startedAtMs = clock.nowMs();
    vitals.count("calls");
    const answer = await this.#transport.stream(wire, context.signal);
    const { priority, requestId } = context;
    const operation = "href" in from ? "download" : from.operation;
    const line = { source: this.#source.name, operation, priority, requestId, status: answer.status, attempt: facts.attempt };
    logger.info({ ...line, ms: clock.nowMs() - startedAtMs }, "upstream download begun");
    return answer;
  }

  /** The credential was refused; true when there is a point in another attempt. */
  renew(used: string | undefined): boolean {
    return this.#authorizer.renew(used);
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  #sendForToken(): SendForToken {
    return async (request, headers, signal) => {
      await this.#presentCertificate();
      const wire = this.#transport.prepare(request);
      const context = { signal, requestId: "token", priority: "live" } as const;
      return this.#transmit(request, { ...wire, headers: { ...wire.headers, ...headers } }, context, {});
    };
  }

  #createTransport(connect?: ConnectOptions): Transport {
    const { baseUrl, proxy } = this.#parts;
    return createTransport(baseUrl, this.#source.client, { ...(proxy && { proxy }), ...(connect && { connect }) });
  }

  /** Takes a replaced client certificate into use; throws `CONFIG_SECRET_MISSING` when there is none. */
  async #presentCertificate(): Promise<void> {
    const { tls } = this.#source.client;
    if (tls === undefined) return;
    const { connect, fingerprint } = tlsMaterial(tls, this.#parts.secrets);
    if (fingerprint === this.#tlsFingerprint) return;
    const before = this.#transport;
    this.#transport = this.#createTransport(connect);
    this.#tlsFingerprint = fingerprint;
    // Requests under way are let finish.
    setTimeout(() => void before.close(), OLD_TRANSPORT_MS).unref();
  }

  /** An address that the source gave is asked without credentials. */
  async #downloadRequest(
    from: UpstreamRequest | { readonly href: string },
    { signal }: CallContext,
    facts: AttemptFacts,
  ): Promise<WireRequest> {
    if ("href" in from) return this.#transport.prepareDownload(from.href);
    const { request, credential } = await this.#authorizer.authorize(this.#transport.prepare(from), signal);
    facts.credential = credential;
    signal.throwIfAborted();
    return request;
  }

  async #sendOnce(request: UpstreamRequest, context: CallContext, facts: AttemptFacts): Promise<WireResponse> {
    await this.#presentCertificate();
    const prepared = this.#transport.prepare(request);
    const scope = this.#scope();
    const conditional = this.#cache?.conditional(prepared, scope) ?? prepared;
    const authorized = await this.#authorizer.authorize(conditional, context.signal);
    facts.credential = authorized.credential;
    context.signal.throwIfAborted();
    const { attempt, waitedMs } = facts;
    const response = await this.#transmit(request, authorized.request, context, { attempt, waitedMs });
    return this.#cache?.settle(prepared, scope, response) ?? response;
  }

  /** Stands for whose credentials are used. */
  #scope(): string {
    return this.#authorizer.scope();
  }

  #second(request: UpstreamRequest, context: CallContext, facts: AttemptFacts) {
    const permit = this.#parts.spare(request);
    if (permit === undefined) return undefined;
    this.#parts.vitals.count("hedges");
    return async (signal: AbortSignal) => {
      try {
        return await this.#sendOnce(request, { ...context, signal }, { ...facts });
      } finally {
        permit.settle();
      }
    };
  }

  #hedgeAfterMs(request: UpstreamRequest, { priority }: CallContext): number | undefined {
    if (this.#source.client.hedge !== true || priority !== "live" || !request.isSafe) return undefined;
    return this.#latencies.get(request.operation)?.p95Ms();
  }

  /** Sends, counts and logs; the token endpoint is spoken to in the same way. */
  async #transmit(
    request: UpstreamRequest,
    wire: WireRequest,
    context: Pick<CallContext, "signal" | "requestId" | "priority">,
    facts: object,
  ): Promise<WireResponse> {
    const { clock, logger, vitals } = this.#parts;
    const startedAtMs = clock.nowMs();
    vitals.count("calls");
    const response = await this.#transport.send(wire, context.signal);
    const ms = clock.nowMs() - startedAtMs;
    if (this.#source.client.hedge === true && response.status < 400) this.#latencyOf(request.operation).record(ms);
    const { priority, requestId } = context;
    const line = { source: this.#source.name, operation: request.operation, priority, requestId, status: response.status };
    logger.info({ ...line, ...facts, ms, bytes: response.text.length }, "upstream call");
    return response;
  }

  #latencyOf(operation: string): Latency {
    const known = this.#latencies.get(operation) ?? new Latency();
    // Names are few; whoever makes up new ones all the time is not hedged.
    if (this.#latencies.size < MAX_OPERATIONS) this.#latencies.set(operation, known);
    return known;
  }
}
