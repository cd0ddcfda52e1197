import { id, recordResolvers } from "./record.ts";

export const Invoice = { id, ...recordResolvers("Invoice") };
