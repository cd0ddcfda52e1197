import { type Json, parseJson } from "../core/json.ts";

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

const parsed = new WeakMap<WireResponse, Json>();

/** An answer's body as JSON, parsed once however often it is asked for; throws `SyntaxError` when it is none. */
export function bodyOf(response: WireResponse): Json {
  const known = parsed.get(response);
  if (known !== undefined) return known;
  const body = parseJson(response.text);
  parsed.set(response, body);
  return body;
}

/** The same answer under other headers; what was parsed of it is not parsed again. */
export function withHeaders(response: WireResponse, headers: WireResponse["headers"]): WireResponse {
  const renewed = { ...response, headers };
  const known = parsed.get(response);
  if (known !== undefined) parsed.set(renewed, known);
  return renewed;
}
