import { ContractError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import type { CatalogEntry } from "../source/catalog.ts";
import type { CallContext } from "../upstream/context.ts";
import { readRecord } from "../upstream/decode.ts";
import type { DriftWatch } from "../upstream/drift/drift-log.ts";
import { readPages } from "../upstream/listing.ts";
import { type Fetched, placed, plainText } from "../upstream/reads.ts";
import type { Upstream } from "../upstream/upstream.ts";

/** The exchange rates of a calendar year, found by key. */
export interface RateYear {
  /** Undefined when nothing is published under that key. Throws `UPSTREAM_CONTRACT` for a record that cannot be read. */
  find(key: string): Fetched | undefined;
}

interface Options {
  readonly upstream: Upstream;
  readonly context: CallContext;
  /** Is told of every record that is needed, once. */
  readonly onDecoded: (record: Fetched) => void;
}

interface Raw {
  readonly record: Json;
  readonly fetchedAtMs: number;
}

/** Lists a year's rates. Thousands come and a few are needed: each is decoded when it is first looked for. */
export async function readRateYear(entry: CatalogEntry, year: string, options: Options): Promise<RateYear> {
  const { list } = entry.collection;
  const request = list.request({ from: `${year}-01-01`, to: `${year}-12-31` });
  const raw = new Map<string, Raw>();
  for await (const page of readPages(options.upstream, { request, items: list.items, pages: list.pages }, options.context)) {
    for (const record of page.records) {
      const key = plainText(entry, "key", record) ?? nameless(entry, record, options);
      raw.set(key, { record, fetchedAtMs: page.response.receivedAtMs });
    }
  }
  return decodedWhenNeeded(entry, raw, options);
}

/** A record whose key cannot be read may be any of those that are looked for: then none of them is known to be absent. */
function nameless(entry: CatalogEntry, record: Json, { context }: Options): never {
  readRecord(entry, record, context.drift);
  throw new ContractError("UPSTREAM_CONTRACT", `${entry.source.title}: a record of ${entry.name} has no key`);
}

function decodedWhenNeeded(entry: CatalogEntry, raw: ReadonlyMap<string, Raw>, { context, onDecoded }: Options): RateYear {
  const decoded = new Map<string, Fetched>();
  const left = new Set<string>();
  return {
    find: key => {
      const known = decoded.get(key);
      const found = raw.get(key);
      if (known !== undefined || found === undefined || left.has(key)) return known;
      const read = decodedOf(entry, found.record, context.drift);
      if (read === null) return void left.add(key);
      const fetched = { ...read, fetchedAtMs: found.fetchedAtMs };
      decoded.set(key, fetched);
      onDecoded(fetched);
      return fetched;
    },
  };
}

function decodedOf(entry: CatalogEntry, record: Json, watch: DriftWatch | undefined) {
  try {
    return readRecord(entry, record, watch);
  } catch (thrown) {
    throw placed(thrown, entry);
  }
}
