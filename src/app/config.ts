import { resolve } from "node:path";
import { isCurrency } from "../core/currency.ts";
import { ConfigError } from "../core/errors.ts";
import { defaultLimits, type QueryLimits } from "../gateway/limits/limits.ts";
import { DEFAULT_BUILD_MIB } from "../pipeline/build.ts";
import type { Join } from "../pipeline/join-report.ts";
import { baseUrlVariable, type Source } from "../source/define-source.ts";
import type { ProxySettings } from "../upstream/connection.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Everything that can be set from outside, read once at start. */
export interface Config {
  readonly host: string;
  readonly port: number;
  /** Whether only this machine can reach that address. */
  readonly isLoopback: boolean;
  /** Null: any. */
  readonly allowedHosts: readonly string[] | null;
  /** Under which sources reach this server, without a slash at its end; null: the address it listens on. */
  readonly publicUrl: string | null;
  /** Where state is kept. */
  readonly home: string;
  /** Folder of the store in `home`. */
  readonly store: string;
  /** Which old pulls stay. */
  readonly retention: { readonly keepPulls: number; readonly keepDays: number };
  /** Which old versions of the dataset stay. */
  readonly versions: { readonly keepVersions: number; readonly keepDays: number };
  /** What DuckDB may use of the memory while it builds, in MiB. */
  readonly buildMemoryMib: number;
  /** The currency of a dataset's features. */
  readonly featureCurrency: string;
  /** Which customers a dataset has. */
  readonly join: Join;
  /** Where builds are told as OpenLineage events; `url` null: in files only. */
  readonly lineage: { readonly url: string | null; readonly namespace: string; readonly timeoutMs: number };
  /** What replicas share; null: each is on its own. */
  readonly redisUrl: string | null;
  /** How many processes there are at least. */
  readonly replicas: number;
  readonly deadlineMs: number;
  /** How often the customer index is read anew from the sources, in ms. */
  readonly refreshMs: number;
  readonly limits: QueryLimits;
  readonly hasIntrospection: boolean;
  readonly hasSuggestions: boolean;
  readonly hasExplorer: boolean;
  readonly logLevel: string;
  /** Null: lines go to stderr. */
  readonly logFile: string | null;
  readonly sandbox: { readonly port: number; readonly seed: number; readonly customers: number; readonly quotas: boolean };
}

