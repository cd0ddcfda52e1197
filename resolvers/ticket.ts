import { id, recordResolvers } from "./record.ts";

export const Ticket = { id, ...recordResolvers("Ticket") };
