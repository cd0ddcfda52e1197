import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo, Server as NetServer } from "node:net";
import { bearer } from "../../src/source/auth.ts";
import type { Client } from "../../src/source/define-source.ts";
import type { UpstreamRequest } from "../../src/source/request.ts";
import type { ConnectionOptions } from "../../src/upstream/connection.ts";
import { createTransport, type Transport } from "../../src/upstream/transport.ts";

/** Servers and transports of one test, all on loopback, closed together. */
export class Bench {
  readonly #closers: (() => unknown)[] = [];

  /** Listens on a free port of loopback and gives it back. */
  async listen(server: NetServer): Promise<number> {
    await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
    this.#closers.push(() => server.close());
    return (server.address() as AddressInfo).port;
  }

  async http(listener: RequestListener): Promise<{ readonly port: number; readonly server: Server }> {
    const server = createServer(listener);
    const port = await this.listen(server);
    this.#closers.push(() => server.closeAllConnections());
    return { port, server };
  }

  transport(baseUrl: string, client: Partial<Client> = {}, options: ConnectionOptions = {}): Transport {
    const transport = createTransport(baseUrl, { baseUrl, auth: bearer({ secret: "X" }), limits: [], ...client }, options);
    this.#closers.push(() => transport.close());
    return transport;
  }

  /** A transport to a server that answers with `listener`. */
  async over(listener: RequestListener, client: Partial<Client> = {}): Promise<Transport> {
    const { port } = await this.http(listener);
    return this.transport(`http://127.0.0.1:${port}/base`, client);
  }

  onClose(close: () => unknown): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.toReversed()) await close();
    this.#closers.length = 0;
  }
}

export const never = () => new AbortController().signal;
export const send = async (transport: Transport, request: UpstreamRequest, signal = never()) =>
  transport.send(transport.prepare(request), signal);
