import { describe, expect, it } from "@jest/globals";
import { listingProblem } from "../../../src/source/check-listing.ts";
import type { Listing } from "../../../src/source/collection.ts";
import type { Watermark } from "../../../src/source/increment.ts";
import { exportPages, keysetPages } from "../../../src/source/pagination.ts";
import { get } from "../../../src/source/request.ts";

const request = () => get("things.list", "/things");
const pages = keysetPages({ key: "id", afterParameter: "after", maxPageSize: 10 });
const list: Listing = { request, items: "rows[*]", pages, order: "newest-first" };
const watermark: Watermark = { field: "at", parameter: "since", format: "rfc3339", sees: "updates", isInclusive: true };
const states = { id: "id", poll: () => request(), status: "status", url: "url" };

describe("a listing's declaration", () => {
  it("is accepted when nothing contradicts itself", () => {
    expect(listingProblem({ ...list, watermark })).toBeUndefined();
    expect(listingProblem({ ...list, watermark: { ...watermark, sees: "inserts", editsBy: "webhooks" } })).toBeUndefined();
  });

  const wrong: readonly [string, Listing, string][] = [
    ["a page size of nothing", { ...list, pages: { ...pages, maxPageSize: 0 } }, "maxPageSize"],
    ["inserts alone", { ...list, watermark: { ...watermark, sees: "inserts" } }, "editsBy"],
    ["a checkpoint that moves too early", { ...list, watermark: { ...watermark, checkpoint: "each-page" } }, "newest-first"],
    ["a lookback into the future", { ...list, watermark: { ...watermark, lookbackMs: -1 } }, "negative"],
    ["an export with a wrapper", { ...list, pages: exportPages({ ...states, done: ["D"], failed: ["F"] }) }, "[*]"],
    ["states at odds", { ...list, items: "[*]", pages: exportPages({ ...states, done: ["D"], failed: ["D"] }) }, "both"],
    [
      "keys without an end",
      {
        ...list,
        windowCap: { rows: 5, split: { fromParameter: "a", toParameter: "b", isToInclusive: true, format: "integer", from: 0 } },
      },
      "end",
    ],
  ];
  it.each(wrong)("is refused with %s", (_name, listing, words) => expect(listingProblem(listing)).toContain(words));
});
