/**
 * Where the graph's time goes under load: own time by function, and by package. `node test/bench/gateway/profile.ts ["25 customers"] [--seconds 8]
 * [--top 10] [--plain]`
 */
import type { Profiler } from "node:inspector";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { projectFolder } from "../../support/process.ts";
import { load } from "./load.ts";
import { queries, type QueryName } from "./queries.ts";
import { startServer, startUpstreams } from "./servers.ts";

const { values, positionals } = parseArgs({
  options: {
    seconds: { type: "string", default: "8" },
    top: { type: "string", default: "10" },
    plain: { type: "boolean", default: false },
  },
  allowPositionals: true,
});

/** Own time in ms by what `nameOf` says, the longest first; time in which nothing ran is left out. */
function ownTime(
  profile: Profiler.Profile,
  nameOf: (frame: Profiler.ProfileNode["callFrame"]) => string,
): [name: string, ms: number][] {
  const frames = new Map(profile.nodes.map(node => [node.id, node.callFrame]));
  const spent = new Map<string, number>();
  for (const [at, id] of (profile.samples ?? []).entries()) {
    const frame = frames.get(id);
    if (!frame || frame.functionName === "(idle)") continue;
    const name = nameOf(frame);
    spent.set(name, (spent.get(name) ?? 0) + (profile.timeDeltas?.[at] ?? 0) / 1000);
  }
  return [...spent].sort(([, a], [, b]) => b - a);
}

const fileOf = (url: string): string => decodeURI(url.replace("file://", "")).replace(projectFolder, "");
const place = ({ functionName, url, lineNumber }: Profiler.ProfileNode["callFrame"]): string =>
  url === "" ? functionName : `${functionName || "(anonymous)"} ${fileOf(url)}:${lineNumber + 1}`;
const room = ({ functionName, url }: Profiler.ProfileNode["callFrame"]): string => {
  if (url === "") return functionName.startsWith("(") && functionName !== "(program)" ? functionName : "(native)";
  if (url.startsWith("node:")) return "node:";
  const file = fileOf(url);
  const [, name] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file) ?? [];
  return name ?? file.split("/").slice(0, 2).join("/");
};

function print(title: string, spent: readonly [string, number][]): void {
  const total = spent.reduce((sum, [, ms]) => sum + ms, 0);
  console.log(`\n${title}`);
  for (const [name, ms] of spent.slice(0, Number(values.top)))
    console.log(`${((100 * ms) / total).toFixed(1).padStart(5)} %  ${name}`);
}

const home = await mkdtemp(join(tmpdir(), "tributary-profile-"));
const upstreams = await startUpstreams();
try {
  const server = await startServer({
    name: "the server",
    command: values.plain ? ["test/bench/gateway/plain-apollo.ts"] : ["src/app/main.ts", "serve"],
    environment: { ...upstreams.environment, PORT: "0", TRIBUTARY_HOME: home, LOG_FILE: join(home, "log") },
  });
  for (const name of (positionals.length > 0 ? positionals : ["25 customers", "one customer"]) as QueryName[]) {
    const asked = { queries: [queries[name]], seconds: Number(values.seconds) };
    await load(server, { ...asked, seconds: 3 });
    await server.ask("startProfile");
    const { perSecond, cpuMs } = await load(server, asked);
    const profile = await server.ask("stopProfile");
    console.log(`\n${name}: ${perSecond.toFixed(0)} requests/s, ${cpuMs.toFixed(2)} ms of CPU each, while being profiled`);
    print("own time by function", ownTime(profile, place));
    print("own time by package", ownTime(profile, room));
  }
  await server.stop();
} finally {
  await upstreams.stop();
  await rm(home, { recursive: true, force: true });
}
