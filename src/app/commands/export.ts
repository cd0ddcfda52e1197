import { createReadStream } from "node:fs";
import { copyFile } from "node:fs/promises";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import { exportedFile, planExport, writeExport } from "../../pipeline/export/export.ts";
import { readConfig } from "../config.ts";

interface ExportCommandOptions {
  readonly format?: string;
  readonly columns?: string;
  readonly version?: string;
  readonly output?: string;
}

/** Writes a table of a dataset to a file, or to stdout for `-`. */
export async function exportCommand(table: string, { format, columns, version, output }: ExportCommandOptions): Promise<void> {
  const { home } = readConfig(process.env);
  const names = columns?.split(",").map(name => name.trim());
  const plan = await planExport({ home, table, format, columns: names, version });
  if (output === "-") return pipeline(createReadStream(await exportedFile(plan)), process.stdout, { end: false });
  const path = output ?? plan.fileName;
  if (plan.format === "parquet" && plan.isWhole) await copyFile(await exportedFile(plan), path);
  else await writeExport(plan, path);
  console.log(`${table} of dataset ${plan.dataset.manifest.version} is in ${basename(path) === path ? `./${path}` : path}`);
}
