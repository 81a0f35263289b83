/**
 * What a server of 2026-07-28 says outside of requests, on the stream of a session: the subscription
 * that the gateway has for it there, when it changes, breaks, or is refused.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Message } from "../support/modern.ts";
import { messageOf } from "../support/open_reply.ts";
import { type Gateway, NEVER_HOLDS_BACK, startGateway } from "../support/processes.ts";
import {
  jsonReply,
  openStreamReply,
  resultOf,
  saying,
  type Script,
  type Scripted,
  type ScriptedReply,
  type ScriptedRequest,
  startScripted,
  streamReply,
} from "../support/scripted.ts";
import { openSession, type Session, type SessionStream } from "../support/session_client.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const URI = "test://one";
const LISTS = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };
const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";

let script: Script;
let server: Scripted;
let gateway: Gateway;
let token: string;
/** Streams that were held open, ever. */
let held = 0;

Deno.test.beforeAll(async () => {
  server = await startScripted((request) => script(request));
  gateway = await startGateway({
    config: { mcpServers: { one: { type: "http", url: `${server.origin}/mcp` } } },
    env: { JWT_SECRET_KEY: TEST_JWT_SECRET, ...NEVER_HOLDS_BACK },
  });
  token = await mintToken();
});

Deno.test.afterAll(async () => {
  for (const one of [gateway, server]) await one?.[Symbol.asyncDispose]();
});

/** Streams of subscriptions that the gateway has open. */
function linesOpen(): number {
  return held - server.givenUp();
}

/** @param listened how the server answers `subscriptions/listen` */
async function play(listened: Script): Promise<Session> {
  await until("the test before has been cleared away", () => linesOpen() === 0);
  script = async (request) => {
    const { rpc } = request;
    if (rpc.method === "initialize") return unsupported(request);
    if (rpc.method !== "subscriptions/listen") return jsonReply(resultOf(rpc, saying("hello")));
    const reply = await listened(request);
    if (reply?.then === "hold") held++;
    return reply;
  };
  const session = await openSession(gateway.origin, { path: "/servers/one/mcp", token });
  server.requests.length = 0;
  return session;
}

function unsupported({ rpc }: ScriptedRequest): ScriptedReply {
  const error = { code: -32022, message: "Unsupported", data: { supported: ["2026-07-28"] } };
  const body = `{"jsonrpc":"2.0","id":${rpc.idText},"error":${JSON.stringify(error)}}`;
  return jsonReply(body, "400 Bad Request");
}

/** A stream that agrees to everything, and says these messages. */
function agreeing(says: readonly string[] = []): Script {
  return (request) => openStreamReply([agreement(request, wanted(request)), ...says]);
}

function agreement({ rpc }: ScriptedRequest, notifications: unknown): string {
  const params = { _meta: { [SUBSCRIPTION]: JSON.parse(rpc.idText) }, notifications };
  const method = "notifications/subscriptions/acknowledged";
  return JSON.stringify({ jsonrpc: "2.0", method, params });
}

function wanted({ rpc }: ScriptedRequest): Message {
  return rpc.params.notifications as Message;
}

/** What the gateway has asked to be told, in order. */
function asked(): readonly Message[] {
  return server.requests.filter(({ rpc }) => rpc.method === "subscriptions/listen").map(wanted);
}

async function subscribe(session: Session, uri = URI, method = "resources/subscribe") {
  return (await session.send({ method, params: { uri } })).response;
}

function updated(uri: string, meta: Message = { [SUBSCRIPTION]: "any" }): string {
  const method = "notifications/resources/updated";
  return JSON.stringify({ jsonrpc: "2.0", method, params: { _meta: meta, uri } });
}

function heardOn(stream: SessionStream): readonly Message[] {
  return stream.messages().map(({ method, params }) => ({ method, params }) as Message);
}

Deno.test("who listens is told of changes of lists", async () => {
  await using session = await play(agreeing());
  using _ = await session.listen();
  await until("the subscription", () => asked().length > 0);
  assertEquals(asked(), [LISTS]);
});

Deno.test("who does neither listen nor subscribe has no subscription", async () => {
  await using session = await play(agreeing());
  await session.send({ params: { name: "any" } });
  assertEquals(asked(), []);
});

Deno.test("who subscribes is told of the resource, too", async () => {
  await using session = await play(agreeing());
  assertEquals((await subscribe(session)).result, {});
  assertEquals(asked().at(-1), { ...LISTS, resourceSubscriptions: [URI] });
});

Deno.test("the subscription before it is left", async () => {
  await using session = await play(agreeing());
  await subscribe(session);
  await until("one is left", () => asked().length === 2 && linesOpen() === 1);
});

Deno.test("who subscribes twice has it asked for once", async () => {
  await using session = await play(agreeing());
  await subscribe(session);
  const { length } = asked();
  await subscribe(session);
  assertEquals(asked().length, length);
});

Deno.test("what is no message is left out, and what follows is not", async () => {
  const says = ["{", "[]", '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'];
  await using session = await play(agreeing(says));
  using own = await session.listen();
  await messageOf(own, "notifications/tools/list_changed");
  assertEquals([own.messages().length, asked().length], [1, 1]);
});

