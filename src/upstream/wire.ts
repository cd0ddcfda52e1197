/** A request as it goes over the wire. Whoever gives it credentials or signs it returns a new one. */
export interface WireRequest {
  readonly method: string;
  readonly url: URL;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** An answer as it came: nothing of it is interpreted yet. */
export interface WireResponse {
  readonly status: number;
  /** Lower-case names; values of repeated headers are joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}
