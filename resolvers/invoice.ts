import { dayOf } from "../src/core/days.ts";
import { fieldOf } from "../src/gateway/customer-reader.ts";
import type { RecordNode } from "../src/gateway/related-reader.ts";
import type { RequestContext } from "../src/gateway/request-context.ts";
import { id, instant, recordResolvers } from "./record.ts";

export const Invoice = {
  id,
  ...recordResolvers("Invoice"),
  amountIn: async (
    { entry, record, dataset }: RecordNode,
    { currency: wanted }: { currency: string },
    { rates }: RequestContext,
  ) => {
    const [amount, currency, issuedAt] = ["amount", "currency", "issuedAt"].map(field => fieldOf(entry, record, field));
    if (typeof amount !== "string" || typeof currency !== "string" || typeof issuedAt !== "string") return null;
    const { fetchedAtMs, ...money } = await rates.convert(
      { amount, currency, day: dayOf(Date.parse(issuedAt)) },
      wanted,
      dataset,
    );
    return { ...money, fetchedAt: instant(fetchedAtMs) };
  },
};