/** The environment variables that are read, with their defaults. */
export const settings = {
  PORT: { fallback: "4000", meaning: "port of the graph (0: any free one)" },
  HOST: { fallback: "127.0.0.1", meaning: "address to listen on" },
  ALLOWED_HOSTS: {
    fallback: "",
    meaning: "names by which the graph may be called, with commas; any unless given (loopback names where HOST is loopback)",
  },
  TRIBUTARY_HOME: { fallback: ".tributary", meaning: "folder for state" },
  TRIBUTARY_RAW_KEY: {
    fallback: "",
    meaning: "secret of 32 bytes, hexadecimal or base64: kept responses are encrypted under it; plain unless given",
  },
  RAW_KEEP_PULLS: { fallback: "10", meaning: "pulls of each collection that are kept, beside those that are in use" },
  RAW_KEEP_DAYS: { fallback: "90", meaning: "days that a pull is kept, beside those that are in use" },
  DATASET_KEEP_VERSIONS: {
    fallback: "10",
    meaning: "versions of the dataset that are kept, beside the current one and those that are read",
  },
  DATASET_KEEP_DAYS: { fallback: "90", meaning: "days that a version of the dataset is kept, beside the same" },
  BUILD_MEMORY_MIB: {
    fallback: String(DEFAULT_BUILD_MIB),
    meaning: "memory that DuckDB may use while it builds; what does not fit waits in the folder of the unfinished dataset",
  },
  FEATURE_CURRENCY: { fallback: "EUR", meaning: "currency of the amounts in customer_features, ISO 4217" },
  DATASET_JOIN: {
    fallback: "outer",
    meaning: "which customers a dataset has: outer, all; inner:crm,billing, only those that every source named has",
  },
  OPENLINEAGE_URL: {
    fallback: "",
    meaning: "OpenLineage server that is told of builds; told in files of TRIBUTARY_HOME alone unless given",
  },
  OPENLINEAGE_API_KEY: { fallback: "", meaning: "secret: the server's bearer token, where it wants one" },
  OPENLINEAGE_NAMESPACE: { fallback: "tributary", meaning: "namespace of the jobs and tables in these events" },
  OPENLINEAGE_TIMEOUT_MS: {
    fallback: "5000",
    meaning: "time that the server has to take an event; a build does not fail for it",
  },
  EXPORT_TOKEN: {
    fallback: "",
    meaning:
      "secret: bearer token of who may export tables over HTTP; unless given this machine alone may, where HOST is loopback",
  },
  PUBLIC_URL: {
    fallback: "",
    meaning: "address under which sources reach this server, for webhooks that sign it (http://HOST:PORT unless given)",
  },
  INTAKE_TOKEN: {
    fallback: "",
    meaning:
      "secret: bearer token of who may look after the inbox over HTTP; unless given this machine alone may, where HOST is loopback",
  },
  DEADLINE_MS: {
    fallback: "10000",
    meaning: "time that a query may take; a client may ask for less with X-Tributary-Deadline-Ms",
  },
  REFRESH_MS: { fallback: "600000", meaning: "how often the customer index is read anew" },
  HTTPS_PROXY: { fallback: "", meaning: "proxy through which sources are spoken to by https; also in lower case" },
  HTTP_PROXY: { fallback: "", meaning: "the same for sources that are spoken to by http" },
  NO_PROXY: { fallback: "", meaning: "hosts that are spoken to without a proxy, with commas; loopback always is" },
  DATABASE_URL: {
    fallback: "",
    meaning: "secret: PostgreSQL that replicas share, for the customer index; embedded in TRIBUTARY_HOME unless given",
  },
  REDIS_URL: {
    fallback: "",
    meaning: "Redis that replicas share, for limits and rotated tokens; each is on its own unless given",
  },
  REPLICAS: {
    fallback: "1",
    meaning: "processes that share the limits, at least: each keeps to its part while Redis cannot be reached",
  },
  SECRETS_DIR: {
    fallback: "",
    meaning: "folder with a file for each secret; a secret NAME may also be in the file that NAME_FILE names",
  },
  LOG_LEVEL: { fallback: "info", meaning: "trace, debug, info, warn, error or silent" },
  LOG_FILE: { fallback: "", meaning: "file for log lines; stderr unless given (start: tributary.log in TRIBUTARY_HOME)" },
  INTROSPECTION: { fallback: "on", meaning: "on or off: whether clients may read the schema" },
  SUGGESTIONS: { fallback: "on", meaning: 'on or off: whether errors may say "did you mean"' },
  EXPLORER: { fallback: "on", meaning: "on or off: the page at /" },
  MAX_DEPTH: { fallback: String(defaultLimits.maxDepth), meaning: "levels of selections in a query" },
  MAX_COST: { fallback: String(defaultLimits.maxCost), meaning: "static cost of a query" },
  MAX_ALIASES: { fallback: String(defaultLimits.maxAliases), meaning: "aliases in a query" },
  MAX_TOKENS: { fallback: String(defaultLimits.maxTokens), meaning: "tokens in a query" },
  MAX_DIRECTIVES: { fallback: String(defaultLimits.maxDirectives), meaning: "directives in a query" },
  MAX_BATCH: { fallback: String(defaultLimits.maxBatch), meaning: "operations in one HTTP request" },
  MAX_LIST_SIZE: { fallback: String(defaultLimits.maxListSize), meaning: "items that one list may be asked for" },
  MAX_UPSTREAM_CALLS: { fallback: String(defaultLimits.maxUpstreamCalls), meaning: "estimated requests to sources in one query" },
  MAX_BODY_BYTES: { fallback: String(defaultLimits.maxBodyBytes), meaning: "size of an HTTP request" },
  SANDBOX_PORT: { fallback: "4100", meaning: "port of the sandbox (0: any free one)" },
  SANDBOX_SEED: { fallback: "1", meaning: "seed of the sandbox's population" },
  SANDBOX_CUSTOMERS: { fallback: "500", meaning: "people in the sandbox" },
  SANDBOX_QUOTAS: { fallback: "on", meaning: "on or off: whether the sandbox enforces the providers' limits" },
} as const satisfies Record<string, { fallback: string; meaning: string }>;

type Name = keyof typeof settings;

