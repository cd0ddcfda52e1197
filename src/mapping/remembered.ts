/** Entries that a memory holds before it starts anew: the distinct values of a large column, in a few MB. */
const MAX_ENTRIES = 50_000;

/** A costly function of text that is run once for each distinct input while its memory lasts. */
export function remembered(compute: (text: string) => string | null): (text: string) => string | null {
  const known = new Map<string, string | null>();
  return text => {
    const before = known.get(text);
    if (before !== undefined) return before;
    if (known.size >= MAX_ENTRIES) known.clear();
    const value = compute(text);
    known.set(text, value);
    return value;
  };
}
