/** Before the tests: the explorer is tried in a real browser. Installs Debian's Chromium where that can be done, and says what to do where it cannot. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

const path = process.env["CHROMIUM_PATH"] ?? "/usr/bin/chromium";
const has = (command: string): boolean => spawnSync("which", [command]).status === 0;
const apt = (...argumentList: string[]): boolean =>
  spawnSync("apt-get", argumentList, {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  }).status === 0;

if (!existsSync(path)) {
  const isDebianRoot = process.getuid?.() === 0 && has("apt-get");
  if (isDebianRoot) console.log("Installing Chromium for the browser test …");
  const isInstalled = isDebianRoot && apt("update", "-qq") && apt("install", "-y", "-qq", "--no-install-recommends", "chromium");
  if (!isInstalled || !existsSync(path)) {
    console.error(
      `The browser test needs Chromium at ${path}: install it (Debian: apt-get install chromium), or set CHROMIUM_PATH.`,
    );
    process.exit(1);
  }
}
