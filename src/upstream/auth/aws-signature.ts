import { createHash, createHmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import type { AwsSigV4Auth } from "../../source/auth.ts";
import type { WireRequest } from "../wire.ts";
import type { Authorizer, AuthorizerParts } from "./authorizer.ts";

const PRESIGNED_FOR_S = 300;

/** Signs every request by AWS Signature Version 4, with the credentials as they are at that moment. */
export function awsSignature(auth: AwsSigV4Auth, { secrets, clock }: AuthorizerParts, scope: () => string): Authorizer {
  const credentials = () => ({
    accessKeyId: secrets.read(auth.accessKeyId).reveal(),
    secretAccessKey: secrets.read(auth.secretAccessKey).reveal(),
    ...(auth.sessionToken !== undefined && { sessionToken: secrets.read(auth.sessionToken).reveal() }),
  });
  return {
    async authorize(request) {
      const signer = new SignatureV4({
        service: auth.service,
        region: auth.region,
        credentials: credentials(),
        sha256: Sha256,
        uriEscapePath: auth.normalizesPath ?? true,
      });
      const signingDate = new Date(clock.nowMs());
      const unsigned = unsignedRequest(request);
      const signed = await (auth.mode === "presigned"
        ? signer.presign(unsigned, { signingDate, expiresIn: PRESIGNED_FOR_S })
        : signer.sign(unsigned, { signingDate }));
      return { request: signedRequest(request, signed), credential: scope() };
    },
    // A signature is made anew for each attempt: replaced secrets need no further one.
    renew: used => used !== undefined && used !== scope(),
    scope,
  };
}

interface AwsRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query?: Record<string, string | string[] | null>;
  readonly headers: Record<string, string>;
  readonly body?: unknown;
}

function unsignedRequest({ method, url, headers, body }: WireRequest) {
  const query: Record<string, string | string[]> = {};
  for (const name of new Set(url.searchParams.keys())) {
    const values = url.searchParams.getAll(name);
    query[name] = values.length === 1 ? (values[0] ?? "") : values;
  }
  return {
    method,
    protocol: url.protocol,
    hostname: url.hostname,
    ...(url.port !== "" && { port: Number(url.port) }),
    path: url.pathname,
    query,
    headers: { ...headers, host: url.host },
    ...(body !== undefined && { body }),
  };
}

/** The request with what the signer added. Query values are written as they were signed: a space as `%20`. */
function signedRequest(request: WireRequest, { headers, query = {} }: AwsRequest): WireRequest {
  const { host: _, ...kept } = headers;
  const lower = Object.fromEntries(Object.entries(kept).map(([name, value]) => [name.toLowerCase(), value]));
  const url = new URL(request.url);
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value ?? ""].flat().map(each => `${escaped(name)}=${escaped(each)}`),
  );
  url.search = pairs.join("&");
  return { ...request, url, headers: lower };
}

const escaped = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, letter => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);

/** SHA-256 in the form in which the signer wants it. */
class Sha256 {
  readonly #hash: ReturnType<typeof createHash> | ReturnType<typeof createHmac>;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", bytesOf(secret));
  }
  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data));
  }
  async digest(): Promise<Uint8Array> {
    return new Uint8Array(this.#hash.digest());
  }
  reset(): void {
    throw new Error("a hash is used once");
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Buffer {
  if (typeof data === "string") return Buffer.from(data, "utf8");
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data);
}
