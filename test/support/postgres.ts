import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { postgresFolder } from "./postgres-folder.ts";

const NOBODY = 65_534;
/** The password of the tests' user: it is looked for where it must not be. */
export const postgresPassword = "open-sesame-42";

/** A real PostgreSQL on loopback, with a password, that does not wait for the disk. It refuses to run as root: then it runs as nobody. */
export async function startPostgres() {
  const programs = postgresFolder()!;
  const folder = await mkdtemp(join(tmpdir(), "postgres-"));
  const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const data = join(folder, "data");
  const passwordFile = join(folder, "password");
  await writeFile(passwordFile, postgresPassword);
  if (user.uid !== undefined) for (const path of [folder, passwordFile]) await chown(path, user.uid, user.gid);
  const init = [
    "-D",
    data,
    "-U",
    "tributary",
    "--auth=scram-sha-256",
    `--pwfile=${passwordFile}`,
    "--no-sync",
    "-E",
    "UTF8",
    "--locale=C",
  ];
  const made = spawnSync(join(programs, "initdb"), init, { ...user, cwd: folder, encoding: "utf8" });
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
  const port = await freePort();
  const options = [
    ["listen_addresses", "127.0.0.1"],
    ["port", String(port)],
    ["unix_socket_directories", ""],
    ["fsync", "off"],
    ["full_page_writes", "off"],
    ["synchronous_commit", "off"],
    ["shared_buffers", "16MB"],
  ].flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  let child: ChildProcess | undefined;
  const start = async () => {
    const started = spawn(join(programs, "postgres"), ["-D", data, ...options], {
      ...user,
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"],
    });
    child = started;
    for await (const chunk of started.stderr) if (String(chunk).includes("ready to accept connections")) break;
    started.stderr.resume();
  };
  const stop = async () => {
    if (child === undefined || child.exitCode !== null) return;
    child.kill("SIGINT");
    await once(child, "exit");
    child = undefined;
  };
  await start();
  return {
    url: `postgresql://tributary:${postgresPassword}@127.0.0.1:${port}/postgres`,
    place: `127.0.0.1:${port}/postgres`,
    /** Ends it; every connection is lost, what was committed stays. */
    stop,
    /** Starts it again where it was. */
    start,
    async remove(): Promise<void> {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
