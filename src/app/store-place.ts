import { ConfigError } from "../core/errors.ts";
import type { Logger } from "../core/ports.ts";
import type { Secret } from "../core/secret.ts";
import { type Database, openDatabase } from "../store/database.ts";
import type { Config } from "./config.ts";
import { ConfiguredSecrets } from "./secrets.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const DATABASE_URL = "DATABASE_URL";

/** Where the store is that the settings name. */
interface NamedStore {
  readonly place: Secret | string;
  /** Stores of different names never meet, also on one server. */
  readonly schema: string;
}

/** The server of `DATABASE_URL`, which processes share, else a folder in `TRIBUTARY_HOME`, which belongs to one. Throws `CONFIG_INVALID` without showing the address: it may hold a password. */
export function storePlace(
  { home, store }: Pick<Config, "home" | "store">,
  environment: Environment,
  logger: Logger,
): NamedStore {
  const secrets = new ConfiguredSecrets(environment, logger);
  const schema = schemaOf(store);
  if (secrets.originOf(DATABASE_URL) === undefined) return { place: `${home}/${store}`, schema };
  const url = secrets.read(DATABASE_URL);
  if (!/^postgres(ql)?:$/.test(URL.parse(url.reveal())?.protocol ?? ""))
    throw new ConfigError("CONFIG_INVALID", `${DATABASE_URL} is not an address that begins with postgres:// or postgresql://`);
  return { place: url, schema };
}

/** Opens the store that the settings name. */
export async function openStore(
  config: Pick<Config, "home" | "store">,
  environment: Environment,
  logger: Logger,
): Promise<Database> {
  const { place, schema } = storePlace(config, environment, logger);
  return openDatabase(place, schema);
}

const schemaOf = (store: string): string => (store === "store" ? "tributary" : `tributary_${store.replaceAll("-", "_")}`);
