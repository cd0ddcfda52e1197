import { cp, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { projectFolder, runTributary, tributary } from "../support/process.ts";

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "tributary-"));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const ask = async (url: string, query: string) => {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  return (await response.json()) as { data: Record<string, unknown>; errors?: unknown[] };
};

describe("tributary start", () => {
  it("fills itself, ends with the ready line, answers, stops cleanly, and comes back with what it knew", async () => {
    const environment = { PORT: "0", SANDBOX_PORT: "0", SANDBOX_CUSTOMERS: "40", TRIBUTARY_HOME: home };
    const first = runTributary(["start"], environment);
    const [, url] = await first.until(/Tributary is ready: (http:\/\/127\.0\.0\.1:\d+\/graphql)\n$/);
    const textbook = await ask(
      url!,
      `query { customer(id: "4821") { name invoices(last: 5) { amount status } tickets(open: true) { subject createdAt } } }`,
    );
    expect(textbook.errors).toBeUndefined();
    expect(await first.stop()).toBe(0);
    const log = await readFile(join(home, "tributary.log"), "utf8");
    expect(log).toContain('"upstream call"');
    expect(log).toContain('"request"');
    const settings = (await readFile(join(home, "sandbox.env"), "utf8")).trim().split("\n");
    const secrets = settings
      .filter(line => /^\w+_(SECRET|TOKEN|KEY|ID)=/.test(line))
      .map(line => line.slice(line.indexOf("=") + 1));
    expect(secrets.length).toBeGreaterThan(5);
    for (const secret of secrets) expect(log + first.output()).not.toContain(secret);
    expect(log).not.toMatch(/Bearer |Basic /);

    const again = runTributary(["start"], environment);
    await again.until(/Tributary is ready/);
    expect(await again.stop("SIGTERM")).toBe(0);
  });

  it("finishes what runs before it stops", async () => {
    const running = runTributary(["start"], {
      PORT: "0",
      SANDBOX_PORT: "0",
      SANDBOX_CUSTOMERS: "10",
      TRIBUTARY_HOME: join(home, "stopping"),
    });
    const [, url] = await running.until(/Tributary is ready: (\S+)/);
    const [, sandbox] = await running.until(/Sandbox: (http:\/\/\S+)/);
    const slow = { source: "stripe", kind: "delay", delayMs: 1_500 };
    await fetch(`${sandbox}/__control/faults`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(slow),
    });
    const answer = ask(url!, `{ customer(id: "4821") { invoices(last: 2) { amount } } }`);
    await new Promise(resolve => setTimeout(resolve, 300));
    const stopped = running.stop("SIGTERM");
    expect((await answer).errors).toBeUndefined();
    expect((await answer).data).toMatchObject({ customer: { invoices: [{}, {}] } });
    expect(await stopped).toBe(0);
  });

  it("says what to do when the port is taken", async () => {
    const first = runTributary(["sandbox"], { SANDBOX_PORT: "0" });
    const [, port] = await first.until(/Sandbox is ready: http:\/\/127\.0\.0\.1:(\d+)/);
    const second = await tributary(["start"], { SANDBOX_PORT: port!, PORT: "0", TRIBUTARY_HOME: home });
    await first.stop();
    expect(second.code).toBe(1);
    expect(second.output).toContain("SANDBOX_PORT");
  });
});

describe("tributary pull, build and verify parity", () => {
  it("make a table that says what the graph says, value by value, and say when a source was not read to its end", async () => {
    const own = { PORT: "0", SANDBOX_PORT: "0", SANDBOX_CUSTOMERS: "30", TRIBUTARY_HOME: join(home, "table") };
    const running = runTributary(["start"], own);
    const [, url] = await running.until(/Tributary is ready: (\S+)/);
    const [, sandbox] = await running.until(/Sandbox: (http:\/\/\S+)/);
    const run = (...argumentList: string[]) =>
      tributary(["--env-file", join(own.TRIBUTARY_HOME, "sandbox.env"), ...argumentList], own);
    expect((await run("pull")).code).toBe(0);
    const first = await run("build");
    expect(first).toMatchObject({ code: 0, output: expect.stringMatching(/Dataset \w+ is built/) });
    expect((await run("build")).output).toMatch(/was there already/);
    const runs = await run("runs");
    expect(runs.output).toMatch(/pull zendesk\.tickets \w+: complete, \d+ records in \d+ pages/);
    expect(runs.output).toMatch(/build \w+ of \S+: complete, \d+ rows.*current/);
    const parity = await run("verify", "parity", "--url", url!);
    expect(parity).toMatchObject({ code: 0, output: expect.stringContaining("(100.00 %)") });
    const down = { source: "stripe", kind: "status", status: 500 };
    await fetch(`${sandbox}/__control/faults`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(down),
    });
    const partial = await run("pull", "stripe");
    expect(partial).toMatchObject({ code: 2, output: expect.stringMatching(/stripe\.invoices: (partial|unknown).*UPSTREAM_/) });
    await fetch(`${sandbox}/__control/faults`, { method: "DELETE" });
    const spent = {
      source: "hubspot",
      match: "/crm/",
      kind: "status",
      status: 429,
      body: { status: "error", policyName: "DAILY" },
    };
    await fetch(`${sandbox}/__control/faults`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(spent),
    });
    const paused = await run("run", "--json");
    expect(paused.code).toBe(3);
    const result = JSON.parse(paused.output.split("\n").find(line => line.startsWith("{"))!) as Record<string, object[]>;
    expect(result["verdicts"]).toContainEqual(
      expect.objectContaining({ source: "hubspot", verdict: "partial", pausedUntil: expect.stringMatching(/T00:00:00/) }),
    );
    expect(result).toMatchObject({ version: expect.any(String), path: expect.any(String) });
    expect(result["tables"]).toContainEqual({ name: "customers", rows: expect.any(Number), files: [expect.any(Object)] });
    expect((await run("run", "--allow-partial")).code).toBe(0);
    await running.stop();
    const unreachable = await run("verify", "parity", "--url", url!);
    expect(unreachable).toMatchObject({ code: 1, output: expect.stringContaining("no graph answers") });
  }, 180_000);
});

