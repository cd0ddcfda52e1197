import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { constants, createSecureServer } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { connect as connectTcp, createServer as createTcpServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { get, readByPost } from "../../../src/source/request.ts";
import { makeCertificate } from "../../support/certificates.ts";
import { Bench, never, send } from "../../support/upstream-server.ts";

const bench = new Bench();
afterEach(() => bench.close());

const ca = makeCertificate();
const elsewhere = makeCertificate("elsewhere.example");

describe("connections that fail", () => {
  it("tells a name that is not known from a refused connection", async () => {
    const unknown = bench.transport("http://no-such-host.invalid");
    await expect(send(unknown, get("a", "/"))).rejects.toMatchObject({ code: "UPSTREAM_CONNECTION", details: { reason: "dns" } });
    const { port, server } = await bench.http(() => undefined);
    await new Promise(resolve => server.close(resolve));
    const refused = send(bench.transport(`http://127.0.0.1:${port}`), get("a", "/"));
    await expect(refused).rejects.toMatchObject({ code: "UPSTREAM_CONNECTION", details: { reason: "refused" } });
  });

  it.each([
    ["an authority that nobody knows", ca, {}],
    ["a certificate for another host", elsewhere, { ca: elsewhere.cert }],
  ])("does not speak to %s, and does not try again", async (_name, identity, connect) => {
    const port = await bench.listen(createHttpsServer(identity, (_request, response) => void response.end("{}")));
    const answer = send(bench.transport(`https://127.0.0.1:${port}`, {}, { connect }), get("a", "/"));
    await expect(answer).rejects.toMatchObject({ code: "UPSTREAM_CONNECTION", retryable: false, details: { reason: "tls" } });
  });

  it("says that a port speaks no TLS", async () => {
    const { port } = await bench.http(() => undefined);
    const answer = send(bench.transport(`https://127.0.0.1:${port}`), get("a", "/"));
    await expect(answer).rejects.toMatchObject({ code: "UPSTREAM_CONNECTION", details: { reason: "tls" } });
  });

  it("says that a connection was reset, before and after the headers", async () => {
    for (const head of ["", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{"]) {
      const server = createTcpServer(socket => {
        socket.on("error", () => socket.destroy());
        socket.once("data", () => socket.write(head, () => socket.resetAndDestroy()));
      });
      const answer = send(bench.transport(`http://127.0.0.1:${await bench.listen(server)}`), get("a", "/"));
      await expect(answer).rejects.toMatchObject({ code: "UPSTREAM_CONNECTION", retryable: true, details: { reason: "reset" } });
    }
  });
});

describe("kept connections", () => {
  /** Answers the first request of a connection and closes it at the second, as a server does whose patience just ended. */
  async function impatient() {
    const seen: string[] = [];
    const server = createTcpServer(socket => {
      let count = 0;
      socket.on("error", () => socket.destroy());
      socket.on("data", data => {
        seen.push(String(data).split(" ", 1)[0] ?? "");
        if (++count > 1) socket.resetAndDestroy();
        else socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
      });
    });
    return { seen, transport: bench.transport(`http://127.0.0.1:${await bench.listen(server)}`, { concurrency: 1 }) };
  }

  it("are used again", async () => {
    const sockets = new Set<Socket>();
    const listener = (request: IncomingMessage, response: ServerResponse) => {
      sockets.add(request.socket);
      response.end("{}");
    };
    const transport = await bench.over(listener, { concurrency: 1 });
    for (let count = 0; count < 5; count++) await send(transport, get("a", "/"));
    expect(sockets.size).toBe(1);
  });

  it("that were just closed cost a GET nothing", async () => {
    const { transport, seen } = await impatient();
    await send(transport, get("a", "/"));
    expect(await send(transport, get("a", "/"))).toMatchObject({ status: 200 });
    expect(seen).toEqual(["GET", "GET", "GET"]);
  });

  it("that were just closed do not let a POST be sent twice unasked", async () => {
    const { transport, seen } = await impatient();
    await send(transport, get("a", "/"));
    await expect(send(transport, readByPost("a", "/", {}))).rejects.toMatchObject({ details: { reason: "reset" } });
    expect(seen.filter(method => method === "POST")).toHaveLength(1);
  });

  it("are no more than declared", async () => {
    let [open, most] = [0, 0];
    const transport = await bench.over(
      (_request, response) => {
        most = Math.max(most, ++open);
        setTimeout(() => response.end("{}", () => open--), 20);
      },
      { concurrency: 3 },
    );
    await Promise.all(Array.from({ length: 12 }, () => send(transport, get("a", "/"))));
    expect(most).toBe(3);
  });
});

describe("HTTP/2", () => {
  const answerVersion = (request: IncomingMessage) => JSON.stringify({ version: request.httpVersion });

  it.each([
    [undefined, "2.0"],
    [true, "2.0"],
    [false, "1.1"],
  ])("with http2 %s speaks version %s to a source that offers both", async (http2, version) => {
    const server = createSecureServer({ ...ca, allowHTTP1: true }, (request, response) =>
      response.end(JSON.stringify({ version: request.httpVersion })),
    );
    const port = await bench.listen(server);
    const client = http2 === undefined ? {} : { http2 };
    const transport = bench.transport(`https://127.0.0.1:${port}`, client, { connect: { ca: ca.cert } });
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(transport, get("a", "/"))));
    expect(new Set(answers.map(answer => answer.text))).toEqual(new Set([`{"version":"${version}"}`]));
  });

  it("is left where the source does not offer it", async () => {
    const port = await bench.listen(createHttpsServer(ca, (request, response) => void response.end(answerVersion(request))));
    const transport = bench.transport(`https://127.0.0.1:${port}`, {}, { connect: { ca: ca.cert } });
    expect((await send(transport, get("a", "/"))).text).toBe('{"version":"1.1"}');
  });

  it("sends a body, and fails for a stream that breaks off", async () => {
    const server = createSecureServer(ca, (request, response) => {
      if (request.method === "POST") return void request.pipe(response);
      response.stream.on("error", () => undefined);
      response.write('{"half":');
      setTimeout(() => response.stream.close(constants.NGHTTP2_INTERNAL_ERROR), 20);
    });
    const port = await bench.listen(server);
    const transport = bench.transport(`https://127.0.0.1:${port}`, {}, { connect: { ca: ca.cert } });
    expect((await send(transport, readByPost("a", "/", { ids: [1] }))).text).toBe('{"ids":[1]}');
    await expect(send(transport, get("a", "/"))).rejects.toMatchObject({ code: "UPSTREAM_CONNECTION", retryable: true });
  });

  it("is not spoken for a body that is read line by line, where a cut between two lines would not show", async () => {
    const server = createSecureServer({ ...ca, allowHTTP1: true }, (request, response) => {
      response.write(`${request.httpVersion}\n`);
      setTimeout(() => response.stream?.close(constants.NGHTTP2_CANCEL) ?? request.socket.destroy(), 20);
    });
    const port = await bench.listen(server);
    const transport = bench.transport(`https://127.0.0.1:${port}`, {}, { connect: { ca: ca.cert } });
    const answer = await transport.stream(transport.prepare(get("a", "/")), never());
    const seen: string[] = [];
    const reading = (async () => {
      for await (const line of answer.lines()) seen.push(line);
    })();
    await expect(reading).rejects.toMatchObject({ code: "UPSTREAM_CONNECTION", retryable: true });
    expect(seen).toEqual(["1.1"]);
  });
});

describe("redirects", () => {
  const hop = (location: string, status = 302) => {
    const seen: (string | undefined)[] = [];
    const listener = (request: IncomingMessage, response: ServerResponse) => {
      seen.push(`${request.url} ${request.headers.authorization ?? "-"}`);
      if (request.url === "/base/old") response.writeHead(status, { location }).end();
      else response.end("{}");
    };
    return { seen, listener };
  };

  it("are followed within the origin as declared, with the credential", async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      const { seen, listener } = hop("/base/new?x=1", status);
      const transport = await bench.over(listener, { redirects: { max: 1 } });
      const wire = transport.prepare(get("a", "/old"));
      const answer = await transport.send({ ...wire, headers: { ...wire.headers, authorization: "key" } }, never());
      expect(answer.status).toBe(200);
      expect(seen).toEqual(["/base/old key", "/base/new?x=1 key"]);
    }
  });

  it("are not followed by a POST, nor more often than declared", async () => {
    const { listener, seen } = hop("/base/new", 307);
    const transport = await bench.over(listener, { redirects: { max: 1 } });
    expect((await send(transport, readByPost("a", "/old", {}))).status).toBe(307);
    expect(seen).toHaveLength(1);
    const circle = await bench.over(hop("/base/old").listener, { redirects: { max: 3 } });
    await expect(send(circle, get("a", "/old"))).rejects.toMatchObject({ code: "UPSTREAM_REJECTED", retryable: false });
  });

  it("never lead to a host that is not declared, and name it without its query", async () => {
    const { listener } = hop("http://169.254.169.254/latest?token=secret");
    const transport = await bench.over(listener, { redirects: { max: 5 } });
    const error = await send(transport, get("a", "/old")).catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ code: "UPSTREAM_REJECTED", details: { redirectHost: "169.254.169.254" } });
    expect((error as Error).message).not.toMatch(/secret|latest/);
  });

  it("lead to a declared other host without any credential", async () => {
    const headers: IncomingMessage["headers"][] = [];
    const { port } = await bench.http((request, response) => {
      headers.push(request.headers);
      response.end('{"other":1}');
    });
    const { listener } = hop(`http://127.0.0.1:${port}/file?signed=1`);
    const client = { redirects: { max: 1 }, otherHosts: [`127.0.0.1:${port}`], headers: { "X-Access-Token": "key" } };
    const transport = await bench.over(listener, client);
    expect((await send(transport, get("a", "/old"))).text).toBe('{"other":1}');
    expect(headers[0]).not.toHaveProperty("x-access-token");
  });
});

