/** What the provider says about failures beyond the HTTP status. */
export interface Failures {
  /** A header whose `true` or `false` decides whether to retry. */
  readonly retryHint?: string;
  /** Statuses that are worth a retry beside 408, 425, 429, 500, 502, 503 and 504. */
  readonly retryStatuses?: readonly number[];
  /** Path of the errors in a 2xx body that may come beside data. */
  readonly errors?: string;
  /** An error that says "too many requests": the value at a path within one of `errors`. */
  readonly throttled?: { readonly path: string; readonly equals: string };
  /** An error that merely says that a record does not exist. */
  readonly absent?: { readonly path: string; readonly equals: string };
  /** Failures in the provider's own forms, whatever the status; the first that fits decides. */
  readonly forms?: readonly FailureForm[];
}

/** A form of failure, by any of status, header and body; all that is stated must hold. */
export interface FailureForm {
  /** Any status unless stated, 2xx too. */
  readonly statuses?: readonly number[];
  /** A header that is there, with this value if one is stated. */
  readonly header?: { readonly name: string; readonly equals?: string };
  /** A value somewhere in the body, e.g. at `errors[*].code`; at `[*].code` where the body is an array. */
  readonly body?: { readonly path: string; readonly equals: string };
  readonly means: FailureMeaning;
  /** Of a quota that is spent: the hour of the day (UTC) at which it begins anew, where no `Retry-After` says it; 0 unless stated. */
  readonly resetHour?: number;
}

/**
 * What a failure means. `throttled`: too fast. `quota-spent`: nothing left for today. `busy`: the same request may do in a moment, the source itself is
 * well. `unavailable`: the source is not well. `auth`: the credential is refused. `forbidden`: the credential lacks a right. `rejected`: for good.
 * `absent`: the record does not exist.
 */
export type FailureMeaning = "throttled" | "quota-spent" | "busy" | "unavailable" | "auth" | "forbidden" | "rejected" | "absent";
