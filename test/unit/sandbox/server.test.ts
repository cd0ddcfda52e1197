import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import type { Imitation } from "../../../src/sandbox/imitation.ts";
import { startSandbox } from "../../../src/sandbox/server.ts";
import type { Sandbox } from "../../../src/sandbox/server.ts";
import { ask, breakSource, control } from "./ask.ts";

/** The smallest source: a counter behind a token, so that state, authorization and resets can be seen. */
const tiny = (name: string): Imitation => ({
  name,
  environment: origin => ({ [`${name.toUpperCase()}_BASE_URL`]: `${origin}/${name}` }),
  mount: (app, world) => {
    let writes = 0;
    world.onReset(() => (writes = 0));
    app.setNotFoundHandler((_request, reply) => reply.code(404).send({}));
    app.get("/things/:id", (request, reply) =>
      request.headers.authorization === "Bearer revoked" || /^Bearer (good|fresh)$/.test(request.headers.authorization ?? "")
        ? { id: (request.params as { id: string }).id, name: "Ünïcode thing", writes }
        : reply.code(401).send({ error: "unauthorised" }),
    );
    app.post("/things", request => {
      writes++;
      return { said: String(request.body instanceof URLSearchParams ? request.body.get("say") : JSON.stringify(request.body)) };
    });
  },
  records: (_population, person) => [{ collection: "things", key: `t${person}` }],
});

let sandbox: Sandbox;
const good = { authorization: "Bearer good" };
const thing = (headers: Record<string, string> = good) => ask(`${sandbox.origin}/tiny/things/7?view=full`, { headers });
const calls = async () => (await control(sandbox, "calls")).json();

beforeAll(async () => {
  sandbox = await startSandbox({ port: 0, seed: 1, customers: 1200, imitations: [tiny("tiny"), tiny("other")] });
});
afterEach(() => control(sandbox, "reset", { method: "POST" }));
afterAll(() => sandbox.close());

describe("the sandbox", () => {
  it("serves on loopback under each source's prefix and names the environment of all", async () => {
    expect(sandbox.environment).toEqual({ TINY_BASE_URL: `${sandbox.origin}/tiny`, OTHER_BASE_URL: `${sandbox.origin}/other` });
    expect(sandbox.origin).toBe(`http://127.0.0.1:${sandbox.port}`);
    expect((await thing()).json()).toEqual({ id: "7", name: "Ünïcode thing", writes: 0 });
  });

  it("hands on forms and JSON parsed", async () => {
    const url = `${sandbox.origin}/tiny/things`;
    expect((await ask(url, { body: new URLSearchParams({ say: "form" }) })).json()).toEqual({ said: "form" });
    expect((await ask(url, { body: { say: 1 } })).json()).toEqual({ said: '{"say":1}' });
  });

  it("counts calls by source, route pattern and status, and forgets them and every write on reset", async () => {
    await ask(`${sandbox.origin}/tiny/things`, { body: {} });
    await Promise.all([thing(), thing(), thing({}), ask(`${sandbox.origin}/tiny/nowhere`)]);
    expect(await calls()).toEqual({
      tiny: { "POST /things": { 200: 1 }, "GET /things/:id": { 200: 2, 401: 1 }, "GET (no such route)": { 404: 1 } },
      other: {},
    });
    await control(sandbox, "reset", { method: "POST" });
    expect(await calls()).toEqual({ tiny: {}, other: {} });
    expect((await thing()).json()["writes"]).toBe(0);
  });

  it("streams the truth about everyone", async () => {
    const { people } = (await control(sandbox, "truth")).json<{ people: { person: { index: number }; records: object[] }[] }>();
    expect(people.map(({ person }) => person.index)).toEqual(Array.from({ length: 1200 }, (_empty, index) => index));
    expect(people[3]?.records).toEqual([
      { source: "tiny", collection: "things", key: "t3" },
      { source: "other", collection: "things", key: "t3" },
    ]);
  });

  it("knows the share of people that each imitation states, some twice, and seven in ten once where it states none", async () => {
    const counted = (name: string): Imitation => ({
      ...tiny(name),
      mount: (app, { population }) =>
        void app.get("/counts", () => ({
          present: Array.from({ length: population.size }, (_empty, index) => population.isPresent(name, index)).filter(Boolean)
            .length,
          records: population.traces(name).length,
        })),
    });
    const stated = { ...counted("stated"), rates: { presence: 0.3, duplicates: 0.5 } };
    const world = await startSandbox({ port: 0, seed: 1, customers: 4000, imitations: [stated, counted("silent")] });
    const counts = async (name: string) =>
      (await ask(`${world.origin}/${name}/counts`)).json<{ readonly present: number; readonly records: number }>();
    const [few, usual] = await Promise.all([counts("stated"), counts("silent")]);
    await world.close();
    expect(few.present / 4000).toBeCloseTo(0.3, 1);
    expect(few.records / few.present).toBeCloseTo(1.5, 1);
    expect(usual.present / 4000).toBeCloseTo(0.7, 1);
    expect(usual.records).toBe(usual.present);
  });

  it("closes at once although a client keeps its connection", async () => {
    const short = await startSandbox({ port: 0, seed: 1, customers: 1, imitations: [tiny("tiny")] });
    await breakSource(short, { source: "tiny", kind: "stall" });
    const stalled = ask(`${short.origin}/tiny/things/1`).then(
      () => "answered",
      () => "cut",
    );
    await new Promise(resolve => setTimeout(resolve, 50));
    await short.close();
    expect(await stalled).toBe("cut");
  });
});

