import type { Order } from "../../../src/source/collection.ts";
import type { Pagination, PaginationStyle } from "../../../src/source/pagination.ts";
import { standingOf, styleFacts } from "../../../src/upstream/listing/standing.ts";
import { tableOf } from "./tables.ts";

const introduction = `# Pagination

How a listing is paged, and what becomes of a row that is there all the time while others come, go or are edited between two pages. This file is
generated from \`src/upstream/listing/standing.ts\`: \`UPDATE_DOCS=1 npm test -- test/unit/docs\` writes it anew. The statements are held by
\`test/unit/upstream/listing/changing.test.ts\`, which lists a changing table under every style that goes from page to page.

A verdict says \`mayHaveMissed\` and \`mayHaveRepeated\` when the style may and there was more than one page. A row that is added during the listing may
or may not come. A row that comes twice does no harm: the later one counts.
`;

const orders: readonly Order[] = ["oldest-first", "newest-first", "unordered"];
const word = (may: boolean) => (may ? "may" : "never");

/** A style's statement; only its footing counts, so that no more of the declaration is needed. */
const cells = (pages: object, order: Order, isOrderChangedByEdits: boolean): string[] => {
  const { mayMiss, mayRepeat } = standingOf({ pages: pages as Pagination, order, isOrderChangedByEdits });
  return [word(mayMiss), word(mayRepeat)];
};

/** `docs/pagination.md`, from what the styles state of themselves. */
export function pagingDocument(): string {
  const rows = Object.entries(styleFacts).flatMap(([style, { name, nextPage, end, footing }]) => {
    const row = (marks: object, said: string) => [said, nextPage, end, ...cells({ style, ...marks }, "oldest-first", false)];
    const offset = footing === "cursor" ? [row({ marks: "offset" }, `${name}, \`marks: "offset"\``)] : [];
    return [row({}, name), ...offset];
  });
  const edits = orders.map(order => [order, ...cells({ style: "keyset" satisfies PaginationStyle }, order, true)]);
  return `${introduction}
## Styles

${tableOf(["style", "next page", "end", "misses a standing row", "repeats one"], rows)}

## Listings whose order edits change

With \`isOrderChangedByEdits\`, an edit moves a row to another place in the listing. For styles that never miss or repeat a row otherwise, save those that
come whole:

${tableOf(["order", "misses an edited row", "repeats one"], edits)}
`;
}
