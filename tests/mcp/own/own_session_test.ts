/**
 * The gateway's own sessions at servers of the session era: one at each, none left behind.
 *
 * @module
 */
import {
  deepStrictEqual as assertEquals,
  match as assertMatch,
  rejects as assertRejects,
} from "node:assert/strict";
import type { ItemKind } from "../../../src/domain/item.ts";
import { openOwnWorld, type OwnWorldOptions } from "../../support/own_world.ts";
import {
  result,
  type ScriptedStream,
  type SessionReply,
  type SessionRequest,
  type SessionScript,
  type Slot,
  slotPath,
  startScriptedSessions,
} from "../../support/scripted_session_server.ts";
import { until } from "../../support/until.ts";

/** A server with this script, which answers `server/discover` as servers of its era do. */
async function openWorld(
  script: (slot: Slot) => SessionScript = () => ({}),
  options: OwnWorldOptions = {},
) {
  const stack = new AsyncDisposableStack();
  const sessions = stack.use(await startScriptedSessions());
  const world = stack.use(openOwnWorld(options));
  const slot = sessions.play((slot) => ({
    "server/discover": (_request, reply) => reply.empty(404),
    ...script(slot),
  }));
  return {
    ...world,
    slot,
    server: world.at(`${sessions.origin}${slotPath(slot.number)}`),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const TOOLS: SessionScript = {
  "tools/list": (request, reply) =>
    reply.json(result(request, '{"tools":[{"name":"a","n":1.0}],"nextCursor":"c2"}')),
};

Deno.test("a server is described by what it says in `initialize`", async () => {
  await using world = await openWorld((slot) => ({
    initialize: slot.greeting({ instructions: "Be kind" }),
  }));
  assertEquals(await world.reader.describe(world.server), {
    revision: "2025-11-25",
    isStateless: false,
    capabilities: { logging: {}, resources: { subscribe: true }, tools: { listChanged: true } },
    serverInfo: { name: "scripted", version: "1.0.0" },
    instructions: "Be kind",
  });
});

Deno.test("the gateway says that it can do all that some client may", async () => {
  await using world = await openWorld();
  await world.reader.describe(world.server);
  const { params } = (await world.slot.arrival("initialize")).message;
  assertEquals(params, {
    protocolVersion: "2025-11-25",
    capabilities: {
      roots: {},
      sampling: {},
      elicitation: { form: {}, url: {} },
      extensions: { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html;profile=mcp-app"] } },
    },
    clientInfo: { name: "sallyport", version: "test" },
  });
});

for (const revision of ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]) {
  Deno.test(`revision ${revision} is spoken`, async () => {
    await using world = await openWorld((slot) => ({
      ...TOOLS,
      initialize: slot.greeting({ protocolVersion: revision }),
    }));
    assertEquals((await world.reader.describe(world.server)).revision, revision);
    await world.reader.page(world.server, "tool", undefined);
    const list = await world.slot.arrival("tools/list");
    assertEquals(list.header("mcp-protocol-version"), revision);
  });
}

Deno.test("another revision is refused, and its session is ended", async () => {
  await using world = await openWorld((slot) => ({
    initialize: slot.greeting({ protocolVersion: "2030-01-01" }),
  }));
  await assertRejects(world.reader.describe(world.server), { code: "upstream_protocol" });
  await until("the session to end", () => world.slot.sessions.size === 0);
});

Deno.test("one session serves pages and pings", async () => {
  await using world = await openWorld(() => TOOLS);
  await world.reader.describe(world.server);
  await world.reader.page(world.server, "tool", undefined);
  await world.reader.page(world.server, "tool", "c2");
  await world.reader.ping(world.server);
  await world.reader.describe(world.server);
  assertEquals(world.slot.requestsOf("initialize").length, 1);
  assertEquals(world.slot.sessions.size, 1);
});

Deno.test("a page holds each element as it was written, and where to go on", async () => {
  await using world = await openWorld(() => TOOLS);
  const page = await world.reader.page(world.server, "tool", undefined);
  assertEquals(page?.items, [{ text: '{"name":"a","n":1.0}' }]);
  assertEquals(page?.nextCursor, "c2");
});

Deno.test("the cursor is sent back as it was given", async () => {
  await using world = await openWorld(() => TOOLS);
  await world.reader.page(world.server, "tool", 'ü \u2028"');
  assertEquals((await world.slot.arrival("tools/list")).message.params, { cursor: 'ü \u2028"' });
});

const METHODS: readonly (readonly [kind: ItemKind, method: string])[] = [
  ["tool", "tools/list"],
  ["prompt", "prompts/list"],
  ["resource", "resources/list"],
  ["template", "resources/templates/list"],
];

for (const [kind, method] of METHODS) {
  Deno.test(`a server without ${method} has no ${kind}s`, async () => {
    const error = { code: -32601, message: "Method not found" };
    await using world = await openWorld(() => ({
      [method]: (request, reply) =>
        reply.json(`{"jsonrpc":"2.0","id":${request.idText},"error":${JSON.stringify(error)}}`),
    }));
    assertEquals(await world.reader.page(world.server, kind, undefined), undefined);
  });
}

Deno.test("another error fails the page, and names the method", async () => {
  await using world = await openWorld(() => ({
    "tools/list": (request, reply) =>
      reply.json(
        `{"jsonrpc":"2.0","id":${request.idText},"error":{"code":-32000,"message":"no"}}`,
      ),
  }));
  await assertRejects(world.reader.page(world.server, "tool", undefined), {
    code: "upstream_protocol",
    message: 'The upstream server refused "tools/list" with error -32000',
  });
});

Deno.test("a lost session is opened anew, once", async () => {
  await using world = await openWorld(() => TOOLS);
  await world.reader.describe(world.server);
  world.slot.sessions.clear();
  world.slot.sessions.add("somebody else's");
  await Promise.all([
    world.reader.ping(world.server),
    world.reader.ping(world.server),
    world.reader.ping(world.server),
  ]);
  assertEquals(world.slot.requestsOf("initialize").length, 2);
  assertEquals(world.slot.sessions.size, 2);
});

Deno.test("a server that loses every session at once fails, and none is left behind", async () => {
  await using world = await openWorld(() => ({
    "tools/list": (_request, reply) => reply.empty(404),
  }));
  await assertRejects(world.reader.page(world.server, "tool", undefined), {
    code: "upstream_unavailable",
  });
  assertEquals(world.slot.requestsOf("initialize").length, 2);
  await until("the first session to end", () => world.slot.sessions.size === 1);
});

Deno.test("a server that was started again is described anew", async () => {
  let isNew = false;
  await using world = await openWorld((slot) => ({
    initialize: (request, reply) =>
      slot.greeting({ instructions: isNew ? "new" : "old" })(request, reply),
  }));
  await world.reader.describe(world.server);
  isNew = true;
  world.slot.sessions.clear();
  assertEquals((await world.reader.describe(world.server)).instructions, "new");
});

Deno.test("a server without sessions is described anew every time", async () => {
  let greetings = 0;
  await using world = await openWorld(() => ({
    initialize: (request, reply) =>
      reply.json(result(request, {
        protocolVersion: "2025-06-18",
        capabilities: {},
        serverInfo: { name: "s", version: "1" },
        instructions: String(++greetings),
      })),
    "notifications/initialized": (_request, reply) => reply.empty(202),
  }));
  await world.reader.describe(world.server);
  assertEquals((await world.reader.describe(world.server)).instructions, "2");
  await world.reader.forget(world.server);
  assertEquals(world.slot.requestsOf("DELETE").length, 0);
});

Deno.test("a forgotten server's session is ended", async () => {
  await using world = await openWorld();
  await world.reader.describe(world.server);
  await world.reader.forget(world.server);
  assertEquals(world.slot.sessions.size, 0);
});

Deno.test("a session that is still being opened when its server is forgotten is ended", async () => {
  const gate = Promise.withResolvers<void>();
  await using world = await openWorld((slot) => ({
    async initialize(request, reply) {
      await gate.promise;
      slot.usual(request, reply);
    },
  }));
  const described = assertRejects(world.reader.describe(world.server), { code: "unavailable" });
  await world.slot.arrival("initialize");
  const forgotten = world.reader.forget(world.server);
  gate.resolve();
  await forgotten;
  await described;
  assertEquals(world.slot.sessions.size, 0);
});

Deno.test("closing ends all sessions, and nothing is read any more", async () => {
  await using world = await openWorld();
  await world.reader.describe(world.server);
  await world.reader.close();
  assertEquals(world.slot.sessions.size, 0);
  await assertRejects(world.reader.describe(world.server), { code: "unavailable" });
  assertEquals(world.slot.requestsOf("initialize").length, 1);
});

Deno.test("a refused `notifications/initialized` leaves no session behind", async () => {
  await using world = await openWorld(() => ({
    "notifications/initialized": (_request, reply) => reply.empty(500),
  }));
  await assertRejects(world.reader.describe(world.server), { code: "upstream_unavailable" });
  await until("the session to end", () => world.slot.sessions.size === 0);
});

Deno.test("a server that never answers fails in time", async () => {
  await using world = await openWorld(() => ({ "tools/list": () => {} }), { firstByteMs: 200 });
  await assertRejects(world.reader.page(world.server, "tool", undefined), {
    code: "upstream_timeout",
  });
});

Deno.test("what the server asks before it answers is answered", async () => {
  const answers: SessionRequest[] = [];
  let stream: ScriptedStream | undefined;
  await using world = await openWorld(() => ({
    "tools/list": (request, reply) => {
      stream = reply.stream();
      stream.message({ jsonrpc: "2.0", id: 1, method: "ping" });
      stream.message('{"jsonrpc":"2.0","id":"r\\u0020","method":"roots\\/list"}');
      stream.message({ jsonrpc: "2.0", id: 3, method: "sampling/createMessage", params: {} });
      stream.message({ jsonrpc: "2.0", id: { evil: true }, method: "ping" });
      stream.message({ jsonrpc: "2.0", method: "notifications/message", params: {} });
      answers.push(request);
    },
    response: (request, reply) => {
      answers.push(request);
      reply.empty(202);
      if (answers.length !== 4) return;
      stream!.message(result(answers[0]!, '{"tools":[]}'));
      stream!.end();
    },
  }));
  await world.reader.page(world.server, "tool", undefined);
  const said = answers.slice(1).map(({ message }) => message);
  assertEquals(said.sort((a, b) => String(a.id) < String(b.id) ? -1 : 1), [
    { jsonrpc: "2.0", id: 1, result: {} },
    {
      jsonrpc: "2.0",
      id: 3,
      error: { code: -32601, message: "The gateway asks on behalf of nobody" },
    },
    { jsonrpc: "2.0", id: "r ", result: { roots: [] } },
  ]);
  assertEquals(answers[1]!.header("mcp-session-id"), [...world.slot.sessions][0]);
});

Deno.test("of a flood of questions, a few are answered", async () => {
  const answers: SessionReply[] = [];
  await using world = await openWorld(() => ({
    "tools/list": (request, reply) => {
      const stream = reply.stream();
      for (let id = 1; id <= 500; id++) stream.message({ jsonrpc: "2.0", id, method: "ping" });
      stream.message(result(request, '{"tools":[]}'));
      stream.end();
    },
    response: (_request, reply) => void answers.push(reply),
  }));
  await world.reader.page(world.server, "tool", undefined);
  await until("the answers", () => answers.length >= 16);
  for (const reply of answers) reply.empty(202);
  await world.reader.ping(world.server);
  assertEquals(world.slot.requestsOf("response").length, 16);
});

const GARBAGE: Readonly<Record<string, string>> = {
  "no JSON": "<html>",
  "an array of nothing": "[]",
  "deep JSON": `{"jsonrpc":"2.0","id":ID,"result":${"[".repeat(100_000)}`,
  "no answer": '{"jsonrpc":"2.0","method":"notifications/message"}',
  "another's answer": '{"jsonrpc":"2.0","id":"other","result":{"tools":[]}}',
  "an answer to nobody": '{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"x"}}',
  "result and error": '{"jsonrpc":"2.0","id":ID,"result":{},"error":{"code":-1,"message":"x"}}',
  "no list": '{"jsonrpc":"2.0","id":ID,"result":{}}',
  "a list that is none": '{"jsonrpc":"2.0","id":ID,"result":{"tools":{"0":1}}}',
  "a cursor that is none": '{"jsonrpc":"2.0","id":ID,"result":{"tools":[],"nextCursor":7}}',
  "an endless cursor": `{"jsonrpc":"2.0","id":ID,"result":{"tools":[],"nextCursor":"${
    "x".repeat(9000)
  }"}}`,
  "a list that is not complete":
    '{"jsonrpc":"2.0","id":ID,"result":{"tools":[],"resultType":"input_required"}}',
  "a batch of too many": `[${Array(60).fill('{"jsonrpc":"2.0","method":"x"}').join()}]`,
};

for (const [what, text] of Object.entries(GARBAGE)) {
  Deno.test(`a reply with ${what} fails the page with one sentence`, async () => {
    await using world = await openWorld(() => ({
      "tools/list": (request, reply) => reply.json(text.replace("ID", request.idText)),
    }));
    await assertRejects(world.reader.page(world.server, "tool", undefined), (error: Error) => {
      assertMatch(error.message, /^The upstream server [^.]*$/);
      assertEquals("code" in error && error.code, "upstream_protocol");
      return true;
    });
  });
}

Deno.test("a reply that is too large fails the page", async () => {
  await using world = await openWorld(() => ({
    "tools/list": (request, reply) =>
      reply.json(result(request, { tools: [{ name: "x".repeat(20_000) }] })),
  }), { messageBytesMax: 10_000 });
  await assertRejects(world.reader.page(world.server, "tool", undefined), {
    code: "upstream_protocol",
  });
});

Deno.test("the answer in a batch of messages is found", async () => {
  await using world = await openWorld(() => ({
    "tools/list": (request, reply) =>
      reply.json(`[{"jsonrpc":"2.0","method":"x"},${result(request, '{"tools":[]}')}]`),
  }));
  assertEquals((await world.reader.page(world.server, "tool", undefined))?.items, []);
});

for (const members of [{ capabilities: 7 }, { capabilities: { big: "x".repeat(70_000) } }]) {
  Deno.test(`capabilities that are ${typeof members.capabilities} are refused`, async () => {
    await using world = await openWorld((slot) => ({ initialize: slot.greeting(members) }));
    await assertRejects(world.reader.describe(world.server), { code: "upstream_protocol" });
    await until("the session to end", () => world.slot.sessions.size === 0);
  });
}

Deno.test("what a server says about itself is cut, or left out", async () => {
  await using world = await openWorld((slot) => ({
    initialize: slot.greeting({ instructions: "🧀".repeat(40_000), serverInfo: "none" }),
  }));
  const { instructions, serverInfo } = await world.reader.describe(world.server);
  assertEquals([instructions?.length, instructions?.isWellFormed(), serverInfo], [
    65_536,
    true,
    undefined,
  ]);
});