describe("a fault", () => {
  it("status: answers in the source's place as often as told, with Retry-After in seconds or as a date", async () => {
    await breakSource(sandbox, { source: "tiny", kind: "status", status: 503, retryAfter: 2, times: 1 });
    await breakSource(sandbox, {
      source: "tiny",
      kind: "status",
      status: 429,
      retryAfter: "Mon, 23 Nov 2026 10:00:00 GMT",
      times: 1,
      body: "slow down",
      contentType: "text/plain",
    });
    const [first, second, third] = [await thing(), await thing(), await thing()];
    expect([first.status, first.headers.get("retry-after")]).toEqual([503, "2"]);
    expect([second.status, second.headers.get("retry-after"), second.text]).toEqual([
      429,
      "Mon, 23 Nov 2026 10:00:00 GMT",
      "slow down",
    ]);
    expect(third.status).toBe(200);
    expect(await calls()).toMatchObject({ tiny: { "GET /things/:id": { 503: 1, 429: 1, 200: 1 } } });
  });

  it("delay: comes late and then answers as usual", async () => {
    await breakSource(sandbox, { source: "tiny", kind: "delay", delayMs: 80, times: 1 });
    await expect(ask(`${sandbox.origin}/tiny/things/7`, { headers: good, timeoutMs: 30 })).rejects.toThrow("aborted");
    await breakSource(sandbox, { source: "tiny", kind: "delay", delayMs: 80, times: 1 });
    const since = performance.now();
    expect((await thing()).status).toBe(200);
    expect(performance.now() - since).toBeGreaterThanOrEqual(75);
    expect(await calls()).toMatchObject({ tiny: { "GET /things/:id": { 200: 1, aborted: 1 } } });
  });

  it("stall: sends no header for as long as the client waits", async () => {
    await breakSource(sandbox, { source: "tiny", kind: "stall", times: 1 });
    await expect(ask(`${sandbox.origin}/tiny/things/7`, { headers: good, timeoutMs: 100 })).rejects.toThrow("aborted");
    expect(await calls()).toMatchObject({ tiny: { "GET /things/:id": { stall: 1 } } });
  });

  it("reset: destroys the connection", async () => {
    await breakSource(sandbox, { source: "tiny", kind: "reset", times: 1 });
    await expect(thing()).rejects.toMatchObject({ cause: { code: "ECONNRESET" } });
    expect((await thing()).status).toBe(200);
    expect(await calls()).toMatchObject({ tiny: { "GET /things/:id": { reset: 1, 200: 1 } } });
  });

  it("truncate: cuts the JSON under a length that is right for the cut", async () => {
    await breakSource(sandbox, { source: "tiny", kind: "truncate", after: 9, times: 1 });
    const { status, headers, text, json } = await thing();
    expect([status, headers.get("content-length"), text]).toEqual([200, "9", '{"id":"7"']);
    expect(json).toThrow(SyntaxError);
    await breakSource(sandbox, { source: "tiny", kind: "truncate", times: 1 });
    expect((await thing()).json).toThrow(SyntaxError);
  });

  it("malformed: a page of HTML with status 200", async () => {
    await breakSource(sandbox, { source: "tiny", kind: "malformed" });
    const { status, headers, text } = await thing();
    expect([status, headers.get("content-type"), text.slice(0, 15)]).toEqual([
      200,
      "text/html; charset=utf-8",
      "<!doctype html>",
    ]);
  });

  it("empty: 204 without a body", async () => {
    await breakSource(sandbox, { source: "tiny", kind: "empty" });
    const { status, text } = await thing();
    expect([status, text]).toEqual([204, ""]);
  });

  it("graphql-errors: errors in a 200", async () => {
    await breakSource(sandbox, { source: "tiny", kind: "graphql-errors" });
    const { status, json } = await thing();
    expect([status, json()]).toEqual([
      200,
      { data: null, errors: [expect.objectContaining({ message: "Something went wrong" })] },
    ]);
  });

  it("expire-token: the token in use becomes worthless, a new one works, and lifting the faults brings the old one back", async () => {
    await breakSource(sandbox, { source: "tiny", kind: "expire-token" });
    expect([(await thing()).status, (await thing()).status]).toEqual([401, 401]);
    expect((await thing({ authorization: "Bearer fresh" })).status).toBe(200);
    await control(sandbox, "faults", { method: "DELETE" });
    expect((await thing()).status).toBe(200);
  });

  it("drift: a field changes its name or type, or is gone", async () => {
    await breakSource(sandbox, { source: "tiny", kind: "drift", change: { rename: { from: "name", to: "title" } } });
    await breakSource(sandbox, { source: "tiny", kind: "drift", change: { retype: "writes" } });
    const { headers, text, json } = await thing();
    expect(json()).toEqual({ id: "7", title: "Ünïcode thing", writes: "0" });
    expect(headers.get("content-length")).toBe(String(Buffer.byteLength(text)));
  });

  it("meets only its source, and only requests whose line or body has the text in any case", async () => {
    await breakSource(sandbox, { source: "tiny", kind: "status", status: 500, match: "get /THINGS/7?view" });
    await breakSource(sandbox, { source: "tiny", kind: "status", status: 502, match: "accountsById" });
    const { origin } = sandbox;
    const answers = [
      await thing(),
      await ask(`${origin}/tiny/things/8`, { headers: good }),
      await ask(`${origin}/other/things/7?view=full`, { headers: good }),
      await ask(`${origin}/tiny/things`, { body: { query: "{ AccountsByIds }" } }),
      await ask(`${origin}/tiny/things`, { body: { query: "{ usage }" } }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([500, 200, 200, 502, 200]);
  });

  it("delays add to the fault that answers", async () => {
    await breakSource(sandbox, { source: "tiny", kind: "delay", delayMs: 60 });
    await breakSource(sandbox, { source: "tiny", kind: "status", status: 500 });
    const since = performance.now();
    expect((await thing()).status).toBe(500);
    expect(performance.now() - since).toBeGreaterThanOrEqual(55);
  });

  it("is listed with its number and use until it is lifted", async () => {
    const posted = await control(sandbox, "faults", { body: { source: "tiny", kind: "empty", times: 3 } });
    await thing();
    const fault = { source: "tiny", kind: "empty", times: 3, id: posted.json()["id"] };
    expect(posted.json()).toEqual({ ...fault, used: 0 });
    expect((await control(sandbox, "faults")).json()).toEqual({ faults: [{ ...fault, used: 1 }] });
    expect((await control(sandbox, "faults", { method: "DELETE" })).json()).toEqual({ lifted: 1 });
    expect((await thing()).status).toBe(200);
  });

  it.each([
    [{ source: "tiny" }, "kind", "use one of status"],
    [{ source: "tiny", kind: "explode" }, "kind", "use one of status"],
    [{ kind: "stall" }, "source", "name one of"],
    [{ source: "nobody", kind: "stall" }, "source", "name one of tiny, other"],
    [{ source: "tiny", kind: "status" }, "status", "400 to 599"],
    [{ source: "tiny", kind: "status", status: 503, retryAfter: -1 }, "retryAfter", "HTTP date"],
    [{ source: "tiny", kind: "delay" }, "delayMs", "milliseconds"],
    [{ source: "tiny", kind: "stall", times: 0 }, "times", "leave it out"],
    [{ source: "tiny", kind: "drift" }, "change", "rename"],
    [{ source: "tiny", kind: "drift", change: { rename: "x" } }, "change", "rename"],
    [{ source: "tiny", kind: "stall", status: 503 }, "status", "leave status out"],
    [[], "body", "JSON object"],
  ])("that cannot be, %j, is refused by naming %s and the remedy", async (body, field, remedy) => {
    const { status, json } = await control(sandbox, "faults", { body });
    const { error } = json<{ error: { field: string; remedy: string } }>();
    expect([status, error.field]).toEqual([400, field]);
    expect(error.remedy).toContain(remedy);
  });
});
