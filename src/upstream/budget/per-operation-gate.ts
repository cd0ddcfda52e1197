import type { UpstreamRequest } from "../../source/request.ts";
import type { CallContext } from "../context.ts";
import type { Gate, LimitStatus, Permit } from "./gate.ts";

/** A limit that holds for each operation on its own: a gate for each, made when it is first asked for. */
export class PerOperationGate implements Gate {
  readonly #make: (operation: string) => Gate;
  readonly #nobody: LimitStatus;
  readonly #gates = new Map<string, Gate>();

  /** @param nobody what the limit looks like while nothing has been asked. */
  constructor(make: (operation: string) => Gate, nobody: LimitStatus) {
    this.#make = make;
    this.#nobody = nobody;
  }

  acquire(request: UpstreamRequest, context: CallContext): Promise<Permit> {
    return this.#gateOf(request).acquire(request, context);
  }

  spare(request: UpstreamRequest): Permit | undefined {
    return this.#gateOf(request).spare(request);
  }

  learn(): void {
    // What a provider says of its limits names no operation.
  }

  /** The operation that has the least left, and everybody who waits. */
  async status(): Promise<LimitStatus> {
    const all = await Promise.all([...this.#gates.values()].map(gate => gate.status()));
    const left = Math.min(this.#nobody.left, ...all.map(status => status.left));
    return { ...this.#nobody, left, queued: all.reduce((sum, { queued }) => sum + queued, 0) };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#gates.values()].map(gate => gate.close()));
  }

  #gateOf({ operation }: UpstreamRequest): Gate {
    const known = this.#gates.get(operation);
    if (known) return known;
    const gate = this.#make(operation);
    this.#gates.set(operation, gate);
    return gate;
  }
}
