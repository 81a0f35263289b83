/**
 * What a server of the transport of 2024-11-05 cannot do to the client.
 *
 * @module
 */
import assert, {
  deepStrictEqual as assertEquals,
  rejects as assertRejects,
} from "node:assert/strict";
import { until } from "../support/until.ts";
import {
  call,
  messagesOf,
  type OldBehaviour,
  type OldServer,
  oldUpstream,
  type OldWorld,
  openOldServer,
  openOldWorld,
  posted,
  status,
} from "./old_server.ts";

type Test = (world: OldWorld, server: OldServer) => Promise<void>;

function test(promise: string, run: Test, behaviour: OldBehaviour = {}): void {
  Deno.test(promise, async () => {
    using world = openOldWorld();
    await using server = openOldServer(behaviour);
    await run(world, server);
  });
}

for (
  const [what, begin, message] of [
    ["names no endpoint", (): Promise<void> => Promise.resolve(), /within 0.3 s/],
    ["sends only comments", (text: Write) => text(": hello\n\n".repeat(50)), /within 0.3 s/],
    [
      "names a foreign origin",
      (text: Write) => text(endpoint("http://evil.example/m")),
      /elsewhere/,
    ],
    ["names another port", (text: Write) => text(endpoint("http://127.0.0.1:1/m")), /elsewhere/],
    ["names another scheme", (text: Write) => text(endpoint("file:///etc/passwd")), /elsewhere/],
    [
      "names a host without a scheme",
      (text: Write) => text(endpoint("//evil.example/m")),
      /elsewhere/,
    ],
    ["names credentials", (text: Write) => text(endpoint("http://a:b@127.0.0.1/m")), /elsewhere/],
    ["names no URL", (text: Write) => text(endpoint("http://[")), /elsewhere/],
    [
      "names a very long one",
      (text: Write) => text(endpoint(`/${"a".repeat(10_000)}`)),
      /elsewhere/,
    ],
    [
      "sends an event without end before",
      (text: Write) => text(`data: ${"a".repeat(200_000)}`),
      /named no endpoint|within 0.3 s/,
    ],
  ] as const
) {
  test(`a server that ${what} is refused, and nothing is posted`, async (world, server) => {
    const opening = world.open(oldUpstream(server.url), 300);
    await assertRejects(opening, ({ message: said }: Error) => message.test(said));
    await server.streams[0]!.left;
    assertEquals([server.posts.length, world.sse.channels(), world.heldBytes()], [0, 0, 0]);
  }, { begin: (stream) => begin(stream.text) });
}

type Write = (text: string) => Promise<void>;

function endpoint(data: string): string {
  return `event: endpoint\ndata: ${data}\n\n`;
}

for (
  const [what, reply, message] of [
    ["a page", status(200, "<html>", "text/html"), /not MCP/],
    ["JSON", status(200, "{}", "application/json"), /opened no event stream/],
    ["404", status(404), /404/],
    [
      "a redirect elsewhere",
      "HTTP/1.1 307 R\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n",
      /redirect/,
    ],
    ["401", status(401), /credentials/],
  ] as const
) {
  test(`${what} instead of a stream is an error that says so`, async (world, server) => {
    const opening = world.open(oldUpstream(server.url));
    await assertRejects(opening, ({ message: said }: Error) => message.test(said));
  }, { get: (peer) => peer.write(reply) });
}

test("a stream that ends before it names an endpoint is an error", async (world, server) => {
  await assertRejects(world.open(oldUpstream(server.url)), { code: "upstream_protocol" });
}, { begin: (stream) => stream.drop() });

test(
  "an address that a server must not have is refused before anything is sent",
  async (world, server) => {
    const opening = world.open(oldUpstream(server.url, { declared: false }));
    await assertRejects(opening, { code: "egress_denied" });
    assertEquals(server.connections(), 0);
  },
);

test("a second endpoint changes nothing", async (world, server) => {
  const upstream = oldUpstream(server.url);
  const session = await world.open(upstream);
  await server.streams[0]!.text(endpoint("http://evil.example/m") + endpoint("/other"));
  await world.send(upstream, call(1), { session, isOneWay: true });
  const { head } = await posted(server, "tools/call");
  assertEquals(head.startsWith("POST /message?id=7 "), true);
});

test("answers to nobody, events of other types and garbage are left out", async (world, server) => {
  const upstream = oldUpstream(server.url);
  const session = await world.open(upstream);
  const reply = await ask(world, upstream, session, 1);
  const [stream] = server.streams;
  for (const id of [99, "1", null, 1.5]) await stream!.message({ jsonrpc: "2.0", id, result: {} });
  await stream!.text("event: other\ndata: {}\n\ndata: no message\n\ndata: [1]\n\ndata: {}\n\n");
  await stream!.message({ jsonrpc: "2.0", id: 1, result: { of: 1 } });
  assertEquals(
    [(await messagesOf(reply)).map(({ result }) => result), world.garbage],
    [[{ of: 1 }], ["no message"]],
  );
});

test(
  "an answer that is too large ends the session, and the call is told",
  async (world, server) => {
    const upstream = oldUpstream(server.url);
    const session = await world.open(upstream);
    const reply = await ask(world, upstream, session, 1);
    const result = { text: "a".repeat(200_000) };
    server.streams[0]!.message({ jsonrpc: "2.0", id: 1, result }).catch(() => {});
    await assertRejects(reply.next(), { code: "upstream_protocol" });
    await server.streams[0]!.left;
    assertEquals([world.sse.channels(), world.heldBytes()], [0, 0]);
  },
);

test("what nobody takes holds the stream back, not the memory", async (world, server) => {
  const upstream = oldUpstream(server.url);
  const session = await world.open(upstream);
  const slow = await ask(world, upstream, session, 1);
  const [stream] = server.streams;
  const log = {
    jsonrpc: "2.0",
    method: "notifications/message",
    params: { data: "a".repeat(5_000) },
  };
  let written = 0;
  const flood = (async () => {
    for (; written < 5_000; written++) await stream!.message(log);
    await stream!.message({ jsonrpc: "2.0", id: 1, result: {} });
  })();
  flood.catch(() => {});
  await slow.next();
  await until("the stream is full", async () => {
    const before = written;
    await new Promise((resolve) => setTimeout(resolve, 200));
    return written === before;
  });
  assert(world.heldBytes() < 1_000_000, `${world.heldBytes()} bytes are held`);
  const rest = await messagesOf(slow);
  assertEquals([rest.length, world.heldBytes()], [5_000, 0]);
});

/** Sends a call and waits until it has arrived. */
async function ask(
  world: OldWorld,
  upstream: ReturnType<typeof oldUpstream>,
  session: string,
  id: unknown,
) {
  return await world.send(upstream, call(id), { session });
}
