/**
 * Servers that are listened to, in both eras: what they say, and what happens when they fall silent.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { ReaderWatch } from "../../../src/catalog/reader.ts";
import { openOwnWorld } from "../../support/own_world.ts";
import {
  result,
  type ScriptedStream,
  type SessionScript,
  type Slot,
  slotPath,
  startScriptedSessions,
} from "../../support/scripted_session_server.ts";
import { until } from "../../support/until.ts";

const CHANGED = { jsonrpc: "2.0", method: "notifications/tools/list_changed" };
const ACKNOWLEDGED = {
  jsonrpc: "2.0",
  method: "notifications/subscriptions/acknowledged",
  params: { notifications: {} },
};

/** What was heard, as `said tool`, in order. */
interface Listening {
  readonly heard: string[];
  readonly watch: ReaderWatch;
}

/** Waits of a second take one hundredth of it. */
async function openWorld(script: (slot: Slot) => SessionScript) {
  const stack = new AsyncDisposableStack();
  const sessions = stack.use(await startScriptedSessions());
  const world = stack.use(openOwnWorld({ haste: 100, firstByteMs: 200_000 }));
  const slot = sessions.play((slot) => ({
    "server/discover": (_request, reply) => reply.empty(404),
    ...script(slot),
  }));
  const server = world.at(`${sessions.origin}${slotPath(slot.number)}`);
  return {
    ...world,
    slot,
    server,
    async listen(): Promise<Listening> {
      await world.reader.describe(server);
      const heard: string[] = [];
      const watch = world.reader.watch(server, (kinds, why) => {
        heard.push(`${why} ${kinds.join(" ")}`);
      });
      await watch.opened;
      return { heard, watch };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A server of the session era with streams that the test holds. */
function streaming(streams: ScriptedStream[]): SessionScript {
  return { GET: (_request, reply) => void streams.push(reply.stream()) };
}

/** The same of the stateless era. */
function stateless(streams: ScriptedStream[]): SessionScript {
  const discovered = {
    resultType: "complete",
    supportedVersions: ["2026-07-28"],
    capabilities: {
      tools: { listChanged: true },
      prompts: { listChanged: false },
      resources: { listChanged: true },
    },
    instructions: "Be modern",
    _meta: { "io.modelcontextprotocol/serverInfo": { name: "modern", version: "2" } },
  };
  return {
    "server/discover": (request, reply) => reply.json(result(request, discovered)),
    "subscriptions/listen": (_request, reply) => {
      const stream = reply.stream();
      stream.message(ACKNOWLEDGED);
      streams.push(stream);
    },
  };
}

for (const [era, script] of Object.entries({ session: streaming, stateless })) {
  Deno.test(`${era} era: announced changes are heard`, async () => {
    const streams: ScriptedStream[] = [];
    await using world = await openWorld(() => script(streams));
    const { heard } = await world.listen();
    streams[0]!.message(CHANGED);
    streams[0]!.message({ ...CHANGED, method: "notifications/resources/list_changed" });
    streams[0]!.message({ ...CHANGED, method: "notifications/prompts/list_changed" });
    await until("three changes", () => heard.length === 3);
    assertEquals(heard, ["said tool", "said resource template", "said prompt"]);
  });

  Deno.test(`${era} era: a stream that breaks is opened again, and may have missed something`, async () => {
    const streams: ScriptedStream[] = [];
    await using world = await openWorld(() => script(streams));
    const { heard } = await world.listen();
    streams[0]!.drop();
    await until("the next stream", () => heard.length === 1);
    assertEquals(heard[0]!.startsWith("missed tool"), true);
    streams[1]!.message(CHANGED);
    await until("the change", () => heard.length === 2);
  });

  Deno.test(`${era} era: garbage on the stream does not end it`, async () => {
    const streams: ScriptedStream[] = [];
    await using world = await openWorld(() => script(streams));
    const { heard } = await world.listen();
    const [stream] = streams;
    stream!.message("{");
    stream!.message("[7]");
    stream!.message(`{"jsonrpc":"2.0","method":${"[".repeat(1000)}`);
    stream!.message("null");
    stream!.message(CHANGED);
    await until("the change", () => heard.length === 1);
    assertEquals(streams.length, 1);
  });

  Deno.test(`${era} era: a stream that is not wanted any more is closed`, async () => {
    const streams: ScriptedStream[] = [];
    await using world = await openWorld(() => script(streams));
    const { watch } = await world.listen();
    watch.stop();
    await until("the end", () => streams[0]!.hasLeft());
    assertEquals(streams.length, 1);
  });

  Deno.test(`${era} era: forgetting a server closes its stream`, async () => {
    const streams: ScriptedStream[] = [];
    await using world = await openWorld(() => script(streams));
    await world.listen();
    await world.reader.forget(world.server);
    await until("the end", () => streams[0]!.hasLeft());
    assertEquals(world.slot.sessions.size, 0);
  });

  Deno.test(`${era} era: a server that refuses at first is asked again`, async () => {
    const streams: ScriptedStream[] = [];
    let refusals = 0;
    const right = script(streams);
    const method = era === "session" ? "GET" : "subscriptions/listen";
    await using world = await openWorld(() => ({
      ...right,
      [method]: (request, reply) =>
        ++refusals <= 3 ? reply.empty(503) : right[method]!(request, reply),
    }));
    const { heard } = await world.listen();
    streams[0]!.message(CHANGED);
    await until("the change", () => heard.length === 1);
    assertEquals(refusals, 4);
  });
}

for (const status of [400, 404, 405, 406, 501]) {
  Deno.test(`a session's server that answers ${status} has no stream, and is left alone`, async () => {
    await using world = await openWorld(() => ({ GET: (_request, reply) => reply.empty(status) }));
    await world.listen();
    assertEquals(world.slot.requestsOf("GET").length, 1);
    assertEquals(world.slot.sessions.size, 1);
  });
}

Deno.test("a stateless server without subscriptions is left alone", async () => {
  await using world = await openWorld(() => ({
    ...stateless([]),
    "subscriptions/listen": ({ idText }, reply) =>
      reply.json(`{"jsonrpc":"2.0","id":${idText},"error":{"code":-32601,"message":"no"}}`, {
        status: 404,
      }),
  }));
  await world.listen();
  assertEquals(world.slot.requestsOf("subscriptions/listen").length, 1);
});

Deno.test("only what is announced is subscribed to, with envelope and headers", async () => {
  const streams: ScriptedStream[] = [];
  await using world = await openWorld(() => stateless(streams));
  await world.listen();
  const request = await world.slot.arrival("subscriptions/listen");
  const { notifications, _meta } = request.message.params as Record<
    string,
    Record<string, unknown>
  >;
  assertEquals(notifications, { toolsListChanged: true, resourcesListChanged: true });
  assertEquals(Object.keys(_meta!).sort(), [
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/protocolVersion",
  ]);
  assertEquals([request.header("mcp-protocol-version"), request.header("mcp-method")], [
    "2026-07-28",
    "subscriptions/listen",
  ]);
});

Deno.test("a stateless server is described by `server/discover`, and has no session", async () => {
  await using world = await openWorld(() => stateless([]));
  const description = await world.reader.describe(world.server);
  assertEquals([description.revision, description.isStateless, description.instructions], [
    "2026-07-28",
    true,
    "Be modern",
  ]);
  assertEquals(description.serverInfo, { name: "modern", version: "2" });
  await world.reader.ping(world.server);
  assertEquals(new Set(world.slot.methods()), new Set(["server/discover"]));
});

Deno.test("a stateless subscription that the server ends is opened again", async () => {
  const streams: ScriptedStream[] = [];
  await using world = await openWorld(() => stateless(streams));
  const { heard } = await world.listen();
  const { idText } = await world.slot.arrival("subscriptions/listen");
  streams[0]!.message(`{"jsonrpc":"2.0","id":${idText},"result":{"resultType":"complete"}}`);
  await until("the next stream", () => heard.length === 1);
  assertEquals(heard, ["missed tool resource template"]);
});

Deno.test("a stateless stream counts as open when the server has acknowledged it", async () => {
  const streams: ScriptedStream[] = [];
  await using world = await openWorld(() => ({
    ...stateless(streams),
    "subscriptions/listen": (_request, reply) => void streams.push(reply.stream()),
  }));
  await world.reader.describe(world.server);
  let isOpen = false;
  const { opened } = world.reader.watch(world.server, () => {});
  void opened.then(() => isOpen = true);
  await world.slot.arrival("subscriptions/listen");
  streams[0]!.message(CHANGED);
  await world.reader.ping(world.server);
  assertEquals(isOpen, false);
  streams[0]!.message(ACKNOWLEDGED);
  await opened;
});

Deno.test("a session's stream is resumed where it was left, and nothing was missed", async () => {
  const streams: ScriptedStream[] = [];
  await using world = await openWorld(() => streaming(streams));
  const { heard } = await world.listen();
  streams[0]!.message(CHANGED, "event-7");
  streams[0]!.end();
  const again = await world.slot.arrival("GET", 1);
  assertEquals(again.header("last-event-id"), "event-7");
  await until("the stream", () => streams.length === 2);
  streams[1]!.message(CHANGED, "event-8");
  await until("the change", () => heard.length === 2);
  assertEquals(heard, ["said tool", "said tool"]);
});

Deno.test("an event that the server does not know any more is given up", async () => {
  const streams: ScriptedStream[] = [];
  await using world = await openWorld(() => ({
    GET: (request, reply) =>
      request.header("last-event-id") === undefined
        ? void streams.push(reply.stream())
        : reply.empty(400),
  }));
  const { heard } = await world.listen();
  streams[0]!.message(CHANGED, "event-7");
  streams[0]!.end();
  await until("the new stream", () => heard.length === 2);
  assertEquals(heard, ["said tool", "missed tool"]);
});

Deno.test("a lost session is opened anew and listened to", async () => {
  const streams: ScriptedStream[] = [];
  await using world = await openWorld((slot) => ({
    GET: (request, reply) =>
      slot.sessions.has(request.header("mcp-session-id") ?? "")
        ? void streams.push(reply.stream())
        : reply.empty(404),
  }));
  const { heard } = await world.listen();
  world.slot.sessions.clear();
  streams[0]!.drop();
  await until("the new stream", () => heard.length === 1);
  assertEquals(heard, ["missed tool"]);
  assertEquals(world.slot.sessions.size, 1);
});

Deno.test("what the server asks on its stream is answered", async () => {
  const streams: ScriptedStream[] = [];
  await using world = await openWorld(() => streaming(streams));
  await world.listen();
  streams[0]!.message({ jsonrpc: "2.0", id: 5, method: "roots/list" });
  const { message } = await world.slot.arrival("response");
  assertEquals(message, { jsonrpc: "2.0", id: 5, result: { roots: [] } });
});

Deno.test("a server that goes over to the other era is followed", async () => {
  const streams: ScriptedStream[] = [];
  const modern = stateless([]);
  let isModern = false;
  await using world = await openWorld((slot) => ({
    ...streaming(streams),
    "server/discover": (request, reply) =>
      isModern ? modern["server/discover"]!(request, reply) : reply.empty(404),
    "ping": (request, reply) => isModern ? reply.empty(404) : slot.usual(request, reply),
    "tools/list": (request, reply) => reply.json(result(request, '{"tools":[]}')),
  }));
  await world.reader.describe(world.server);
  isModern = true;
  // That it is of the session era is believed for a while.
  await until(
    "the other era",
    async () => (await world.reader.describe(world.server).catch(() => undefined))?.isStateless,
  );
  await world.reader.page(world.server, "tool", undefined);
  const list = await world.slot.arrival("tools/list");
  assertEquals(list.header("mcp-protocol-version"), "2026-07-28");
});
