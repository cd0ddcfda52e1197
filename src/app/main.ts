#!/usr/bin/env node
import { existsSync } from "node:fs";
import { Command } from "commander";
import { asError, ConfigError, TributaryError } from "../core/errors.ts";
import { buildCommand } from "./commands/build.ts";
import { conformCommand } from "./commands/conform.ts";
import { decideCommand, decisionsCommand, undoCommand } from "./commands/decisions.ts";
import { doctor } from "./commands/doctor.ts";
import { exportCommand } from "./commands/export.ts";
import { explainCommand } from "./commands/explain.ts";
import {
  intakeCompletenessCommand,
  intakeDecideCommand,
  intakeListCommand,
  intakeReconcileCommand,
  intakeShowCommand,
} from "./commands/intake.ts";
import { evaluateCommand } from "./commands/evaluate.ts";
import { matchCommand } from "./commands/match.ts";
import { newSource } from "./commands/new-source.ts";
import { pullCommand } from "./commands/pull.ts";
import { runCommand } from "./commands/run.ts";
import { runsCommand } from "./commands/runs.ts";
import { runSandbox } from "./commands/sandbox.ts";
import { serve } from "./commands/serve.ts";
import { start } from "./commands/start.ts";
import { verifyParityCommand, verifyVersionCommand } from "./commands/verify.ts";
import { settings } from "./config.ts";

const settingsHelp = `\nSettings (environment variables):\n${Object.entries(settings)
  .map(([name, { fallback, meaning }]) => `  ${name.padEnd(20)} ${meaning}${fallback === "" ? "" : ` (default ${fallback})`}`)
  .join("\n")}`;

const program = new Command("tributary")
  .description("One customer graph over every provider a company already uses.")
  .option("--env-file <file>", "read settings and secrets from a file of NAME=value lines; what is set already stays")
  .hook("preAction", command => loadSettings(command.opts<{ envFile?: string }>().envFile))
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
  .command("conform <source>")
  .description(
    "read a source, imitation or real, as its declaration says, and report check by check where they differ; only reads; exits with 1 when a check fails",
  )
  .option("--sample <records>", "records of each collection that are looked at", "20")
  .option("--max-calls <requests>", "requests that each collection may take", "40")
  .option("--json", "print the report as one JSON object")
  .action(conformCommand);
program
  .command("pull [sources...]")
  .description(
    "list every collection of the sources (all unless named) and keep the responses; goes on where the last pull broke off; exits with 2 when one is not complete, with 3 when that is for spent quotas only",
  )
  .option("--full", "list everything, also where what changed since the last pull would do")
  .option("--accept-deletions", "take what is not listed any more for deleted, although it is more than a fifth")
  .option("--json", "print the verdicts as one JSON object")
  .action(pullCommand);
program
  .command("build")
  .description("make the tables, as Parquet, from the responses that were pulled; asks no source")
  .option(
    "--as-of <moments>",
    "of nothing but what was known then, such as 2026-10-01 (its end, UTC) or 2026-10-01T09:00:00Z; of several with commas, customer_features has rows of each",
  )
  .option("--as-of-daily <days>", "as --as-of with every day, such as 2026-09-01..2026-09-30")
  .option("--json", "print the result as one JSON object")
  .action(buildCommand);
program
  .command("run [sources...]")
  .description("pull, then build; exits as pull does")
  .option("--json", "print verdicts and result as one JSON object")
  .option("--full", "list everything, also where what changed since the last pull would do")
  .option("--accept-deletions", "take what is not listed any more for deleted, although it is more than a fifth")
  .option("--allow-partial", "exit with 0 although a collection is not complete")
  .action(runCommand);
program
  .command("runs")
  .description("list the pulls and builds that are kept, with their verdicts and sizes")
  .option("--json", "print them as one JSON object")
  .action(runsCommand);
program
  .command("verify [version]")
  .description(
    "derive a dataset (the one built last unless named) once more from the kept responses, with another number of threads, and compare every byte; exits with 1 when one differs",
  )
  .option("--json", "print the result as one JSON object")
  .action(verifyVersionCommand)
  .command("parity")
  .description("compare every customer's live answer with its rows in the dataset; exits with 1 when a value differs")
  .option("--url <url>", "the graph to ask (default http://127.0.0.1:PORT/graphql)")
  .option("--json", "print the result as one JSON object")
  .action(verifyParityCommand);
