import type { AddressInfo } from "node:net";
import { fastify } from "fastify";
import type { FastifyInstance } from "fastify";
import { createCallCounter } from "./calls.ts";
import { mountControl } from "./control.ts";
import { DeliveryBook } from "./deliveries.ts";
import { createFaultBook } from "./fault-book.ts";
import type { Imitation, World } from "./imitation.ts";
import { injectFaults } from "./inject.ts";
import { createPopulation, type Dice } from "./population.ts";

/** How to start a sandbox. */
export interface SandboxOptions {
  /** Loopback port; 0 takes any free one. */
  readonly port: number;
  /** The same seed makes the same world. */
  readonly seed: number;
  /** How many people there are, 1 to 4,000,000. */
  readonly customers: number;
  readonly imitations: readonly Imitation[];
  /** False lifts every rate limit. Default true. */
  readonly quotas?: boolean;
  /** The present instant, epoch milliseconds. Default the system's clock. */
  readonly clock?: () => number;
}

/** A sandbox that serves. */
export interface Sandbox {
  /** `http://127.0.0.1:<port>`, under which every source has its own `/<name>/`. */
  readonly origin: string;
  readonly port: number;
  /** Base URLs and credentials of all sources, by the names of the environment variables that clients read. */
  readonly environment: Readonly<Record<string, string>>;
  /** Stops serving at once; open connections are cut. */
  close(): Promise<void>;
}

const HOST = "127.0.0.1";
const BODY_LIMIT_BYTES = 16 * 1024 * 1024;

function createApp(): FastifyInstance {
  const app = fastify({
    forceCloseConnections: true,
    bodyLimit: BODY_LIMIT_BYTES,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 500 },
  });
  app.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "string" }, (_request, body, done) =>
    done(null, new URLSearchParams(String(body))),
  );
  return app;
}

function mountAll(app: FastifyInstance, options: SandboxOptions): void {
  const { imitations, seed, customers, quotas = true, clock = Date.now } = options;
  const rates = Object.fromEntries(imitations.flatMap(({ name, rates: own }) => (own ? [[name, own]] : [])));
  const population = createPopulation({ seed, size: customers, rates });
  const calls = createCallCounter(imitations.map(({ name }) => name));
  const faults = createFaultBook();
  const resets: (() => void)[] = [];
  const deliveries = new DeliveryBook(clock);
  const changes = new Map<string, (dice: Dice) => void>();
  const world: World = {
    population,
    clock,
    quotas,
    seed,
    onReset: callback => void resets.push(callback),
    notify: (source, event) => deliveries.notify(source, event),
    onChange: (source, change) => void changes.set(source, change),
  };
  app.addHook("onClose", async () => deliveries.clear());
  for (const imitation of imitations) {
    const mount = async (instance: FastifyInstance) => {
      injectFaults(instance, { source: imitation.name, faults, calls, clock });
      await imitation.mount(instance, world);
    };
    app.register(mount, { prefix: `/${imitation.name}` });
  }
  const control = async (instance: FastifyInstance) =>
    mountControl(instance, { calls, faults, population, imitations, resets, deliveries, changes });
  app.register(control, { prefix: "/__control" });
}

/**
 * Serves every imitation and the control interface on one loopback port.
 *
 * Throws `RangeError` when `customers` is out of range, and the system's error (`EADDRINUSE`) when the port is taken.
 */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const app = createApp();
  mountAll(app, options);
  await app.listen({ host: HOST, port: options.port });
  const { port } = app.server.address() as AddressInfo;
  const origin = `http://${HOST}:${port}`;
  const environment = Object.assign({}, ...options.imitations.map(imitation => imitation.environment(origin))) as Record<
    string,
    string
  >;
  return { origin, port, environment, close: () => app.close() };
}
