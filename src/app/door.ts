import type { Door } from "../server/admit.ts";
import type { ConfiguredSecrets } from "./secrets.ts";

/** Who may pass: whoever has the token, where one is set. Throws `CONFIG_SECRET_MISSING` for a token that is named and cannot be read. */
export const doorOf = (
  door: Pick<Door, "scope" | "code" | "variable">,
  isLoopback: boolean,
  secrets: ConfiguredSecrets,
): Door => ({ ...door, isLoopback, token: secrets.originOf(door.variable) === undefined ? null : secrets.read(door.variable) });
