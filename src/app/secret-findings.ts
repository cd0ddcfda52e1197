import { X509Certificate } from "node:crypto";
import { statSync } from "node:fs";
import { decodeJwt } from "jose";
import { asError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import type { ConfiguredSecrets } from "./secrets.ts";

/** What can be said of one secret without showing it. */
export interface SecretFinding {
  readonly name: string;
  readonly isSound: boolean;
  readonly text: string;
}

const DAY_MS = 86_400_000;
/** A secret that ends sooner than this is to be replaced. */
const SOON_MS = 14 * DAY_MS;

/** Looks at each secret: whether it is there, who may read its file, how far it reaches, when it ends. Never shows a value. */
export function examineSecrets(names: readonly string[], secrets: ConfiguredSecrets, nowMs: number): SecretFinding[] {
  return names.map(name => {
    try {
      const problems = [...filesOpenTo(name, secrets), ...problemsOf(secrets.read(name), nowMs)];
      const { kind, path } = secrets.originOf(name) ?? { kind: "another store" };
      const place = path === undefined ? `set in the ${kind}` : `in ${path}`;
      return { name, isSound: problems.length === 0, text: [`${name} ${place}`, ...problems].join("; ") };
    } catch (thrown) {
      return { name, isSound: false, text: `missing: ${asError(thrown).message}` };
    }
  });
}

function filesOpenTo(name: string, secrets: ConfiguredSecrets): string[] {
  const path = secrets.originOf(name)?.path;
  if (path === undefined || process.platform === "win32") return [];
  const others = statSync(path, { throwIfNoEntry: false });
  return others && (others.mode & 0o077) !== 0 ? [`too wide: others may read the file; chmod 600 ${path}`] : [];
}

function problemsOf(secret: Secret, nowMs: number): string[] {
  const text = secret.reveal();
  return [...tokenProblems(text, nowMs), ...certificateProblems(text, nowMs)];
}

function tokenProblems(text: string, nowMs: number): string[] {
  const claims = claimsOf(text);
  if (claims === undefined) return [];
  const { exp, scope } = claims;
  const isWide = typeof scope === "string" && scope.split(" ").some(part => part === "*" || part.endsWith(":*"));
  return [
    ...endProblems(exp === undefined ? undefined : exp * 1000, nowMs),
    ...(isWide ? ["too wide: its scope is everything"] : []),
  ];
}

function claimsOf(text: string) {
  if (!/^[\w-]+\.[\w-]+\.[\w-]*$/.test(text)) return undefined;
  try {
    return decodeJwt(text);
  } catch {
    return undefined; // three words with dots between them need not be a token
  }
}

function certificateProblems(text: string, nowMs: number): string[] {
  if (!text.includes("-----BEGIN CERTIFICATE-----")) return [];
  try {
    return endProblems(Date.parse(new X509Certificate(text).validTo), nowMs);
  } catch {
    return ["it is no certificate that can be read"];
  }
}

function endProblems(endsAtMs: number | undefined, nowMs: number): string[] {
  if (endsAtMs === undefined || endsAtMs > nowMs + SOON_MS) return [];
  const day = new Date(endsAtMs).toISOString().slice(0, 10);
  return [endsAtMs <= nowMs ? `expired on ${day}` : `about to expire: ${day}`];
}
