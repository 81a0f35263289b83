/**
 * The balancer sends each request once, to an origin that wants it, and passes on what comes.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert/strict";
import { openBalancer } from "./balancer.ts";
import { openRaw, statusOf } from "./open_reply.ts";
import { chunkBytes, requestTo, sendRaw } from "./raw_http.ts";
import { until } from "./until.ts";

interface Origin extends AsyncDisposable {
  readonly url: string;
  readonly setReady: (isReady: boolean) => void;
  /** Connections besides those that asked whether it is ready. */
  readonly ports: Set<number>;
  readonly requests: string[];
  /** Streams that their reader has left. */
  readonly left: () => number;
}

/** Says its name; `/stream` says it again and again; `/echo` says the body back; `/break` dies. */
function openOrigin(name: string): Origin {
  let isReady = true;
  let left = 0;
  const ports = new Set<number>();
  const requests: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request, info) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/ready") return new Response(null, { status: isReady ? 200 : 503 });
    ports.add(info.remoteAddr.port);
    requests.push(`${request.method} ${pathname}`);
    if (pathname === "/echo") return new Response(request.body);
    if (pathname === "/empty") return new Response(null, { status: 204 });
    if (pathname !== "/stream") return new Response(name);
    let timer: ReturnType<typeof setInterval>;
    const stream = new ReadableStream({
      start(controller) {
        timer = setInterval(() => controller.enqueue(`data: ${name}\n\n`), 10);
      },
      cancel() {
        clearInterval(timer);
        left++;
      },
    });
    return new Response(stream.pipeThrough(new TextEncoderStream()), {
      headers: { "Content-Type": "text/event-stream" },
    });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    setReady: (next) => void (isReady = next),
    ports,
    requests,
    left: () => left,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const get = async (url: string) => await (await fetch(url)).text();

Deno.test("origins take turns, each over one connection", async () => {
  await using a = openOrigin("a");
  await using b = openOrigin("b");
  await using balancer = await openBalancer([a.url, b.url]);
  const names: string[] = [];
  for (let i = 0; i < 6; i++) names.push(await get(balancer.origin));
  assertEquals(names.join(""), "ababab");
  assertEquals([a.ports.size, b.ports.size], [1, 1]);
});

Deno.test("an origin that is not ready is left out, and taken in again", async () => {
  await using a = openOrigin("a");
  await using b = openOrigin("b");
  await using balancer = await openBalancer([a.url, b.url]);
  a.setReady(false);
  await until("it to be left out", () => balancer.inUse().length === 1);
  assertEquals([await get(balancer.origin), await get(balancer.origin)], ["b", "b"]);
  a.setReady(true);
  await until("it to be taken in", () => balancer.inUse().length === 2);
});

Deno.test("an origin to which no connection can be made costs no request", async () => {
  const a = openOrigin("a");
  await using b = openOrigin("b");
  await using balancer = await openBalancer([a.url, b.url]);
  await a[Symbol.asyncDispose]();
  const replies = await Promise.all(
    [1, 2, 3].map(() => fetch(balancer.origin, { method: "POST" })),
  );
  assertEquals(await Promise.all(replies.map((reply) => reply.text())), ["b", "b", "b"]);
});

Deno.test("a request whose origin breaks off is 502, and is sent to no other", async () => {
  using dying = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const received: string[] = [];
  const serving = (async () => {
    for await (const connection of dying) {
      const buffer = new Uint8Array(4096);
      const count = await connection.read(buffer) ?? 0;
      const line = new TextDecoder().decode(buffer.subarray(0, count)).split("\r\n")[0]!;
      const isProbe = line.startsWith("GET /ready ");
      if (!isProbe) received.push(line);
      const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
      if (isProbe) await connection.write(new TextEncoder().encode(ok));
      connection.close();
    }
  })();
  await using b = openOrigin("b");
  {
    await using balancer = await openBalancer([`http://127.0.0.1:${dying.addr.port}`, b.url]);
    const reply = await fetch(balancer.origin, { method: "POST", body: "once" });
    await reply.body?.cancel();
    assertEquals(reply.status, 502);
  }
  assertEquals(received, ["POST / HTTP/1.1"]);
  assertEquals(b.requests, []);
  dying.close();
  await serving;
});

Deno.test("bodies pass as they are, of any framing, and nobody is kept waiting for an end", async () => {
  await using a = openOrigin("a");
  await using balancer = await openBalancer([a.url]);
  const body = "x".repeat(1_000_000);
  const echoed = await fetch(`${balancer.origin}/echo`, { method: "POST", body });
  assertEquals(await echoed.text(), body);
  const chunks = ["one", "two", "three"].map(chunkBytes).join("") + "0\r\n\r\n";
  const headers = { "Transfer-Encoding": "chunked" };
  const chunked = requestTo(balancer.origin, { path: "/echo", headers });
  const reply = await sendRaw(balancer.origin, chunked, { rest: [chunks] });
  assertEquals(reply.text, "onetwothree");
  for (const method of ["HEAD", "GET"]) {
    const empty = await fetch(`${balancer.origin}/empty`, { method });
    assertEquals([empty.status, await empty.text()], [204, ""]);
  }
  assertEquals(await (await fetch(balancer.origin, { method: "HEAD" })).text(), "");
  assertEquals(await get(balancer.origin), "a");
});

Deno.test("a stream is passed on while it comes, and a client that leaves ends it", async () => {
  await using a = openOrigin("a");
  await using balancer = await openBalancer([a.url]);
  const bytes = requestTo(balancer.origin, { verb: "GET", path: "/stream", headers: {} });
  {
    using stream = await openRaw(balancer.origin, bytes);
    assertEquals(await statusOf(stream), 200);
    await until("two events", () => stream.text().split("\n\n").length > 2);
  }
  await until("the end at the origin", () => a.left() === 1);
});

Deno.test("a client that leaves after its answer takes no other's connection along", async () => {
  await using a = openOrigin("a");
  await using balancer = await openBalancer([a.url]);
  const bytes = (path: string) => requestTo(balancer.origin, { verb: "GET", path, headers: {} });
  const first = await openRaw(balancer.origin, bytes("/"));
  await until("its answer", () => first.text() === "a");
  using stream = await openRaw(balancer.origin, bytes("/stream"));
  assertEquals(await statusOf(stream), 200);
  assertEquals(a.ports.size, 1);
  first.close();
  const before = stream.text().length;
  await until("more of the stream", () => stream.ended() || stream.text().length > before + 200);
  assertEquals(stream.ended(), undefined);
});

Deno.test("without an origin that is ready it is 503", async () => {
  await using a = openOrigin("a");
  a.setReady(false);
  await using balancer = await openBalancer([a.url]);
  const reply = await fetch(balancer.origin);
  assertEquals([reply.status, await reply.text()], [503, ""]);
  assert(a.requests.length === 0);
});
