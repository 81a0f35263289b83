/**
 * Forms in which `/mcp` is used besides the usual ones: without sessions, in batches, by old
 * revisions; and what it answers to what it does not have.
 *
 * @module
 * @see contract.md, sections 2 and 4
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { configFor, startEverything } from "../support/everything.ts";
import type { Message } from "../support/modern.ts";
import { startGateway } from "../support/processes.ts";
import {
  callSession,
  openSession,
  type Session,
  SESSION_REVISIONS,
  toolCall,
} from "../support/session_client.ts";
import {
  aResource,
  aTool,
  ERAS,
  inBothEras,
  namesOf,
  serveShelf,
  sessionless,
} from "../support/shelf_world.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";

const METHOD_NOT_FOUND = -32601;
const INVALID_PARAMS = -32602;

type World = Awaited<ReturnType<typeof serveShelf>>;
let world: World;
let off: World;

const OFFERS = {
  a: { tools: [aTool("t")], resources: [aResource("test://r")] },
  b: { tools: [aTool("t")] },
};

Deno.test.beforeAll(async () => {
  const SESSIONS_PER_PRINCIPAL = "1000";
  [world, off] = await Promise.all([
    serveShelf(OFFERS, { env: { SESSIONS_PER_PRINCIPAL } }),
    serveShelf(OFFERS, { env: { USE_STATEFUL_SESSIONS: "false" } }),
  ]);
});

Deno.test.afterAll(async () => {
  for (const one of [world, off]) await one?.[Symbol.asyncDispose]();
});

function fresh(world: World): World {
  for (const stand of Object.values(world.stands)) stand.reset();
  return world;
}

// ── Methods ─────────────────────────────────────────────────────────────────────────────────────

inBothEras("a method that nobody has is refused, and no server is asked", async (open) => {
  const { stands } = fresh(world);
  await using client = await open(world);
  for (
    const method of ["nope", "tools/nope", "tasks/list", "__proto__", "sampling/createMessage"]
  ) {
    const { error } = await client.ask(method);
    assertEquals((error as Message).code, METHOD_NOT_FOUND, method);
  }
  assertEquals(stands.a!.requests.concat(stands.b!.requests).length, 0);
});

for (const revision of SESSION_REVISIONS) {
  Deno.test(`${revision}: lists, calls and reads`, async () => {
    await using session = await open(fresh(world), revision);
    const list = await session.send({ method: "tools/list" });
    const call = await session.send(toolCall("b-t"));
    const read = await session.send({ method: "resources/read", params: { uri: "test://r" } });
    assertEquals([session.revision, toolsIn(list.response), textIn(call.response)], [
      revision,
      ["a-t", "b-t"],
      "b: t",
    ]);
    assertEquals("result" in read.response, true);
  });

  Deno.test(`${revision}: ping is answered, and no server is asked`, async () => {
    await using session = await open(fresh(world), revision);
    const { response } = await session.send({ method: "ping" });
    assertEquals([response.result, world.stands.a!.requests.length], [{}, 0]);
  });
}

inBothEras("a request without the name or URI that it needs is refused", async (open) => {
  await using client = await open(fresh(world));
  const codes = [];
  for (const [method, params] of NAMELESS) {
    // What the mirrored headers do not fit is refused in the stateless era for that.
    const { error } = await client.ask(method, params as Message);
    codes.push((error as Message).code);
  }
  assertEquals(codes, NAMELESS.map(() => INVALID_PARAMS));
});

const NAMELESS: readonly (readonly [string, unknown])[] = [
  ["tools/call", {}],
  ["prompts/get", {}],
  ["resources/read", {}],
  ["completion/complete", {}],
  ["completion/complete", { ref: null }],
  ["completion/complete", { ref: { type: "ref/prompt" } }],
  ["completion/complete", { ref: { type: "ref/resource" } }],
  ["completion/complete", { ref: { type: "ref/nothing", name: "a-t" } }],
  ["completion/complete", { ref: [] }],
];

// ── Servers of one era only ─────────────────────────────────────────────────────────────────────

Deno.test("clients of either era call servers of either era", async () => {
  await using modern = await startEverything({ era: "modern" });
  await using legacy = await startEverything({ era: "legacy" });
  await using gateway = await startGateway({
    config: configFor({ modern: modern.origin, legacy: legacy.origin }),
    env: { JWT_SECRET_KEY: TEST_JWT_SECRET },
  });
  const said: unknown[] = [];
  for (const open of [ERAS.session, ERAS.modern]) {
    await using client = await open(gateway);
    for (const name of ["modern", "legacy"]) {
      const params = { name: `${name}-test_simple_text`, arguments: {} };
      const { result } = await client.ask("tools/call", params);
      said.push((result as Message | undefined)?.isError === true);
    }
  }
  assertEquals(said, [false, false, false, false]);
});

// ── Batches ─────────────────────────────────────────────────────────────────────────────────────

const BATCH = "2025-03-26";

/** Answers by id. */
async function batch(
  session: Session,
  messages: readonly Message[],
): Promise<Map<number, Message>> {
  const body = JSON.stringify(messages.map((one) => ({ jsonrpc: "2.0", ...one })));
  const reply = await session.send({ body });
  return new Map(reply.messages.map((message) => [message.id as number, message]));
}