/** Reads the settings; throws `CONFIG_INVALID` naming the variable, its value and what it may be. */
export function readConfig(environment: Environment): Config {
  const text = (name: Name) => environment[name] || settings[name].fallback;
  const count = (name: Name, least: number) => wholeNumber(name, text(name), least);
  const flag = (name: Name) => onOrOff(name, text(name));
  return {
    host: text("HOST"),
    port: count("PORT", 0),
    isLoopback: loopback.includes(text("HOST")),
    allowedHosts: allowedHosts(text("ALLOWED_HOSTS"), text("HOST"), publicUrl(text("PUBLIC_URL"))),
    publicUrl: publicUrl(text("PUBLIC_URL")),
    home: resolve(text("TRIBUTARY_HOME")),
    store: "store",
    retention: { keepPulls: count("RAW_KEEP_PULLS", 1), keepDays: count("RAW_KEEP_DAYS", 1) },
    versions: { keepVersions: count("DATASET_KEEP_VERSIONS", 1), keepDays: count("DATASET_KEEP_DAYS", 1) },
    buildMemoryMib: count("BUILD_MEMORY_MIB", 256),
    featureCurrency: currency(text("FEATURE_CURRENCY")),
    join: joinOf(text("DATASET_JOIN")),
    lineage: {
      url: text("OPENLINEAGE_URL") || null,
      namespace: text("OPENLINEAGE_NAMESPACE"),
      timeoutMs: count("OPENLINEAGE_TIMEOUT_MS", 1),
    },
    redisUrl: text("REDIS_URL") || null,
    replicas: count("REPLICAS", 1),
    deadlineMs: count("DEADLINE_MS", 1),
    refreshMs: count("REFRESH_MS", 1_000),
    logLevel: logLevel(text("LOG_LEVEL")),
    logFile: text("LOG_FILE") || null,
    hasIntrospection: flag("INTROSPECTION"),
    hasSuggestions: flag("SUGGESTIONS"),
    hasExplorer: flag("EXPLORER"),
    limits: {
      maxDepth: count("MAX_DEPTH", 1),
      maxCost: count("MAX_COST", 1),
      maxAliases: count("MAX_ALIASES", 0),
      maxTokens: count("MAX_TOKENS", 1),
      maxDirectives: count("MAX_DIRECTIVES", 0),
      maxBatch: count("MAX_BATCH", 1),
      maxListSize: count("MAX_LIST_SIZE", 1),
      maxUpstreamCalls: count("MAX_UPSTREAM_CALLS", 0),
      maxBodyBytes: count("MAX_BODY_BYTES", 1),
    },
    sandbox: {
      port: count("SANDBOX_PORT", 0),
      seed: count("SANDBOX_SEED", 0),
      customers: count("SANDBOX_CUSTOMERS", 1),
      quotas: flag("SANDBOX_QUOTAS"),
    },
  };
}

const loopback = ["127.0.0.1", "localhost", "[::1]", "::1"];

function allowedHosts(names: string, host: string, publicAddress: string | null): readonly string[] | null {
  const known = publicAddress === null ? [] : [new URL(publicAddress).hostname];
  if (names !== "") return [...names.split(",").map(name => name.trim()), ...known];
  return loopback.includes(host) ? [...loopback, ...known] : null;
}

function publicUrl(text: string): string | null {
  if (text === "") return null;
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol) && url.search === "" && url.hash === "" && url.username === "")
    return text.replace(/\/+$/, "");
  throw new ConfigError("CONFIG_INVALID", "PUBLIC_URL is not an address such as https://graph.example.com");
}

function currency(code: string): string {
  if (isCurrency(code)) return code;
  throw new ConfigError("CONFIG_INVALID", "FEATURE_CURRENCY is not a code of ISO 4217 such as EUR");
}

function joinOf(text: string): Join {
  const [kind = "", names = "", ...more] = text.split(":");
  const sources = names
    .split(",")
    .map(name => name.trim())
    .filter(Boolean);
  if (text === "outer") return { kind: "outer" };
  if (kind === "inner" && sources.length > 0 && more.length === 0) return { kind: "inner", sources };
  throw new ConfigError(
    "CONFIG_INVALID",
    `DATASET_JOIN is "${text}": give outer, or inner and sources such as inner:crm,billing`,
  );
}

function wholeNumber(name: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new ConfigError("CONFIG_INVALID", `${name} is "${text}": give a whole number, ${least} or more`);
}

function onOrOff(name: string, text: string): boolean {
  if (text === "on") return true;
  if (text === "off") return false;
  throw new ConfigError("CONFIG_INVALID", `${name} is "${text}": give on or off`);
}

function logLevel(text: string): string {
  const levels = ["trace", "debug", "info", "warn", "error", "silent"];
  if (levels.includes(text)) return text;
  throw new ConfigError("CONFIG_INVALID", `LOG_LEVEL is "${text}": give one of ${levels.join(", ")}`);
}

/** Where a source is spoken to: the declared address unless the environment replaces it. Throws `CONFIG_INVALID`. */
export function baseUrlOf(source: Source, environment: Environment): string {
  const name = baseUrlVariable(source);
  const url = environment[name] || source.client.baseUrl;
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  throw new ConfigError("CONFIG_INVALID", `${name} is not an http or https address`);
}

/** The proxies that sources are spoken to through. Throws `CONFIG_INVALID` without showing the address: it may hold a password. */
export function proxyOf(environment: Environment): ProxySettings {
  const text = (name: Name) => environment[name] || environment[name.toLowerCase()] || settings[name].fallback;
  const proxy = (name: Name) => {
    const url = text(name);
    if (url !== "" && !/^https?:$/.test(URL.parse(url)?.protocol ?? ""))
      throw new ConfigError("CONFIG_INVALID", `${name} is not an http or https address`);
    return url;
  };
  const noProxy = [...loopback, text("NO_PROXY")].filter(Boolean).join(",");
  return { httpProxy: proxy("HTTP_PROXY"), httpsProxy: proxy("HTTPS_PROXY"), noProxy };
}
