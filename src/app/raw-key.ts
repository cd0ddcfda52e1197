import type { Logger } from "../core/ports.ts";
import { RawKey } from "../store/raw/raw-key.ts";
import { ConfiguredSecrets } from "./secrets.ts";

const RAW_KEY = "TRIBUTARY_RAW_KEY";

/** The key that kept responses are encrypted under, as an option; none where none is set. Throws `CONFIG_SECRET_MISSING` and `CONFIG_INVALID`. */
export function rawKeyOption(
  environment: Readonly<Record<string, string | undefined>>,
  logger: Logger,
): { readonly rawKey?: RawKey } {
  const secrets = new ConfiguredSecrets(environment, logger);
  return secrets.originOf(RAW_KEY) === undefined ? {} : { rawKey: new RawKey(secrets.read(RAW_KEY).reveal()) };
}