function request(id: number, name: string): Message {
  return { id, method: "tools/call", params: { name, arguments: {} } };
}

Deno.test("a batch over two servers is answered whole", async () => {
  await using session = await open(fresh(world), BATCH);
  const answers = await batch(session, [
    request(1, "a-t"),
    request(2, "b-t"),
    { id: 3, method: "tools/list" },
    { id: 4, method: "ping" },
    { method: "notifications/roots/list_changed" },
  ]);
  assertEquals([...answers.keys()].sort(), [1, 2, 3, 4]);
  assertEquals([1, 2].map((id) => textIn(answers.get(id)!)), ["a: t", "b: t"]);
});

Deno.test("of a batch what fails fails alone", async () => {
  await using session = await open(fresh(world), BATCH);
  const answers = await batch(session, [request(1, "nope"), request(2, "b-t")]);
  assertEquals([codeIn(answers.get(1)!), textIn(answers.get(2)!)], [INVALID_PARAMS, "b: t"]);
});

Deno.test("without sessions, of a batch what fails fails alone", async () => {
  const { origin } = fresh(off);
  const body = JSON.stringify([request(1, "nope"), request(2, "b-t")].map((one) => ({
    jsonrpc: "2.0",
    ...one,
  })));
  const reply = await callSession(origin, { body, token: await mintToken() });
  const answers = new Map(reply.messages.map((message) => [message.id, message]));
  assertEquals([codeIn(answers.get(1)!), textIn(answers.get(2)!)], [INVALID_PARAMS, "b: t"]);
});

Deno.test("without sessions, a dead server takes nothing from a batch", async () => {
  const { origin, stands } = fresh(off);
  const token = await mintToken({ sub: "other@example.com" });
  stands.a!.mood = "down";
  const body = JSON.stringify([request(1, "a-t"), request(2, "b-t")].map((one) => ({
    jsonrpc: "2.0",
    ...one,
  })));
  const reply = await callSession(origin, { body, token });
  stands.a!.mood = "well";
  const answers = new Map(reply.messages.map((message) => [message.id, message]));
  assertEquals(textIn(answers.get(2)!), "b: t");
});

// ── Without sessions ────────────────────────────────────────────────────────────────────────────

Deno.test("without sessions, lists and calls are as with them", async () => {
  await using client = await sessionless(fresh(off));
  const said = textIn(await client.ask("tools/call", { name: "b-t", arguments: {} }));
  assertEquals([await namesOf(client, "tools/list"), said], [["a-t", "b-t"], "b: t"]);
});

Deno.test("without sessions, callers share none at a server", async () => {
  const { stands } = fresh(off);
  for (const sub of ["one@example.com", "two@example.com"]) {
    await using client = await sessionless(off, { token: await mintToken({ sub }) });
    await client.ask("tools/call", { name: "a-t", arguments: {} });
  }
  const ids = stands.a!.requestsOf("tools/call").map(({ session }) => session);
  assertEquals(new Set(ids).size, 2);
});

Deno.test("without sessions, ping and log levels are answered, and no server is asked", async () => {
  const { stands } = fresh(off);
  await using client = await sessionless(off);
  const answers = [
    await client.ask("ping"),
    await client.ask("logging/setLevel", { level: "info" }),
  ];
  const asked = stands.a!.requests.length + stands.b!.requests.length;
  assertEquals([answers.map(({ result }) => result), asked], [[{}, {}], 0]);
});

Deno.test("without sessions, there are no subscriptions", async () => {
  await using client = await sessionless(fresh(off));
  const answer = await client.ask("resources/subscribe", { uri: "test://r" });
  assertEquals(codeIn(answer), METHOD_NOT_FOUND);
});

Deno.test("without sessions, a method that nobody has is refused", async () => {
  await using client = await sessionless(fresh(off));
  assertEquals(codeIn(await client.ask("nope")), METHOD_NOT_FOUND);
});

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

async function open({ origin }: World, revision: string): Promise<Session> {
  return await openSession(origin, { token: await mintToken(), revision });
}

function toolsIn({ result }: Message): unknown[] {
  return ((result as Message).tools as Message[]).map(({ name }) => name);
}

function textIn({ result }: Message): unknown {
  return ((result as Message | undefined)?.content as [Message] | undefined)?.[0].text;
}

function codeIn({ error }: Message): unknown {
  return (error as Message | undefined)?.code;
}
