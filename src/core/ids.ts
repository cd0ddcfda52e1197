import { createHash } from "node:crypto";

/** A canonical customer id: a function of the record id that it is made from, the same in every process. */
export const customerIdOf = (recordId: string): string =>
  `cst_${createHash("sha256").update(recordId).digest("hex").slice(0, 20)}`;

/** Whether a text has the form of a canonical customer id. */
export const isCustomerId = (text: string): boolean => /^cst_[0-9a-f]{20}$/.test(text);
