import type { Sandbox } from "../../../src/sandbox/server.ts";

/** An answer read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The text as what the test expects it to be. Throws when it is not JSON. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- a test states the shape, its expectations check it
  readonly json: <T = Record<string, unknown>>() => T;
}

/** What to send beside a path. An object as `body` goes as JSON, form data as a form. */
export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: URLSearchParams | object;
  readonly timeoutMs?: number;
}

/** Sends one request over a real socket. */
export async function ask(url: string, { method, headers = {}, body, timeoutMs = 20_000 }: Asked = {}): Promise<Answer> {
  const isForm = body instanceof URLSearchParams;
  const type = body === undefined || isForm ? {} : { "content-type": "application/json" };
  const payload = body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) };
  const response = await fetch(url, {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: { ...type, ...headers },
    signal: AbortSignal.timeout(timeoutMs),
    ...payload,
  });
  const text = await response.text();
  const json: Answer["json"] = () => JSON.parse(text);
  return { status: response.status, headers: response.headers, text, json };
}

/** Asks the control interface. */
export const control = (sandbox: Sandbox, path: string, asked?: Asked): Promise<Answer> =>
  ask(`${sandbox.origin}/__control/${path}`, asked);

/** Injects a fault and fails unless it was taken. */
export async function breakSource(sandbox: Sandbox, fault: object): Promise<void> {
  const { status, text } = await control(sandbox, "faults", { body: fault });
  if (status !== 201) throw new Error(`fault refused: ${text}`);
}
