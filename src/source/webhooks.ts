import type { EventRules } from "./events.ts";

/** How a source calls us: how its calls are signed, and what they say. Secrets come from `<SOURCE>_WEBHOOK_SECRET`, several with commas between. */
export interface Webhooks {
  readonly signature: Signature;
  readonly events: EventRules;
  /** When it is read what they missed; every quarter of an hour, and up to every minute while much is missed, unless stated. */
  readonly reconcile?: Reconcile;
}

/** How often a source is read for what its webhooks missed. */
export interface Reconcile {
  /** Five fields, UTC: at the latest. */
  readonly cron: string;
  /** The least pause between two readings, in s, however much is missed. */
  readonly leastS: number;
}

export const defaultReconcile: Reconcile = { cron: "*/15 * * * *", leastS: 60 };

/** How a call is signed: an HMAC-SHA256 over parts of it. */
export interface Signature {
  /** The header that holds the signature. */
  readonly header: string;
  /**
   * What stands in it: the signature alone; `name=value` pairs with commas between, of which those named `signature` count; or `version,signature` words with
   * spaces between, of which those of this version count.
   */
  readonly form: { readonly pairs: string } | { readonly words: string } | { readonly prefix: string };
  readonly encoding: "hex" | "base64";
  /** What is signed: text with `{body}`, `{timestamp}`, `{id}`, `{method}` and `{url}`, the latter as the source was told it. */
  readonly signs: string;
  /** When it was signed; without one, a call that is repeated is known by its events alone. */
  readonly timestamp?: {
    readonly from: { readonly header: string } | { readonly pair: string };
    readonly format: TimestampFormat;
  };
  /** The header that holds the call's own id. */
  readonly id?: string;
  /** How the secret becomes a key: its text, or what is base64 after a beginning. */
  readonly key?: { readonly base64After: string };
  /** Percent-encoded characters of the URL that are signed decoded. */
  readonly decoded?: readonly string[];
  /** How far the timestamp may be from now, before or after; 300 s unless stated. */
  readonly toleranceS?: number;
}

export type TimestampFormat = "epoch-seconds" | "epoch-ms" | "rfc3339";

/** A header of pairs, `t=<epoch seconds>,v1=<hex>`, over `<t>.<body>`. */
export const pairsSignature = (header: string): Signature => ({
  header,
  form: { pairs: "v1" },
  encoding: "hex",
  signs: "{timestamp}.{body}",
  timestamp: { from: { pair: "t" }, format: "epoch-seconds" },
});

/** The body alone, in a header, perhaps behind a prefix such as `sha256=`. */
export const bodySignature = (header: string, encoding: "hex" | "base64", prefix = ""): Signature => ({
  header,
  form: { prefix },
  encoding,
  signs: "{body}",
});

/** @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
export const standardSignature = (names: "webhook" | "svix" = "webhook"): Signature => ({
  header: `${names}-signature`,
  form: { words: "v1" },
  encoding: "base64",
  signs: "{id}.{timestamp}.{body}",
  timestamp: { from: { header: `${names}-timestamp` }, format: "epoch-seconds" },
  id: `${names}-id`,
  key: { base64After: "whsec_" },
});

/** What is wrong with a signature; undefined when nothing is. */
export function signatureProblem({ signs, timestamp, id, toleranceS = 1 }: Signature): string | undefined {
  if (!signs.includes("{body}")) return "a signature that is not over the body proves nothing";
  if (signs.includes("{timestamp}") !== (timestamp !== undefined))
    return "a timestamp is signed and said where it is, or neither";
  if (signs.includes("{id}") !== (id !== undefined)) return "an id is signed and said where it is, or neither";
  return toleranceS > 0 ? undefined : "toleranceS is greater than zero";
}

/** What is wrong with when a source is reconciled; undefined when nothing is. */
export function reconcileProblem({ cron, leastS }: Reconcile): string | undefined {
  if (!/^(\S+ ){4}\S+$/.test(cron)) return `reconcile.cron has five fields, such as ${defaultReconcile.cron}, not ${cron}`;
  return leastS >= 1 ? undefined : "reconcile.leastS is at least 1";
}

/** The environment variable that holds the secrets of a source's webhooks. */
export const webhookSecretVariable = (source: string): string => `${source.toUpperCase()}_WEBHOOK_SECRET`;
