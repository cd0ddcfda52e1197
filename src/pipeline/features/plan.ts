import type { Column, TablePlan } from "../tables.ts";
import { features } from "./definitions.ts";

const text = (name: string): Column => ({ name, type: "VARCHAR" });

/** One row for each customer and moment: what was known of it then, and nothing later. */
export const featuresPlan: TablePlan = {
  name: "customer_features",
  columns: [
    text("customer_id"),
    { name: "event_timestamp", type: "TIMESTAMP" },
    { name: "created_timestamp", type: "TIMESTAMP" },
    text("currency"),
    text("status"),
    text("country"),
    { name: "tenure_days", type: "INTEGER" },
    { name: "last_seen_at", type: "TIMESTAMP" },
    ...features.map(({ name, type }) => ({ name, type })),
  ],
  order: ["customer_id", "event_timestamp"],
};

/** What the columns are that are no feature by definition. */
export const madeOfFeatures: Readonly<Record<string, string>> = {
  customer_id: "the canonical id of the customer",
  event_timestamp: "the moment that the row is about: nothing that happened later is in it",
  created_timestamp: "when the last pull ended that the row was made of: nothing that was learnt later is in it",
  currency: "the currency of all amounts",
  tenure_days: "whole days since the customer's first record was made",
  last_seen_at: "the latest payment, ticket or day of use",
};
