import { z } from "zod";
import { ExactNumber } from "../core/json.ts";

/** Parts of contracts for numbers as our JSON reader gives them. */

/** A JSON integer of any size. */
export const wireInteger = () => z.union([z.int(), z.bigint()]);
/** A JSON number of any precision: kept as text where a double would change it, which then comes out as text. */
export const wireNumber = () => z.union([z.number(), z.bigint(), z.instanceof(ExactNumber).transform(number => number.text)]);
