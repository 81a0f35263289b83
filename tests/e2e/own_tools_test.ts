/**
 * REST tools: made through the API, and called on `/mcp` in both eras like tools of a server.
 *
 * @module
 * @see contract.md, sections 6 and 8, "REST tools"
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type ApiWorld, type ApiWorldOptions, openApiWorld } from "../support/api_world.ts";
import { freePort } from "../support/free_port.ts";
import { callModern, type Message } from "../support/modern.ts";
import type { HeaderValues } from "../support/raw_http.ts";
import { type EraClient, ERAS, inBothEras, namesOf } from "../support/shelf_world.ts";
import { mintToken } from "../support/tokens.ts";

const HEADER_MISMATCH = -32020;
const OBJECT = { type: "object" };

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | null;
  readonly body: string;
}

interface World extends ApiWorld {
  /** Where the API is. */
  readonly apiUrl: string;
  readonly asked: readonly Asked[];
}

/** A gateway, and an API that answers with what it was asked. */
async function open(
  answer: (asked: Asked) => Response | Promise<Response> = (asked) => Response.json(asked),
  options: ApiWorldOptions = {},
): Promise<World> {
  const asked: Asked[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const one = {
      method: request.method,
      path: pathname + search,
      authorization: request.headers.get("authorization"),
      body: await request.text(),
    };
    asked.push(one);
    return await answer(one);
  });
  const world = await openApiWorld(options);
  return {
    ...world,
    asked,
    apiUrl: `http://127.0.0.1:${server.addr.port}`,
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      await server.shutdown();
    },
  };
}

function lookUp({ apiUrl }: World, more: Message = {}) {
  return {
    name: "look_up",
    title: "Look up",
    description: "Looks a word up",
    method: "GET",
    url: `${apiUrl}/words/{word}`,
    inputSchema: {
      type: "object",
      properties: { word: { type: "string" }, lang: { type: "string" } },
      required: ["word"],
    },
    annotations: { readOnlyHint: true },
    auth: { type: "bearer", token: "CANARY-1" },
    ...more,
  };
}

inBothEras("a REST tool is listed under its own name, without its URL", async (client) => {
  await using world = await open();
  await world.api.must("POST", "/tools", lookUp(world));
  await using era = await client(world);
  const { tools } = await result(era, "tools/list");
  const { name, title, description, inputSchema, annotations } = lookUp(world);
  assertEquals(tools, [{ name, title, description, inputSchema, annotations }]);
});

inBothEras(
  "a REST tool is called: arguments in their places, the credential added",
  async (client) => {
    await using world = await open();
    await world.api.must("POST", "/tools", lookUp(world));
    await using era = await client(world);
    const args = { word: "a/b?c", lang: "d&e" };
    const { structuredContent } = await result(era, "tools/call", {
      name: "look_up",
      arguments: args,
    });
    const expected = {
      method: "GET",
      path: "/words/a%2Fb%3Fc?lang=d%26e",
      authorization: "Bearer CANARY-1",
      body: "",
    };
    assertEquals(structuredContent, expected);
  },
);

inBothEras("arguments that do not fit reach no API, and the model is told", async (client) => {
  await using world = await open();
  await world.api.must("POST", "/tools", lookUp(world));
  await using era = await client(world);
  const { isError } = await result(era, "tools/call", { name: "look_up", arguments: { word: 1 } });
  assertEquals([isError, world.asked.length], [true, 0]);
});

inBothEras("arguments are checked although VALIDATE_ARGUMENTS is off", async (client) => {
  await using world = await open(undefined, {
    env: { EGRESS_ALLOW_PRIVATE: "127.0.0.0/8", VALIDATE_ARGUMENTS: "false" },
  });
  await world.api.must("POST", "/tools", lookUp(world));
  await using era = await client(world);
  const { isError } = await result(era, "tools/call", { name: "look_up", arguments: {} });
  assertEquals([isError, world.asked.length], [true, 0]);
});

inBothEras("what the API refuses is an error with its status", async (client) => {
  await using world = await open(() => new Response("nope", { status: 418 }));
  await world.api.must("POST", "/tools", lookUp(world));
  await using era = await client(world);
  const { isError, content } = await result(era, "tools/call", {
    name: "look_up",
    arguments: { word: "x" },
  });
  assertEquals([isError, JSON.stringify(content).includes("418")], [true, true]);
});

inBothEras("an API that is away is one sentence, and other own items go on", async (client) => {
  await using world = await open();
  await world.api.must(
    "POST",
    "/tools",
    lookUp(world, { url: `http://127.0.0.1:${freePort()}/{word}` }),
  );
  await world.api.must("POST", "/resources", { uri: "note://a", name: "A", text: "here" });
  await using era = await client(world);
  for (let i = 0; i < 10; i++) {
    const call = { name: "look_up", arguments: { word: "x" } };
    const { isError, content } = await result(era, "tools/call", call);
    const [{ text }] = content as [{ text: string }];
    assertEquals([isError, text.includes("127.0.0.1")], [true, false]);
  }
  const { contents } = await result(era, "resources/read", { uri: "note://a" });
  assertEquals((contents as Message[])[0]!.text, "here");
});

