import type { Logger } from "../core/ports.ts";
import { exportedFile, type ExportPlan, planExport } from "../pipeline/export/export.ts";
import { doorOf } from "./door.ts";
import type { ExportOptions, TableExport, TableRequest } from "../server/export-route.ts";
import type { Config } from "./config.ts";
import { ConfiguredSecrets } from "./secrets.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const exportOf = (plan: ExportPlan): TableExport => ({
  version: plan.dataset.manifest.version,
  tag: plan.tag,
  fileName: plan.fileName,
  mediaType: plan.mediaType,
  file: () => exportedFile(plan),
});

/** What may be exported, and by whom. Throws `CONFIG_SECRET_MISSING` for a token that is named and cannot be read. */
export function exportsOf(
  { home, isLoopback }: Pick<Config, "home" | "isLoopback">,
  environment: Environment,
  logger: Logger,
): ExportOptions {
  const secrets = new ConfiguredSecrets(environment, logger);
  const find = async (request: TableRequest) => exportOf(await planExport({ home, ...request }));
  return { find, door: doorOf({ scope: "export", code: "ACCESS_EXPORT", variable: "EXPORT_TOKEN" }, isLoopback, secrets) };
}
