import { chmodSync, mkdtempSync, rmSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { SignJWT } from "jose";
import type { Logger } from "../../../src/core/ports.ts";
import { Secret } from "../../../src/core/secret.ts";
import { examineSecrets } from "../../../src/app/secret-findings.ts";
import { ConfiguredSecrets } from "../../../src/app/secrets.ts";

let folder: string;
let lines: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "secrets-"));
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const note = (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`);
const logger: Logger = { debug: note, info: note, warn: note, error: note };
const secretsIn = (environment: Record<string, string>) => new ConfiguredSecrets(environment, logger);
const at = (name: string) => join(folder, name);
/** Longer than a file is taken at its word. */
const aWhile = () => new Promise(resolve => setTimeout(resolve, 1_050));
/** Writes a file whose time differs from what was there before, however coarse the clock of the file system. */
function write(name: string, text: string, seconds = 0): string {
  writeFileSync(at(name), text, { mode: 0o600 });
  const time = new Date(Date.now() + seconds * 1000);
  utimesSync(at(name), time, time);
  return at(name);
}

describe("ConfiguredSecrets", () => {
  it("takes the environment before a file, a file before the folder, and the folder before another store", () => {
    const [file, other] = [write("file", "from the file\n"), { get: () => new Secret("from the store") }];
    write("KEY", "from the folder\n");
    const read = (environment: Record<string, string>) =>
      new ConfiguredSecrets(environment, logger, [other]).read("KEY").reveal();
    expect(read({ KEY: "from the environment", KEY_FILE: file, SECRETS_DIR: folder })).toBe("from the environment");
    expect(read({ KEY_FILE: file, SECRETS_DIR: folder })).toBe("from the file");
    expect(read({ SECRETS_DIR: folder })).toBe("from the folder");
    expect(read({})).toBe("from the store");
  });

  it("names what is missing, and the ways to give it", () => {
    expect(() => secretsIn({}).read("KEY")).toThrow(/KEY is not set: give it as KEY, or .* KEY_FILE/);
    expect(() => secretsIn({ KEY_FILE: at("none") }).read("KEY")).toThrow(/cannot be read from .*none/);
  });

  it("takes a replaced file into use without a restart", async () => {
    const secrets = secretsIn({ KEY_FILE: write("file", "old") });
    expect(secrets.read("KEY").reveal()).toBe("old");
    write("file", "new", 5);
    await aWhile();
    expect(secrets.read("KEY").reveal()).toBe("new");
  });

  it.each([
    ["empty", () => write("file", "", 5)],
    ["gone", () => unlinkSync(at("file"))],
  ])("keeps what a file held that is %s, and says so", async (_name, spoil) => {
    const secrets = secretsIn({ KEY_FILE: write("file", "old") });
    secrets.read("KEY");
    spoil();
    await aWhile();
    expect(secrets.read("KEY").reveal()).toBe("old");
    expect(lines.join()).toContain("what it held stays");
    expect(lines.join()).not.toContain("old");
  });
});

describe("examineSecrets", () => {
  const nowMs = Date.UTC(2026, 10, 23);
  const token = (claims: object, expiresS: number) =>
    new SignJWT({ ...claims }).setProtectedHeader({ alg: "HS256" }).setExpirationTime(expiresS).sign(Buffer.alloc(32));
  const findings = (environment: Record<string, string>) =>
    examineSecrets(["KEY"], secretsIn(environment), nowMs).map(({ isSound, text }) => [isSound, text]);

  it("finds nothing wrong with a plain one", () => {
    expect(findings({ KEY: "a.b.c" })).toEqual([[true, "KEY set in the environment"]]);
  });

  it("finds one that is missing", () => {
    expect(findings({})).toEqual([[false, expect.stringMatching(/^missing: the secret KEY/)]]);
  });

  it("finds a file that others may read", () => {
    const file = write("file", "value");
    chmodSync(file, 0o644);
    expect(findings({ KEY_FILE: file })).toEqual([[false, expect.stringContaining("others may read the file")]]);
  });

  it.each([
    [nowMs / 1000 - 60, "expired on 2026-11-22"],
    [nowMs / 1000 + 5 * 86_400, "about to expire: 2026-11-28"],
  ])("finds a token that ends (%i)", async (expiresS, expected) => {
    expect(findings({ KEY: await token({}, expiresS) })).toEqual([[false, expect.stringContaining(expected)]]);
  });

  it("finds a token that may do everything, and shows nothing of it", async () => {
    const text = await token({ scope: "read *" }, nowMs / 1000 + 90 * 86_400);
    const found = findings({ KEY: text });
    expect(found).toEqual([[false, expect.stringContaining("too wide")]]);
    expect(JSON.stringify(found)).not.toContain(text.slice(0, 12));
  });
});
