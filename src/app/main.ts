#!/usr/bin/env node
import { Command } from "commander";
import { asError, TributaryError } from "../core/errors.ts";
import { doctor } from "./commands/doctor.ts";
import { newSource } from "./commands/new-source.ts";
import { runSandbox } from "./commands/sandbox.ts";
import { serve } from "./commands/serve.ts";
import { start } from "./commands/start.ts";
import { settings } from "./config.ts";

const settingsHelp = `\nSettings (environment variables):\n${Object.entries(settings)
  .map(([name, { fallback, meaning }]) => `  ${name.padEnd(20)} ${meaning}${fallback === "" ? "" : ` (default ${fallback})`}`)
  .join("\n")}`;

const program = new Command("tributary")
  .description("One customer graph over every provider a company already uses.")
  .addHelpText("after", settingsHelp)
  .showHelpAfterError();

program
  .command("start")
  .description("run the sandbox and the graph over it: everything on this machine, nothing to set up")
  .action(start);
program.command("serve").description("serve the graph over the sources that the environment names").action(serve);
program.command("sandbox").description("serve every source's local imitation over HTTP").action(runSandbox);
program
  .command("doctor")
  .description("say what is missing or wrong in the settings, and whether each source answers")
  .action(doctor);
program
  .command("new")
  .description("make something new")
  .command("source <name>")
  .description("scaffold datasources/<name>: declaration, imitation and README")
  .action(newSource);

try {
  await program.parseAsync();
} catch (thrown) {
  const error = asError(thrown);
  const isExpected = error instanceof TributaryError;
  console.error(isExpected ? `${error.code}: ${error.message}\n${error.remedy}` : error);
  process.exitCode = 1;
}
