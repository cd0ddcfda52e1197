import { hashText } from "./random.ts";

/** Finds the positions of a listing that carry a text, without keeping the texts. */
export interface TextIndex {
  /** Positions that may carry the text, ascending; a few may carry another one, so compare before use. */
  find(text: string): readonly number[];
}

const EXACT_BITS = 53;

/** The first place in sorted values that is not below a bound. */
function lowerBound(sorted: Float64Array, bound: number): number {
  let low = 0;
  for (let high = sorted.length; low < high;) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Indexes `length` texts, null ones left out. Memory: 8 bytes a text. */
export function indexText(length: number, textAt: (position: number) => string | null): TextIndex {
  const span = 2 ** Math.ceil(Math.log2(length + 1));
  const hashes = Math.min(2 ** 32, 2 ** EXACT_BITS / span);
  const codeOf = (text: string) => (hashText(text) % hashes) * span;
  const packed = new Float64Array(length);
  let count = 0;
  for (let position = 0; position < length; position++) {
    const text = textAt(position);
    if (text !== null) packed[count++] = codeOf(text) + position;
  }
  const sorted = packed.slice(0, count).sort();
  const find = (text: string) => {
    const code = codeOf(text);
    return Array.from(sorted.subarray(lowerBound(sorted, code), lowerBound(sorted, code + span)), value => value % span);
  };
  return { find };
}