program
  .command("explain <what> [other]")
  .description(
    "say where a value comes from, down to the bytes: <table>.<column> with --id; or why two records, each as <source>.<collection>:<key>, are one customer",
  )
  .option("--id <id>", "the row: a customer's id, one that it had before, or <source>.<collection>:<key>")
  .option("--version <version>", "the dataset (default: the one built last)")
  .option("--json", "print it as one JSON object")
  .action(explainCommand);
program
  .command("export <table>")
  .description("write a table of the dataset to a file")
  .option("--format <format>", "parquet, arrow, csv or ndjson (default parquet)")
  .option("--columns <names>", "with commas; all unless given")
  .option("--version <version>", "the dataset (default: the one built last)")
  .option("--output <file>", "- for stdout (default: <table>-<version>.<format>)")
  .action(exportCommand);
const intake = program
  .command("intake")
  .description("look after the inbox of a running server: what sources sent, and what came of it");
const ofServer = (command: Command) =>
  command.option("--url <url>", "the server (default http://127.0.0.1:PORT)").option("--json", "print it as JSON");
ofServer(intake.command("list").description("list events, the newest first, without their texts"))
  .option("--state <state>", "waiting, done, dead or discarded")
  .option("--source <source>", "of one source alone")
  .option("--limit <events>", "at most so many", "50")
  .action(intakeListCommand);
ofServer(intake.command("show <id>").description("show one event, with its text")).action(intakeShowCommand);
ofServer(intake.command("retry [ids...]").description("process dead events anew"))
  .option("--all", "all that are dead")
  .action((ids: readonly string[], options: object) => intakeDecideCommand("retry", ids, options));
ofServer(intake.command("discard [ids...]").description("give events up for good: dead ones, or such as wait"))
  .option("--all", "all that are dead")
  .action((ids: readonly string[], options: object) => intakeDecideCommand("discard", ids, options));
ofServer(
  intake
    .command("reconcile [sources...]")
    .description(
      "read sources (all that have webhooks unless named) for what their webhooks missed; exits with 2 when one could not be read",
    ),
)
  .option("--full", "read everything, also where what changed since the last time would do")
  .action(intakeReconcileCommand);
ofServer(intake.command("completeness").description("say how complete webhooks were, by source and day"))
  .option("--days <days>", "how many days back", "7")
  .action(intakeCompletenessCommand);
for (const type of ["link", "unlink"] as const) {
  program
    .command(`${type} <a> <b>`)
    .description(
      `decide that two records, each as <source>.<collection>:<key>, are ${type === "link" ? "" : "not "}one customer; goes before every rule`,
    )
    .option("--reason <text>", "why, for whoever reads it later")
    .action((a: string, b: string, options: { reason?: string }) => decideCommand(type, a, b, options));
}
program
  .command("decisions")
  .description("list the decisions about who is who")
  .option("--json", "print them as one JSON object")
  .action(decisionsCommand);
program.command("undo <id>").description("take a decision about who is who back").action(undoCommand);
program
  .command("match")
  .description("find the rows of CSV or Parquet files that are one person or thing; needs no labels and no model")
  .requiredOption("--input <files...>", "files with a header; a key is a column id, rec_id or record_id, or the row's number")
  .option("--config <file>", "a model as JSON: key, ignore, fields, blocking, threshold, isEachInputUnique; see docs/matching.md")
  .option("--output <file>", "where source, key and cluster go: .csv or .parquet", "clusters.csv")
  .option(
    "--truth <column>",
    "a column that says which rows are one: precision, recall and F1 are printed, the column is not used",
  )
  .option("--json", "print the report as one JSON object")
  .action(matchCommand);
program
  .command("evaluate")
  .description(
    "say how right a build is about who is who, where the truth is known: precision, recall and F1 by pairs and by customers",
  )
  .requiredOption(
    "--truth <place>",
    'a file or an address with {"people": [{"records": [{source, collection, key}]}]}; the sandbox has it at /__control/truth',
  )
  .option("--version <version>", "the dataset; the one that was built last unless given")
  .option("--json", "print one JSON object")
  .action(evaluateCommand);
program
  .command("new")
  .description("make something new")
  .command("source <name>")
  .description("scaffold datasources/<name>: declaration, imitation and README")
  .action(newSource);

function loadSettings(file: string | undefined): void {
  if (file === undefined) return;
  if (!existsSync(file)) throw new ConfigError("CONFIG_INVALID", `--env-file: there is no file ${file}`);
  process.loadEnvFile(file);
}

try {
  await program.parseAsync();
} catch (thrown) {
  const error = asError(thrown);
  const isExpected = error instanceof TributaryError;
  console.error(isExpected ? `${error.code}: ${error.message}\n${error.remedy}` : error);
  process.exitCode = 1;
}
