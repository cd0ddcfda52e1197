import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { freePort } from "./free-port.ts";

/** A real Redis on loopback, that keeps nothing. */
export async function startRedis() {
  const folder = await mkdtemp(join(tmpdir(), "redis-"));
  const port = await freePort();
  let child: ChildProcess | undefined;
  const start = async () => {
    const options = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder];
    const started = spawn("redis-server", options, { stdio: ["ignore", "pipe", "inherit"] });
    child = started;
    for await (const chunk of started.stdout) if (String(chunk).includes("Ready to accept connections")) break;
    started.stdout.resume();
  };
  const kill = async () => {
    if (child === undefined || child.exitCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
    child = undefined;
  };
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    /** Ends it at once; what it knew is gone. */
    kill,
    /** Starts it again where it was. */
    start,
    async stop(): Promise<void> {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
