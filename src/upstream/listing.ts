import type { CallContext } from "./context.ts";
import { ListingGuard } from "./listing/guard.ts";
import { readExport } from "./listing/export.ts";
import type { ListingUpstream } from "./listing/listing-upstream.ts";
import { isCounted } from "./listing/standing.ts";
import { strategyOf } from "./listing/strategies.ts";
import { countIn } from "./listing/strategy.ts";
import type { Page, Walk } from "./listing/walk.ts";
import { itemsAt } from "./records.ts";
import type { UpstreamResponse } from "./upstream.ts";

/**
 * Every page of a listing in the provider's order. Ends when the provider says so, never because a page is short or empty. Throws
 * `UPSTREAM_LISTING`, with the guard's name in `details.guard`, when a cursor or a page's content comes back, whatever the length of the cycle, when a
 * ceiling is reached, or when a next link leads away from the base URL.
 */
export async function* readPages(upstream: ListingUpstream, walk: Walk, context: CallContext): AsyncGenerator<Page> {
  const { pages } = walk;
  if (pages.style === "export") return yield* readExport(upstream, { ...walk, pages }, context);
  const place = { source: upstream.source.name, operation: walk.request.operation };
  const baseUrl = () => upstream.baseUrl ?? upstream.source.client.baseUrl;
  const guard = new ListingGuard(place, walk, isCounted(pages));
  const total = walk.total ?? (pages.style === "offset" ? pages.total : undefined);
  const granted = new Set<number>();
  const strategy = strategyOf(pages);
  const size = Math.min(walk.pageSize ?? pages.maxPageSize, pages.maxPageSize);
  let cursor: string | null = walk.from ?? null;
  do {
    const request = strategy.request(pages, walk.request, cursor, size);
    const itemsOf = (answer: UpstreamResponse) => itemsAt(answer.body, walk.items, `${place.source} ${place.operation}`);
    const response = await upstream.send(request, context, answer => void (answer.problems[0] ?? itemsOf(answer)));
    if (response.problems[0]) throw response.problems[0];
    const { body, headers, text, receivedAtMs } = response;
    const records = itemsOf(response);
    // A provider may grant fewer than are asked for: then a page is full with as many as all the others had.
    const [only = 0] = granted;
    const full = granted.size === 1 && only > 0 ? Math.min(size, only) : size;
    granted.add(records.length);
    const { next, isEndCertain } = strategy.next(pages, { request, headers, body, records, cursor, size: full, baseUrl });
    guard.check({ cursor, next, records, bytes: text.length, receivedAtMs });
    yield { request, response, records, next, isEndCertain, advertisedTotal: countIn(body, total) };
    cursor = next;
  } while (cursor !== null);
}
