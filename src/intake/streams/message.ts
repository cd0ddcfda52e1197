import { asError } from "../../core/errors.ts";
import { keyText, parseJson, valueAt } from "../../core/json.ts";
import type { StreamMessage } from "./sink.ts";
import type { Received } from "./reader.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** Bytes as text; with a problem when they are none. */
export function textOf(bytes: Uint8Array): Pick<StreamMessage, "text" | "problem"> {
  try {
    return { text: strict.decode(bytes) };
  } catch {
    return { text: lenient.decode(bytes), problem: "it is not UTF-8" };
  }
}

/** A message, marked when it is no JSON, and the position that it carries at a path. */
export function withOwnPosition(message: StreamMessage, path: string | undefined): Received {
  if (message.problem !== undefined) return { message: storable(message), position: null };
  try {
    const body = parseJson(message.text);
    return { message, position: path === undefined ? null : (keyText(valueAt(body, path)) ?? null) };
  } catch (thrown) {
    return { message: storable({ ...message, problem: asError(thrown).message }), position: null };
  }
}

/** PostgreSQL keeps no NUL in a text, and JSON allows none: only what is marked can have one. */
const storable = (message: StreamMessage): StreamMessage => ({ ...message, text: message.text.replaceAll("\0", "\uFFFD") });
