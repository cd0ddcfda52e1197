import { Agent, buildConnector, type Dispatcher, EnvHttpProxyAgent } from "undici";
import type { Client } from "../source/define-source.ts";

/** Proxies as the environment names them; an empty or missing one is not used. Their addresses may hold credentials: never show them. */
export interface ProxySettings {
  readonly httpProxy?: string;
  readonly httpsProxy?: string;
  /** Hosts that are spoken to without a proxy, divided by commas. */
  readonly noProxy?: string;
}

export type ConnectOptions = Partial<buildConnector.BuildOptions>;

export interface ConnectionOptions {
  /** For the TLS handshake with the source: a client certificate, own authorities. */
  readonly connect?: ConnectOptions;
  readonly proxy?: ProxySettings;
}

/** The pool of connections to a source. */
export interface Connections {
  readonly dispatcher: Dispatcher;
  readonly hasProxy: boolean;
  /** How many connections were opened so far; undefined when a proxy opens them. */
  opened(): number | undefined;
}

/** In ms. */
export const defaultTimeouts = { connectMs: 3_000, headersMs: 8_000, bodyMs: 8_000, totalMs: 30_000 } as const;

/**
 * One pool for each origin, of at most `concurrency` connections that are kept alive; HTTP/2 where the source offers it. The environment is not
 * read: undici would, wherever a proxy is left undefined.
 */
export function createConnections(client: Client, { connect = {}, proxy = {} }: ConnectionOptions): Connections {
  const timeouts = { ...defaultTimeouts, ...client.timeouts };
  const allowH2 = client.http2 ?? true;
  const tls: ConnectOptions = { ...connect, allowH2, timeout: timeouts.connectMs };
  let opened = 0;
  const connector = buildConnector(tls);
  const counting: buildConnector.connector = (target, callback) => {
    opened++;
    connector(target, callback);
  };
  const options: Agent.Options = {
    connect: counting,
    allowH2,
    headersTimeout: timeouts.headersMs,
    bodyTimeout: timeouts.bodyMs,
    connections: client.concurrency ?? 16,
    pipelining: 1,
  };
  const { httpProxy = "", httpsProxy = "", noProxy = "" } = proxy;
  const hasProxy = httpProxy !== "" || httpsProxy !== "";
  if (!hasProxy) return { dispatcher: new Agent(options), hasProxy, opened: () => opened };
  // Without one of its own, undici would send https over the proxy for http.
  const dispatcher = new EnvHttpProxyAgent({ ...options, requestTls: tls, httpProxy, httpsProxy, noProxy });
  return { dispatcher, hasProxy, opened: () => undefined };
}
