const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** Hashes text to an unsigned 32-bit integer (FNV-1a over UTF-16 units). @see http://www.isthe.com/chongo/tech/comp/fnv/ */
export function hashText(text: string): number {
  let hash = FNV_OFFSET;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  return hash >>> 0;
}

/** Mixes two 32-bit integers into one, every input bit touching every output bit. */
export function mix(a: number, b: number): number {
  let hash = (Math.imul(a, 0x9e3779b1) ^ b) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad);
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** A stream of reproducible draws: the same seed words give the same draws, on every machine. */
export class Dice {
  #state: number;

  constructor(seed: number, scope: number, index = 0, part = 0) {
    this.#state = mix(mix(mix(seed, scope), index), part);
  }

  /** The next unsigned 32-bit integer. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    return mix(this.#state, 0x5bd1e995);
  }

  /** A number from 0 inclusive to 1 exclusive. */
  fraction(): number {
    return this.next() / 0x1_0000_0000;
  }

  /** An integer from 0 inclusive to `bound` exclusive. */
  below(bound: number): number {
    return Math.floor(this.fraction() * bound);
  }

  /** True with the given probability from 0 to 1. One draw is spent whatever the probability. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** One element of a list that is not empty. Throws `RangeError` on an empty list. */
  pick<T>(list: readonly T[]): T {
    const picked = list[this.below(list.length)];
    if (picked === undefined) throw new RangeError("cannot pick from an empty list");
    return picked;
  }

  /** `count` decimal digits, leading zeros included. */
  digits(count: number): string {
    let text = "";
    for (let at = 0; at < count; at++) text += String(this.below(10));
    return text;
  }
}
