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

/** The pools of connections to a source. */
export interface Connections {
  /** For answers that are read whole: what is cut does not parse. */
  readonly dispatcher: Dispatcher;
  /**
   * For answers that are read line by line: HTTP/1.1 only. Of an HTTP/2 stream that its source gives up with `CANCEL` or `NO_ERROR`, undici makes a body
   * that ends well, and a cut between two lines would not show.
   */
  readonly lineDispatcher: () => Dispatcher;
  readonly hasProxy: boolean;
  /** How many connections were opened so far; undefined when a proxy opens them. */
  readonly opened: () => number | undefined;
  readonly close: () => Promise<void>;
}

/** In ms. */
export const defaultTimeouts = { connectMs: 3_000, headersMs: 8_000, bodyMs: 8_000, totalMs: 30_000 } as const;

/**
 * One pool for each origin, of at most `concurrency` connections that are kept alive; HTTP/2 where the source offers it. The environment is not
 * read: undici would, wherever a proxy is left undefined.
 */
export function createConnections(client: Client, options: ConnectionOptions): Connections {
  let opened = 0;
  const countOpened = () => opened++;
  const { httpProxy = "", httpsProxy = "" } = options.proxy ?? {};
  const hasProxy = httpProxy !== "" || httpsProxy !== "";
  const dispatcher = createDispatcher(client, options, { allowH2: client.http2 ?? true, hasProxy, countOpened });
  let forLines: Dispatcher | undefined;
  return {
    dispatcher,
    lineDispatcher: () => (forLines ??= createDispatcher(client, options, { allowH2: false, hasProxy, countOpened })),
    hasProxy,
    opened: () => (hasProxy ? undefined : opened),
    close: async () => {
      await Promise.all([dispatcher.destroy(), forLines?.destroy()]);
    },
  };
}

interface DispatcherTraits {
  readonly allowH2: boolean;
  readonly hasProxy: boolean;
  readonly countOpened: () => void;
}

function createDispatcher(
  client: Client,
  given: ConnectionOptions,
  { allowH2, hasProxy, countOpened }: DispatcherTraits,
): Dispatcher {
  const timeouts = { ...defaultTimeouts, ...client.timeouts };
  const tls: ConnectOptions = { ...given.connect, allowH2, timeout: timeouts.connectMs };
  const connector = buildConnector(tls);
  const connect: buildConnector.connector = (target, callback) => {
    countOpened();
    connector(target, callback);
  };
  const { headersMs: headersTimeout, bodyMs: bodyTimeout } = timeouts;
  const options: Agent.Options = {
    connect,
    allowH2,
    headersTimeout,
    bodyTimeout,
    connections: client.concurrency ?? 16,
    pipelining: 1,
  };
  if (!hasProxy) return new Agent(options);
  const { httpProxy = "", httpsProxy = "", noProxy = "" } = given.proxy ?? {};
  return new EnvHttpProxyAgent({ ...options, requestTls: tls, httpProxy, httpsProxy, noProxy });
}
