import type { Imitation } from "./imitation.ts";
import type { Population } from "./population.ts";

const PEOPLE_PER_CHUNK = 500;

function personText(population: Population, imitations: readonly Imitation[], index: number): string {
  const records = imitations.flatMap(imitation =>
    imitation.records(population, index).map(({ collection, key }) => ({ source: imitation.name, collection, key })),
  );
  return JSON.stringify({ person: population.person(index), records });
}

/** Who is who, as the text of `{"people": [{person, records: [{source, collection, key}]}]}`, in chunks. */
export function* truthText(population: Population, imitations: readonly Imitation[]): Generator<string> {
  yield '{"people":[';
  for (let from = 0; from < population.size; from += PEOPLE_PER_CHUNK) {
    const count = Math.min(PEOPLE_PER_CHUNK, population.size - from);
    const people = Array.from({ length: count }, (_empty, at) => personText(population, imitations, from + at));
    yield (from === 0 ? "" : ",\n") + people.join(",\n");
  }
  yield "]}\n";
}