describe("proxies", () => {
  /** A proxy that counts what it is asked for: whole requests, and tunnels. */
  async function proxy() {
    const seen: string[] = [];
    const server = createHttpServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      response.end('{"by":"proxy"}');
    });
    server.on("connect", (request, socket) => {
      seen.push(`CONNECT ${request.url}`);
      const [host = "", port = ""] = (request.url ?? "").split(":");
      const onward = connectTcp(Number(port), host, () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        onward.pipe(socket).pipe(onward);
      });
      onward.on("error", () => socket.destroy());
      socket.on("error", () => onward.destroy());
      bench.onClose(() => onward.destroy());
    });
    const port = await bench.listen(server);
    bench.onClose(() => server.closeAllConnections());
    return { seen, url: `http://127.0.0.1:${port}` };
  }

  it("carry http and tunnel https, as the configuration names them", async () => {
    const { seen, url } = await proxy();
    const port = await bench.listen(createHttpsServer(ca, (_request, response) => void response.end('{"by":"source"}')));
    const settings = { httpProxy: url, httpsProxy: url };
    const secure = bench.transport(`https://127.0.0.1:${port}`, {}, { connect: { ca: ca.cert }, proxy: settings });
    expect((await send(secure, get("a", "/x"))).text).toBe('{"by":"source"}');
    const plain = bench.transport("http://source.invalid", {}, { proxy: settings });
    expect((await send(plain, get("a", "/x"))).text).toBe('{"by":"proxy"}');
    expect(seen).toEqual([`CONNECT 127.0.0.1:${port}`, "GET http://source.invalid/x"]);
  });

  it("are passed by for the hosts that need none", async () => {
    const { seen, url } = await proxy();
    const { port } = await bench.http((_request, response) => void response.end('{"by":"source"}'));
    const settings = { httpProxy: url, noProxy: "example.com,127.0.0.1" };
    const transport = bench.transport(`http://127.0.0.1:${port}`, {}, { proxy: settings });
    expect((await send(transport, get("a", "/"))).text).toBe('{"by":"source"}');
    expect(seen).toEqual([]);
  });

  it("that refuse a tunnel, or are not there, are told from the source", async () => {
    const port = await bench.listen(
      createHttpServer().on("connect", (_request, socket) => socket.end("HTTP/1.1 407 No\r\n\r\n")),
    );
    const refusing = bench.transport("https://source.invalid", {}, { proxy: { httpsProxy: `http://u:p@127.0.0.1:${port}` } });
    const error = await send(refusing, get("a", "/")).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "UPSTREAM_CONNECTION", details: { reason: "proxy" } });
    expect(JSON.stringify(error) + String(error)).not.toContain("u:p");
  });

  it("of the environment's are not read behind the configuration's back", async () => {
    const { port } = await bench.http((_request, response) => void response.end("{}"));
    const before = process.env["http_proxy"];
    process.env["http_proxy"] = "http://127.0.0.1:1";
    try {
      const settings = { httpsProxy: "http://127.0.0.1:1" };
      const transport = bench.transport(`http://127.0.0.1:${port}`, {}, { proxy: settings });
      expect((await send(transport, get("a", "/"))).status).toBe(200);
    } finally {
      if (before === undefined) delete process.env["http_proxy"];
      else process.env["http_proxy"] = before;
    }
  });
});
