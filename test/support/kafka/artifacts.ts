import { spawnSync } from "node:child_process";
import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

const VERSION = "4.1.0";
const root = join(import.meta.dirname, "..", "..", "..");
/** Where the broker's jars are once they were fetched. */
export const kafkaFolder = join(root, "node_modules", ".cache", `kafka-${VERSION}`);
export const hasKafka = (): boolean => existsSync(join(kafkaFolder, `kafka_2.13-${VERSION}.jar`));

/** Fetches the broker's jars through Maven, once; false when that cannot be done. */
export function fetchKafka(): boolean {
  if (hasKafka()) return true;
  const partial = `${kafkaFolder}.${process.pid}`;
  const goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", `-DoutputDirectory=${partial}`];
  const pom = join(import.meta.dirname, "pom.xml");
  const run = spawnSync("mvn", ["-q", "-B", "-f", pom, ...goal], { stdio: ["ignore", "ignore", "inherit"] });
  if (run.status === 0 && !hasKafka()) renameSync(partial, kafkaFolder);
  rmSync(partial, { recursive: true, force: true });
  return hasKafka();
}
