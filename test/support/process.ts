import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** The checkout's own folder. */
export const projectFolder = fileURLToPath(new URL("../../", import.meta.url));

/** A `tributary` command that runs, with everything that it has printed. */
export interface Running {
  readonly process: ChildProcess;
  readonly output: () => string;
  /** Resolves with the match once the output has it; rejects with the output when the process ends first, or after `withinMs`. */
  readonly until: (pattern: RegExp, withinMs?: number) => Promise<RegExpExecArray>;
  /** Sends a signal (SIGINT unless given) and resolves with the exit code. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>;
}

/** Starts `tributary <arguments>` as a user would, from `folder`. */
export function runTributary(
  argumentList: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  folder = projectFolder,
): Running {
  const child = spawn(process.execPath, ["src/app/main.ts", ...argumentList], {
    cwd: folder,
    env: { ...cleanEnvironment(), ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const exited = once(child, "close").then(([code]) => code as number | null);
  return {
    process: child,
    output: () => text,
    until: (pattern, withinMs = 60_000) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`not within ${withinMs} ms: ${pattern.source}\n${text}`)), withinMs);
        const look = () => {
          const match = pattern.exec(text);
          if (!match) return;
          clearTimeout(timer);
          resolve(match);
        };
        child.stdout.on("data", look);
        child.stderr.on("data", look);
        void exited.then(() => reject(new Error(`ended without ${pattern.source}\n${text}`)));
        look();
      }),
    stop: async (signal = "SIGINT") => {
      child.kill(signal);
      return exited;
    },
  };
}

/** Runs `tributary <arguments>` to its end. */
export async function tributary(
  argumentList: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  folder = projectFolder,
): Promise<{ code: number | null; output: string }> {
  const running = runTributary(argumentList, environment, folder);
  const [code] = (await once(running.process, "close")) as [number | null];
  return { code, output: running.output() };
}

/** The environment without what Jest puts into it. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, ...rest } = process.env;
  return rest;
}
