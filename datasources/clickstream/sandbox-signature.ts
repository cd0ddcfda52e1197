import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { Refused } from "./sandbox-refused.ts";

/** Temporary credentials and what they are good for. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly region: string;
  readonly service: string;
}

/** A request as it came over the wire. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query, not decoded. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

const MAX_SKEW_MS = 5 * 60_000;
const ALGORITHM = "AWS4-HMAC-SHA256";
/** Without these in it, a signature says nothing of where or when, nor for whom. */
const alwaysSigned = ["host", "x-amz-date", "x-amz-security-token"];

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const keyed = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();
const refuse = (type: string, message: string): never => {
  throw new Refused(403, type, message);
};

interface Authorization {
  readonly scope: readonly [id: string, day: string, region: string, service: string, end: string];
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

function authorizationIn(header: string): Authorization {
  const [, credential = "", names = "", signature = ""] =
    /^AWS4-HMAC-SHA256 Credential=([^,\s]+), *SignedHeaders=([^,\s]+), *Signature=([0-9a-f]{64})$/.exec(header) ??
    refuse("MissingAuthenticationTokenException", "Missing Authentication Token");
  const parts = credential.split("/");
  if (parts.length !== 5) refuse("IncompleteSignatureException", "Credential must have exactly 5 slash-delimited elements");
  const [id = "", day = "", region = "", service = "", end = ""] = parts;
  return { scope: [id, day, region, service, end], signedHeaders: names.split(";"), signature };
}

/** As RFC 3986 has it: only unreserved characters stay. */
const escaped = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, letter => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Every service but S3 wants the path escaped once more. */
const canonicalPath = (path: string): string => path.split("/").map(escaped).join("/");
const canonicalQuery = (query: string): string =>
  [...new URLSearchParams(query)]
    .map(([name, value]) => `${escaped(name)}=${escaped(value)}`)
    .toSorted(byCodeUnit)
    .join("&");

const headerText = (request: SignedRequest, name: string): string =>
  [request.headers[name] ?? ""].flat().join(",").trim().replace(/\s+/g, " ");

function canonicalRequest(request: SignedRequest, signedHeaders: readonly string[]): string {
  const [path = "", query = ""] = request.target.split("?", 2);
  return [
    request.method,
    canonicalPath(path),
    canonicalQuery(query),
    ...signedHeaders.map(name => `${name}:${headerText(request, name)}`),
    "",
    signedHeaders.join(";"),
    sha256(request.body),
  ].join("\n");
}

function checkScope({ scope }: Authorization, date: string, credentials: Credentials): void {
  const [id, day, region, service, end] = scope;
  if (id !== credentials.accessKeyId)
    refuse("UnrecognizedClientException", "The security token included in the request is invalid.");
  const wanted: readonly (readonly [string, string])[] = [
    [day, date.slice(0, 8)],
    [region, credentials.region],
    [service, credentials.service],
    [end, "aws4_request"],
  ];
  const wrong = wanted.find(([given, due]) => given !== due);
  if (wrong)
    refuse(
      "InvalidSignatureException",
      `Credential should be scoped to a valid region and service: '${wrong[1]}', not '${wrong[0]}'`,
    );
}

function checkDate(date: string, nowMs: number): void {
  const [, y, mo, d, h, mi, s] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ??
    refuse("IncompleteSignatureException", "Date must be in ISO-8601 'basic format'");
  const signedAtMs = Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
  if (!(Math.abs(nowMs - signedAtMs) <= MAX_SKEW_MS))
    refuse("InvalidSignatureException", `Signature expired: ${date} is too far from now`);
}

function checkHeaders(request: SignedRequest, { signedHeaders }: Authorization, { sessionToken }: Credentials): void {
  const unsigned = alwaysSigned.find(name => !signedHeaders.includes(name));
  if (unsigned !== undefined)
    refuse("IncompleteSignatureException", `'${unsigned}' must be a 'SignedHeader' in the AWS Authorization.`);
  if (headerText(request, "x-amz-security-token") !== sessionToken)
    refuse("UnrecognizedClientException", "The security token included in the request is invalid.");
  const stated = headerText(request, "x-amz-content-sha256");
  if (stated !== "" && stated !== sha256(request.body))
    refuse("InvalidSignatureException", "x-amz-content-sha256 is not the hash of the body");
}

/** Throws 403 unless a request is signed with these credentials, for this region and service, within five minutes of now. @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
export function checkSignature(request: SignedRequest, credentials: Credentials, nowMs: number): void {
  const authorization = authorizationIn(headerText(request, "authorization"));
  const date = headerText(request, "x-amz-date");
  checkHeaders(request, authorization, credentials);
  checkDate(date, nowMs);
  checkScope(authorization, date, credentials);
  const [, ...scope] = authorization.scope;
  const text = [ALGORITHM, date, scope.join("/"), sha256(canonicalRequest(request, authorization.signedHeaders))].join("\n");
  const key = scope.reduce<string | Buffer>((before, part) => keyed(before, part), `AWS4${credentials.secretAccessKey}`);
  if (!timingSafeEqual(keyed(key, text), Buffer.from(authorization.signature, "hex")))
    refuse("InvalidSignatureException", "The request signature we calculated does not match the signature you provided.");
}