Deno.test("who unsubscribes is told of it no more", async () => {
  await using session = await play(agreeing());
  await subscribe(session);
  await subscribe(session, URI, "resources/unsubscribe");
  assertEquals(asked().at(-1), LISTS);
});

Deno.test("many who subscribe at once are all asked for", async () => {
  await using session = await play(agreeing());
  const uris = Array.from({ length: 20 }, (_, i) => `test://${i}`);
  await Promise.all(uris.map((uri) => subscribe(session, uri)));
  assertEquals([...asked().at(-1)!.resourceSubscriptions as string[]].sort(), uris.toSorted());
});

Deno.test("a resource that the server does not agree to is refused", async () => {
  await using session = await play((request) => openStreamReply([agreement(request, LISTS)]));
  assertEquals((await subscribe(session)).error !== undefined, true);
});

Deno.test("a server without subscriptions has none of its resources subscribed", async () => {
  await using session = await play(({ rpc }) => {
    const error = '{"code":-32601,"message":"Method not found"}';
    return jsonReply(`{"jsonrpc":"2.0","id":${rpc.idText},"error":${error}}`, "404 Not Found");
  });
  assertEquals(((await subscribe(session)).error as Message).code, -32602);
});

Deno.test("a server that cannot be asked leaves what was agreed on before", async () => {
  await using session = await play((request) =>
    asked().length > 1
      ? { bytes: "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n" }
      : openStreamReply([agreement(request, LISTS)])
  );
  using _ = await session.listen();
  await until("the subscription", () => asked().length > 0);
  assertEquals((await subscribe(session)).error !== undefined, true);
  assertEquals([asked().length, linesOpen()], [2, 1]);
});

Deno.test("messages lose the id of the subscription", async () => {
  const says = [
    '{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"' +
    SUBSCRIPTION + '":"x"}}}',
    updated(URI),
    updated(URI, { [SUBSCRIPTION]: "x", other: 1 }),
  ];
  await using session = await play((request) =>
    wanted(request).resourceSubscriptions ? agreeing(says)(request) : agreeing()(request)
  );
  using own = await session.listen();
  await subscribe(session);
  await until("all", () => own.messages().length >= says.length);
  const method = "notifications/resources/updated";
  assertEquals(heardOn(own), [
    { method: "notifications/tools/list_changed", params: undefined },
    { method, params: { uri: URI } },
    { method, params: { _meta: { other: 1 }, uri: URI } },
  ]);
});

Deno.test("what nobody subscribed to, and what belongs elsewhere, is dropped", async () => {
  const says = [
    updated("test://other"),
    '{"jsonrpc":"2.0","id":1,"method":"roots/list"}',
    '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}',
    '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}',
  ];
  await using session = await play(agreeing(says));
  using own = await session.listen();
  await messageOf(own, "notifications/tools/list_changed");
  assertEquals(own.messages().length, 1);
});

for (
  const [how, end] of Object.entries<Script>({
    "ends": (request) => streamReply([agreement(request, LISTS), resultOf(request.rpc, "{}")]),
    "breaks": (request) => ({
      bytes: openStreamReply([agreement(request, LISTS)]).bytes,
      then: "reset",
    }),
  })
) {
  Deno.test(`a subscription that ${how} is made again, and the gap is told`, async () => {
    await using session = await play((request) =>
      asked().length > 1 ? agreeing()(request) : end(request)
    );
    using own = await session.listen();
    const { params } = await messageOf(own, "notifications/message", 10_000);
    assertEquals([(params as Message).data, asked()], [{ gap: true }, [LISTS, LISTS]]);
  });
}

Deno.test("a subscription that is made again has what was subscribed to meanwhile", async () => {
  await using session = await play((request) => {
    const { bytes } = openStreamReply([agreement(request, wanted(request))]);
    return { bytes, then: asked().length === 2 ? "close" : "hold" };
  });
  await subscribe(session);
  await until("another one", () => asked().length > 2, 10_000);
  assertEquals(asked().at(-1), { ...LISTS, resourceSubscriptions: [URI] });
});

Deno.test("a server that never agrees does not keep the client waiting for ever", async () => {
  await using session = await play(() => openStreamReply([]));
  await subscribe(session);
  const reply = await session.send({ params: { name: "any" } });
  assertEquals("result" in reply.response, true);
});

Deno.test("a session that ends while it subscribes leaves nothing behind", async () => {
  const session = await play((request) =>
    asked().length > 1 ? openStreamReply([]) : agreeing()(request)
  );
  using _ = await session.listen();
  await until("the subscription", () => asked().length === 1);
  const subscribing = subscribe(session).catch(() => {});
  await until("another one", () => asked().length === 2);
  await session.end();
  await until("both are given up", () => linesOpen() === 0);
  await subscribing;
});

Deno.test("a session that ends leaves its subscription", async () => {
  const session = await play(agreeing());
  await subscribe(session);
  await session.end();
  await until("it is given up", () => linesOpen() === 0);
});