describe("tributary serve", () => {
  it("starts without a single secret, says which source it cannot read and why, and serves", async () => {
    const running = runTributary(["serve"], { PORT: "0", TRIBUTARY_HOME: join(home, "bare"), LOG_LEVEL: "silent" });
    const [, url] = await running.until(/Tributary is ready: (\S+)/);
    expect(running.output()).toMatch(/stripe\.customers: not readable now \(CONFIG_SECRET_MISSING: .*STRIPE_API_KEY/);
    expect((await ask(url!, "{ sources { name health } }")).errors).toBeUndefined();
    expect(await running.stop()).toBe(0);
  });
});

describe("tributary doctor", () => {
  it("names what is missing and exits with 1; finds everything well over the sandbox", async () => {
    // A source that needs no secret would be asked at its own address.
    const missing = await tributary(["doctor"], { FX_BASE_URL: "http://127.0.0.1:9" });
    expect(missing.code).toBe(1);
    for (const name of ["HUBSPOT_CLIENT_ID", "HUBSPOT_CLIENT_SECRET"])
      expect(missing.output).toContain(`missing: the secret ${name} is not set: give it as ${name}`);
    const sandbox = runTributary(["sandbox"], { SANDBOX_PORT: "0", SANDBOX_CUSTOMERS: "20" });
    await sandbox.until(/Sandbox is ready/);
    const settings = Object.fromEntries(
      [...sandbox.output().matchAll(/^export (\w+)=(.*)$/gm)].map(([, name, value]) => [name!, value!]),
    );
    const well = await tributary(["doctor"], settings);
    await sandbox.stop();
    const sources = await readdir(join(projectFolder, "datasources"));
    expect(well.output.match(/answers: one page of/g)).toHaveLength(sources.length);
    expect(well.code).toBe(0);
    for (const [name, value] of Object.entries(settings))
      if (/SECRET|TOKEN|KEY/.test(name)) expect(well.output).not.toContain(value);
  });
});

describe("settings", () => {
  it.each([
    ["PORT", "many", "PORT is"],
    ["MAX_DEPTH", "0", "MAX_DEPTH is"],
    ["EXPLORER", "maybe", "give on or off"],
    ["STRIPE_BASE_URL", "ftp://x", "STRIPE_BASE_URL is not"],
  ])("%s=%s is refused with what it may be", async (name, value, message) => {
    const { code, output } = await tributary(["serve"], { [name]: value, TRIBUTARY_HOME: home });
    expect(code).toBe(1);
    expect(output).toContain(message);
    expect(output).not.toContain("    at ");
  });
});

describe("help", () => {
  it.each([
    [["--help"]],
    [["start", "--help"]],
    [["serve", "--help"]],
    [["sandbox", "--help"]],
    [["doctor", "--help"]],
    [["new", "source", "--help"]],
  ])("%j", async argumentList => {
    const { code, output } = await tributary(argumentList);
    expect(code).toBe(0);
    expect(output).toContain("Usage: tributary");
  });
});

describe("tributary new source", () => {
  it("scaffolds a source that is discovered, indexed and served without another line", async () => {
    const copy = join(home, "copy");
    for (const name of await readdir(projectFolder)) {
      if (!["node_modules", ".git", ".tributary"].includes(name))
        await cp(join(projectFolder, name), join(copy, name), { recursive: true });
    }
    await symlink(join(projectFolder, "node_modules"), join(copy, "node_modules"));
    const made = await tributary(["new", "source", "loyalty"], {}, copy);
    expect(made.code).toBe(0);
    expect((await readdir(join(copy, "datasources/loyalty"))).sort()).toEqual(["README.md", "sandbox.ts", "source.ts"]);
    expect((await tributary(["new", "source", "loyalty"], {}, copy)).output).toContain("exists already");
    expect((await tributary(["new", "source", "Bad-Name"], {}, copy)).output).toContain("cannot name a source");
    const running = runTributary(
      ["start"],
      { PORT: "0", SANDBOX_PORT: "0", SANDBOX_CUSTOMERS: "20", TRIBUTARY_HOME: join(home, "copied") },
      copy,
    );
    const [, url] = await running.until(/Tributary is ready: (\S+)/);
    expect(running.output()).toMatch(/loyalty\.persons: \d+ records/);
    const { data } = await ask(url!, `{ customers(first: 1, filter: {source: "loyalty"}) { nodes { identities { source } } } }`);
    expect(JSON.stringify(data)).toContain('"loyalty"');
    expect(await running.stop()).toBe(0);
  });
});
