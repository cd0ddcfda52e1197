import { Readable } from "node:stream";
import type { FastifyInstance } from "fastify";
import type { CallCounter } from "./calls.ts";
import type { FaultBook } from "./fault-book.ts";
import { readFault } from "./faults.ts";
import type { Imitation } from "./imitation.ts";
import type { Population } from "./population.ts";
import { truthText } from "./truth.ts";

/** What the control interface works on. */
export interface ControlOptions {
  readonly calls: CallCounter;
  readonly faults: FaultBook;
  readonly population: Population;
  readonly imitations: readonly Imitation[];
  /** Everything that imitations asked to be told of a reset. */
  readonly resets: readonly (() => void)[];
}

/** Mounts `/calls`, `/reset`, `/faults` and `/truth` on an instance that carries the prefix `/__control`. */
export function mountControl(app: FastifyInstance, { calls, faults, population, imitations, resets }: ControlOptions): void {
  const sources = imitations.map(({ name }) => name);
  app.get("/calls", () => calls.read());
  app.post("/reset", () => {
    calls.reset();
    faults.clear();
    for (const forget of resets) forget();
    return { reset: true };
  });
  app.post("/faults", (request, reply) => {
    const fault = readFault(request.body, sources);
    return "kind" in fault ? reply.code(201).send(faults.add(fault)) : reply.code(400).send({ error: fault });
  });
  app.get("/faults", () => ({ faults: faults.list() }));
  app.delete("/faults", () => {
    const lifted = faults.list().length;
    faults.clear();
    return { lifted };
  });
  app.get("/truth", (_request, reply) =>
    reply.type("application/json").send(Readable.from(truthText(population, imitations), { objectMode: false })),
  );
}
