import type { Collection } from "../../source/collection.ts";
import { policiesOf } from "../../source/drift.ts";
import { declaredShape, type Shape } from "./shape.ts";

/** A collection's declared fields together with those that earlier readings have found. */
export function knownShape(collection: Collection, fields: readonly string[]): Shape {
  const shape = declaredShape(collection);
  for (const field of fields) shape.add(field);
  return shape;
}

/**
 * What one reading of a whole collection finds its fields to be. A contract states only the fields that are used, so what is new is told by what the
 * last complete reading had; the first one has nothing to be held against and only learns.
 */
export class LearnedFields {
  /** What the records are held against; null for the first reading. */
  readonly known: Shape | null;
  readonly #seen: Shape;
  readonly #isLearning: boolean;

  /** @param before what the last complete reading left; null when there was none */
  constructor(collection: Collection, before: readonly string[] | null) {
    this.known = before && knownShape(collection, before);
    this.#seen = knownShape(collection, before ?? []);
    this.#isLearning = before === null || policiesOf(collection.drift).unknownField === "evolve";
  }

  add(record: unknown): void {
    if (this.#isLearning) this.#seen.learn(record);
  }

  /** The fields that are known once the reading has come to its end. */
  after(): readonly string[] {
    return this.#seen.paths();
  }
}
