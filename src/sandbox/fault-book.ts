import type { Fault } from "./faults.ts";
import { Dice, hashText } from "./random.ts";

/** A fault in force, with its number and the requests it has broken so far. */
type FaultInForce = Fault & { readonly id: number; readonly used: number };

/** The faults in force and the tokens they have revoked. */
export interface FaultBook {
  add(fault: Fault): FaultInForce;
  list(): readonly FaultInForce[];
  /** Lifts every fault, revoked tokens included. */
  clear(): void;
  /**
   * The faults that a request meets, in the order they were posted, up to and including the first that answers in the
   * source's place. Each is counted as used.
   */
  meet(
    source: string,
    request: { readonly line: string; readonly body: string; readonly authorization: string | undefined },
  ): readonly Fault[];
  /** Whether an `Authorization` header value has been revoked for a source. */
  isRevoked(source: string, authorization: string | undefined): boolean;
}

/** These leave the answer to the source, and spoil it or its way. */
const letsThrough: ReadonlySet<Fault["kind"]> = new Set<Fault["kind"]>([
  "delay",
  "truncate",
  "drift",
  "expire-token",
  "drip",
  "cut-headers",
  "cut-chunk",
  "content-type",
  "charset",
  "bom",
  "hostile-json",
  "multi-status",
]);
const limitOf = (fault: Fault) => fault.times ?? (fault.kind === "expire-token" ? 1 : Number.POSITIVE_INFINITY);
const diceOf = (fault: Fault) => new Dice(fault.seed ?? 1, hashText(JSON.stringify(fault)));

/** Makes an empty book. */
export function createFaultBook(): FaultBook {
  let faults: { readonly fault: Fault; readonly id: number; readonly dice: Dice; used: number }[] = [];
  let nextId = 1;
  const revoked = new Set<string>();
  const tokenOf = (source: string, authorization: string) => `${source} ${authorization}`;
  const shown = ({ fault, id, used }: (typeof faults)[number]): FaultInForce => ({ ...fault, id, used });
  const add = (fault: Fault) => {
    const entry = { fault, id: nextId++, dice: diceOf(fault), used: 0 };
    faults.push(entry);
    return shown(entry);
  };
  const clear = () => {
    faults = [];
    revoked.clear();
  };
  const isRevoked = (source: string, authorization: string | undefined) =>
    authorization !== undefined && revoked.has(tokenOf(source, authorization));
  const meet: FaultBook["meet"] = (source, { line, body, authorization }) => {
    const met: Fault[] = [];
    for (const entry of faults) {
      const { fault } = entry;
      if (fault.source !== source || entry.used >= limitOf(fault)) continue;
      const wanted = fault.match?.toLowerCase() ?? "";
      if (!line.toLowerCase().includes(wanted) && !body.toLowerCase().includes(wanted)) continue;
      if (fault.percent !== undefined && !entry.dice.chance(fault.percent / 100)) continue;
      if (fault.kind === "expire-token") {
        if (authorization === undefined || isRevoked(source, authorization)) continue;
        revoked.add(tokenOf(source, authorization));
      }
      entry.used++;
      met.push(fault);
      if (!letsThrough.has(fault.kind)) break;
    }
    return met;
  };
  return { add, list: () => faults.map(shown), clear, meet, isRevoked };
}
