/** Before the tests: they try the explorer in a real browser and share state over a real Redis and a real PostgreSQL, and read from a real Kafka. Installs Debian's where that can be done, else says what to do. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fetchKafka, hasKafka } from "./kafka/artifacts.ts";
import { postgresFolder } from "./postgres-folder.ts";

const has = (command: string): boolean => spawnSync("which", [command]).status === 0;
const apt = (...argumentList: string[]): boolean =>
  spawnSync("apt-get", argumentList, {
    stdio: ["ignore", "ignore", "inherit"],
    // Nothing is started by being installed: the tests start what they need.
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
  }).status === 0;

const chromium = process.env["CHROMIUM_PATH"] ?? "/usr/bin/chromium";
const parts = [
  { name: `Chromium at ${chromium}`, package: "chromium", remedy: "or set CHROMIUM_PATH", isThere: () => existsSync(chromium) },
  { name: "redis-server", package: "redis-server", remedy: "and put it on the PATH", isThere: () => has("redis-server") },
  {
    name: "PostgreSQL's initdb",
    package: "postgresql",
    remedy: "and put it on the PATH",
    isThere: () => postgresFolder() !== undefined,
  },
  { name: "Java", package: "openjdk-17-jre-headless", remedy: "and put java on the PATH", isThere: () => has("java") },
  { name: "Maven", package: "maven", remedy: "and put mvn on the PATH", isThere: () => hasKafka() || has("mvn") },
];

const missing = () => parts.filter(part => !part.isThere());
if (missing().length > 0) {
  const packages = missing().map(part => part.package);
  if (process.getuid?.() === 0 && has("apt-get")) {
    console.log(`Installing ${packages.join(" and ")} for the tests …`);
    const isUpdated = apt("update", "-qq");
    if (isUpdated) apt("install", "-y", "-qq", "--no-install-recommends", ...packages);
  }
  for (const part of missing()) {
    console.error(`The tests need ${part.name}: install it (Debian: apt-get install ${part.package}), ${part.remedy}.`);
    process.exitCode = 1;
  }
}
if (!fetchKafka()) {
  console.error("The tests need Apache Kafka, which Maven could not fetch: see what it says above.");
  process.exitCode = 1;
}