Deno.test("a header that repeats an argument has to say the same, or no API is asked", async () => {
  await using world = await open();
  const properties = { word: { type: "string", "x-mcp-header": "Word" } };
  await world.api.must("POST", "/tools", lookUp(world, { inputSchema: { ...OBJECT, properties } }));
  const token = await mintToken();
  const params = { name: "look_up", arguments: { word: "x" } };
  const called = async (headers: HeaderValues) => {
    const { status, response } = await callModern(world.origin, { token, params, headers });
    return [status, (response.error as Message | undefined)?.code, world.asked.length];
  };
  assertEquals(await called({}), [400, HEADER_MISMATCH, 0]);
  assertEquals(await called({ "Mcp-Param-Word": "y" }), [400, HEADER_MISMATCH, 0]);
  assertEquals(await called({ "Mcp-Param-Word": "x" }), [200, undefined, 1]);
});

Deno.test("of a POST that broke off it is said, once, that its outcome is not known", async () => {
  await using world = await open();
  const slow = { method: "POST", timeout: "200ms" };
  using silent = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = silent.addr;
  await world.api.must(
    "POST",
    "/tools",
    lookUp(world, { ...slow, url: `http://127.0.0.1:${port}/` }),
  );
  await using era = await ERAS.modern(world);
  const { content } = await result(era, "tools/call", {
    name: "look_up",
    arguments: { word: "x" },
  });
  const [{ text }] = content as [{ text: string }];
  assertEquals(text.match(/is not known/g)?.length, 1);
});

Deno.test("a tool's secrets are never shown, and stay when the mask comes back", async () => {
  await using world = await open();
  const tool = lookUp(world, { headers: { "X-Key": "CANARY-2" } });
  const { json } = await world.api.must("POST", "/tools", tool);
  const path = `/tools/${json.id}`;
  assertEquals([json.headers, json.auth], [{ "X-Key": "*****" }, {
    type: "bearer",
    token: "*****",
  }]);
  await world.api.must("PATCH", path, { title: "T", headers: json.headers, auth: json.auth });
  const shown = await world.api.must("GET", path);
  assertEquals(shown.text.includes("CANARY"), false);
  await using era = await ERAS.modern(world);
  await result(era, "tools/call", { name: "look_up", arguments: { word: "x" } });
  assertEquals(world.asked[0]!.authorization, "Bearer CANARY-1");
});

Deno.test("a tool's secrets are not sent to another address", async () => {
  await using world = await open();
  const { json } = await world.api.must("POST", "/tools", lookUp(world));
  const { status, json: problem } = await world.api.call("PATCH", `/tools/${json.id}`, {
    body: { url: "http://127.0.0.2:81/{word}" },
  });
  assertEquals([status, problem.errors[0].path], [400, "auth"]);
});

Deno.test("a tool at a private address is refused when it is made", async () => {
  await using world = await open(undefined, { env: { EGRESS_ALLOW_PRIVATE: "" } });
  const { status, json } = await world.api.call("POST", "/tools", { body: lookUp(world) });
  assertEquals([status, json.code], [400, "egress_denied"]);
});

for (
  const [what, change, path] of [
    ["a template in the host", { url: "http://{word}.example.com/" }, "url"],
    [
      "a parameter that the schema lacks",
      { parameters: [{ name: "no", in: "query" }] },
      "parameters.0.name",
    ],
    ["a filter that is none", { filter: "$[" }, "filter"],
    ["an annotation that no client can follow", {
      inputSchema: { ...OBJECT, properties: { word: { type: "array", "x-mcp-header": "Word" } } },
    }, "inputSchema"],
    ["a schema that nothing can be checked by", {
      inputSchema: { type: "object", properties: { word: { $ref: "#/nowhere" } } },
    }, "inputSchema"],
  ] as const
) {
  Deno.test(`a tool with ${what} is refused, naming the place`, async () => {
    await using world = await open();
    const { status, json } = await world.api.call("POST", "/tools", {
      body: lookUp(world, change as unknown as Message),
    });
    assertEquals([status, json.errors?.[0].path], [400, path]);
  });
}

Deno.test("a tool is renamed, disabled and removed, each at once", async () => {
  await using world = await open();
  const { json } = await world.api.must("POST", "/tools", lookUp(world));
  await using era = await ERAS.modern(world);
  const path = `/tools/${json.id}`;
  await world.api.must("PATCH", path, { name: "find" });
  assertEquals(await namesOf(era, "tools/list"), ["find"]);
  await world.api.must("PATCH", path, { enabled: false });
  assertEquals(await namesOf(era, "tools/list"), []);
  await world.api.must("DELETE", path);
  assertEquals((await world.api.call("GET", path)).status, 404);
});

Deno.test("the secrets of a tool are there after a restart", async () => {
  await using world = await open();
  await world.api.must("POST", "/tools", lookUp(world));
  await world.restart();
  await using era = await ERAS.modern(world);
  await result(era, "tools/call", { name: "look_up", arguments: { word: "x" } });
  assertEquals(world.asked[0]!.authorization, "Bearer CANARY-1");
});

async function result(client: EraClient, method: string, params?: Message): Promise<Message> {
  const reply = await client.ask(method, params);
  if (reply.result === undefined) throw new Error(JSON.stringify(reply));
  return reply.result as Message;
}
