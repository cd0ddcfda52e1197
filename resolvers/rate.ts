import { id, recordResolvers } from "./record.ts";

export const ExchangeRate = { id, ...recordResolvers("ExchangeRate") };
