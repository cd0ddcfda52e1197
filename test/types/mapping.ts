/** Compile-time tests: `npm run check:types` fails when one of the marked lines starts to compile. */
import { z } from "zod";
import * as t from "../../src/source/index.ts";

const contract = z.object({
  id: z.string(),
  at: z.int(),
  subject: z.string().nullish(),
  nested: z.object({ state: z.string().nullable() }),
});
const pages = t.cursorPages({ next: "next", cursorParameter: "after", sizeParameter: "limit", maxPageSize: 10 });
const base = {
  canonical: "Ticket",
  contract,
  list: { request: () => t.get("tickets.list", "/"), items: "items[*]", pages, order: "oldest-first" },
  owner: "users",
  freshness: { cacheMs: 0 },
} as const;
const map = {
  key: t.key("id"),
  customer: t.ref("id"),
  subject: t.text("subject"),
  status: t.enumOf("nested.state", { open: "OPEN" }),
  priority: t.literal(null),
  createdAt: t.epochSeconds("at"),
  updatedAt: t.literal(null),
} as const;

t.collection({ ...base, map });
// @ts-expect-error a number without a unit is not an instant
t.collection({ ...base, map: { ...map, createdAt: t.int("at") } });
// @ts-expect-error the contract has no such field
t.collection({ ...base, map: { ...map, createdAt: t.epochSeconds("att") } });
// @ts-expect-error the contract has no such nested field
t.collection({ ...base, map: { ...map, status: t.enumOf("nested.status", { open: "OPEN" }) } });
// @ts-expect-error a canonical field without a rule
t.collection({ ...base, map: { key: map.key, customer: map.customer, subject: map.subject } });
// @ts-expect-error an enum value that the canonical field does not have
t.collection({ ...base, map: { ...map, status: t.enumOf("nested.state", { open: "OPENED" }) } });
// @ts-expect-error text where the rule needs text, but the contract says number
t.collection({ ...base, map: { ...map, subject: t.text("at") } });
// @ts-expect-error a key is never null
t.collection({ ...base, map: { ...map, key: t.literal(null) } });
