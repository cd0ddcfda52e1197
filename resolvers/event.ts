import { id, recordResolvers } from "./record.ts";

export const ClickEvent = { id, ...recordResolvers("ClickEvent") };
