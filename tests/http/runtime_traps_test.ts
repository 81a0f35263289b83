/**
 * What the runtime's server does that the gateway is built around. When one of these tests fails
 * with a newer runtime, look at the place that it names.
 *
 * @module
 * @see security.md, section 0.2; platform.md, sections 7 and 8
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { SSE_HEADERS } from "../../src/http/sse_writer.ts";
import { headerOf, requestBytes, sendRaw } from "../support/raw_http.ts";

const GET = requestBytes("GET / HTTP/1.1", ["Host: a", "Connection: close"]);

// http/streamable.ts: the signal means that the client has left, thanks to "no-legacy-abort".
Deno.test("a request's signal is not aborted when its answer was read", async () => {
  let signal: AbortSignal | undefined;
  let completed: Promise<void> | undefined;
  await using server = serve((request, info) => {
    signal = request.signal;
    completed = info.completed;
    return new Response("ok");
  });
  await sendRaw(server.origin, GET);
  await completed;
  assertEquals(signal!.aborted, false);
});

// cli/serve.ts: shutting down would wait for ever, so subscriptions are ended first.
Deno.test("shutdown waits for streams that are open", async () => {
  let controller: ReadableStreamDefaultController | undefined;
  const { listener, origin } = serve(() => {
    return new Response(new ReadableStream({ start: (c) => void (controller = c) }));
  });
  const reply = await fetch(origin);
  let isDown = false;
  const down = listener.shutdown().then(() => isDown = true);
  const refused = await fetch(origin).then(() => false, () => true);
  const wasDown = isDown;
  controller!.close();
  await reply.body?.cancel();
  await down;
  assertEquals({ refused, wasDown }, { refused: true, wasDown: false });
});

// http/sse_writer.ts: "no-transform", or the server would hold back events to compress them.
Deno.test("an event stream is not compressed", async () => {
  const event = `data: ${"a".repeat(10_000)}\n\n`;
  await using server = serve(() => new Response(event, { headers: SSE_HEADERS }));
  const request = requestBytes("GET / HTTP/1.1", [
    "Host: a",
    "Connection: close",
    "Accept-Encoding: gzip, br",
  ]);
  const reply = await sendRaw(server.origin, request);
  assertEquals([headerOf(reply, "content-encoding"), reply.text], [undefined, event]);
});

// auth/authenticate.ts: two credentials arrive as one value, joined by a comma.
Deno.test("headers that are sent twice arrive joined by a comma", async () => {
  let seen: string | null | undefined;
  await using server = serve((request) => {
    seen = request.headers.get("authorization");
    return new Response();
  });
  const twice = ["Host: a", "Connection: close", "Authorization: x", "Authorization: y"];
  await sendRaw(server.origin, requestBytes("GET / HTTP/1.1", twice));
  assertEquals(seen, "x, y");
});

// http/request_head.ts: paths are looked at as they were sent.
Deno.test("the URL of a request is not normalised", async () => {
  let seen: string | undefined;
  await using server = serve((request) => {
    seen = request.url;
    return new Response();
  });
  const line = "GET /a/%2e%2e/b//c HTTP/1.1";
  await sendRaw(server.origin, requestBytes(line, ["Host: a", "Connection: close"]));
  assertEquals(seen, "http://a/a/%2e%2e/b//c");
});

// http/request_head.ts: a target with a host of its own is compared with the Host header.
Deno.test("an absolute target decides the URL, whatever the Host header says", async () => {
  let seen: (string | null)[] = [];
  await using server = serve((request) => {
    seen = [request.url, request.headers.get("host")];
    return new Response();
  });
  const line = "GET http://other/x HTTP/1.1";
  await sendRaw(server.origin, requestBytes(line, ["Host: a", "Connection: close"]));
  assertEquals(seen, ["http://other/x", "a"]);
});

interface Served extends AsyncDisposable {
  readonly origin: string;
  readonly listener: Deno.HttpServer;
}

/** The runtime's server and nothing else. */
function serve(handler: Deno.ServeHandler): Served {
  const listener = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, handler);
  const { port } = listener.addr as Deno.NetAddr;
  return {
    listener,
    origin: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => listener.shutdown(),
  };
}
