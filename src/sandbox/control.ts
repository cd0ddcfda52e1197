import { Readable } from "node:stream";
import { z } from "zod";
import type { FastifyInstance } from "fastify";
import type { CallCounter } from "./calls.ts";
import type { DeliveryBook } from "./deliveries.ts";
import type { FaultBook } from "./fault-book.ts";
import { readFault } from "./faults.ts";
import type { Imitation } from "./imitation.ts";
import { Dice, type Population } from "./population.ts";
import { hashText } from "./random.ts";
import { truthText } from "./truth.ts";

/** What the control interface works on. */
export interface ControlOptions {
  readonly calls: CallCounter;
  readonly faults: FaultBook;
  readonly population: Population;
  readonly imitations: readonly Imitation[];
  /** Everything that imitations asked to be told of a reset. */
  readonly resets: readonly (() => void)[];
  readonly deliveries: DeliveryBook;
  /** By source, how one random change is made. */
  readonly changes: ReadonlyMap<string, (dice: Dice) => void>;
}

const changesContract = z.object({ source: z.string(), count: z.int().min(1).max(100_000).default(1), seed: z.int().default(1) });

/** Mounts `/calls`, `/reset`, `/faults`, `/changes`, `/deliveries` and `/truth` on an instance that carries the prefix `/__control`. */
export function mountControl(app: FastifyInstance, options: ControlOptions): void {
  const { calls, faults, population, imitations, resets, deliveries } = options;
  const sources = imitations.map(({ name }) => name);
  app.get("/calls", () => calls.read());
  app.post("/reset", () => {
    calls.reset();
    faults.clear();
    deliveries.clear();
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
  mountChanges(app, options);
  app.get("/truth", (_request, reply) =>
    reply.type("application/json").send(Readable.from(truthText(population, imitations), { objectMode: false })),
  );
}

/** `POST /changes` changes records at random; `PUT /deliveries/<source>` has an address called for every change, `GET /deliveries` tells what became of that. */
function mountChanges(app: FastifyInstance, { imitations, deliveries, changes }: ControlOptions): void {
  app.post("/changes", (request, reply) => {
    const read = changesContract.safeParse(request.body);
    const change = read.success ? changes.get(read.data.source) : undefined;
    if (!read.success || change === undefined)
      return reply
        .code(400)
        .send({ error: read.success ? `sources that change: ${[...changes.keys()].join(", ")}` : z.prettifyError(read.error) });
    const dice = new Dice(read.data.seed, hashText(`changes ${read.data.source}`));
    for (let made = 0; made < read.data.count; made++) change(dice);
    return reply.send({ changes: read.data.count });
  });
  app.put<{ Params: { source: string } }>("/deliveries/:source", (request, reply) => {
    const { source } = request.params;
    const dialect = imitations.find(({ name }) => name === source)?.webhooks;
    const problem = dialect ? deliveries.subscribe(source, dialect, request.body) : `${source} calls nobody`;
    return problem === undefined ? reply.code(204).send() : reply.code(400).send({ error: problem });
  });
  app.get("/deliveries", () => deliveries.counts());
}
