/**
 * Attempts to have `/mcp` mix things up: names that are made to collide, ids that are odd, ends in
 * the middle of beginnings.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type Message, modernBytes } from "../support/modern.ts";
import { openRaw } from "../support/open_reply.ts";
import { openSession, toolCall } from "../support/session_client.ts";
import type { Stand } from "../support/shelf_server.ts";
import {
  aResource,
  aTemplate,
  aTool,
  ERAS,
  inBothEras,
  namesOf,
  serveShelf,
} from "../support/shelf_world.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

function reads(stand: Stand | undefined): unknown[] {
  return stand!.requestsOf("resources/read").map(({ params }) => params.uri);
}

// ── URIs that are made to collide ───────────────────────────────────────────────────────────────

inBothEras("a server that has what would be another's alias keeps its own", async (open) => {
  await using world = await serveShelf({ one: { resources: [aResource("test://a")] } });
  const stands = [world.stands.one!];
  for (const [name, uris] of [["two", ["test://a"]], ["three", ["test://a#two"]]] as const) {
    stands.push(world.stand(name, { resources: uris.map((uri) => aResource(uri)) }));
    await world.write({ stands });
    world.signal("SIGHUP");
    await until(name, async () => {
      await using client = await ERAS.session(world);
      return (await namesOf(client, "resources/list")).length === stands.length;
    });
  }
  await using client = await open(world);
  const uris = await namesOf(client, "resources/list");
  for (const uri of uris) await client.ask("resources/read", { uri });
  assertEquals(stands.map(reads), [["test://a"], ["test://a"], ["test://a#two"]]);
});

inBothEras(
  "what a server alone has is named by its URI, though a template of it has an alias",
  async (
    open,
  ) => {
    const templates = [aTemplate("test://{x}")];
    await using world = await serveShelf({ one: { templates } });
    const two = world.stand("two", { templates, resources: [aResource("test://own")] });
    await world.write({ stands: [world.stands.one!, two] });
    world.signal("SIGHUP");
    await using client = await open(world);
    await until("the resource", async () => {
      return (await namesOf(client, "resources/list")).length === 1;
    });
    const { result } = await client.ask("resources/read", { uri: "test://own" });
    assertEquals((result as Message).contents, [{ uri: "test://own", text: "two: test://own" }]);
  },
);

inBothEras("a server that has what would be its own alias has both", async (open) => {
  await using world = await serveShelf({ one: { resources: [aResource("test://a")] } });
  const two = world.stand("two", {
    resources: [aResource("test://a#two"), aResource("test://a")],
  });
  await world.write({ stands: [world.stands.one!, two] });
  world.signal("SIGHUP");
  await using client = await open(world);
  const uris = await until("all of them", async () => {
    const uris = await namesOf(client, "resources/list");
    return uris.length === 3 && uris;
  });
  for (const uri of uris) await client.ask("resources/read", { uri });
  assertEquals(reads(two).sort(), ["test://a", "test://a#two"]);
});

// ── What is switched off on a server's own endpoint ─────────────────────────────────────────────

Deno.test("updates of a resource that is switched off are told to nobody", async () => {
  const resources = [aResource("test://off"), aResource("test://on")];
  await using world = await serveShelf({ a: { resources } });
  const admin = await mintToken({ is_admin: true, teams: null });
  const headers = { "Authorization": `Bearer ${admin}`, "Content-Type": "application/json" };
  const api = `${world.origin}/api/resources`;
  const { items } = await (await fetch(api, { headers })).json() as { items: Message[] };
  const { id } = items.find((one) => JSON.stringify(one).includes("test://off"))!;
  const body = JSON.stringify({ enabled: false });
  await (await fetch(`${api}/${id}`, { method: "PATCH", headers, body })).body?.cancel();
  const notifications = { resourceSubscriptions: ["test://off", "test://on"] };
  const { origin } = world;
  using stream = await openRaw(
    origin,
    modernBytes(origin, {
      path: "/servers/a/mcp",
      method: "subscriptions/listen",
      params: { notifications },
      token: await mintToken(),
    }),
  );
  await until("the acknowledgement", () => stream.text().includes("acknowledged"));
  const { a } = world.stands;
  a!.sayAnyway("notifications/resources/updated", { uri: "test://on" });
  await until("the update", () => stream.text().includes("resources/updated"));
  const asked = a!.requestsOf("subscriptions/listen").map(({ params }) => params.notifications);
  assertEquals(asked, [{ resourceSubscriptions: ["test://on"] }]);
});

Deno.test("a server that tells everybody of all updates tells only what a client is shown", async () => {
  const resources = [aResource("in://r"), aResource("out://r"), aResource("in://r2/x")];
  await using world = await serveShelf({ a: { resources } }, {
    servers: { some: { resources: ["in://r"] } },
  });
  await using client = await ERAS.session(world, { path: "/servers/some/mcp" });
  using own = await client.session!.listen();
  await client.ask("resources/subscribe", { uri: "in://r" });
  const { a } = world.stands;
  for (const uri of ["out://r", "out://r/part", "in://r2/x", "in://r/part", "in://r"]) {
    a!.say("notifications/resources/updated", { uri });
  }
  await until("the last", () => own.text().includes('"uri":"in://r"'));
  const told = ["out://", "in://r2", "in://r/part"].filter((uri) => own.text().includes(uri));
  assertEquals(told, ["in://r/part"]);
});

// ── Ends in the middle of beginnings ────────────────────────────────────────────────────────────

Deno.test("a session that ends while one is opened at a server leaves none there", async () => {
  await using world = await serveShelf({ a: { tools: [aTool("t")] } });
  const { a } = world.stands;
  const { promise, resolve } = Promise.withResolvers<void>();
  a!.on("initialize", () => promise.then(() => ({})));
  const session = await openSession(world.origin, { token: await mintToken() });
  using _call = await session.open(toolCall("a-t"));
  await a!.arrival("initialize");
  await session.end();
  resolve();
  await until("the end", () => a!.opened() === 1 && a!.sessions.size === 0);
  assertEquals(a!.requestsOf("tools/call").length, 0);
});

Deno.test("calls at once to a server that is new to the session open one session", async () => {
  await using world = await serveShelf({ a: { tools: [aTool("t")] } });
  const { a } = world.stands;
  await using session = await openSession(world.origin, { token: await mintToken() });
  using _listening = await session.listen();
  await Promise.all([
    ...Array.from({ length: 10 }, () => session.send(toolCall("a-t"))),
    session.send({ method: "logging/setLevel", params: { level: "debug" } }),
  ]);
  assertEquals([a!.opened(), a!.sessions.size], [1, 1]);
});

// ── Ids ─────────────────────────────────────────────────────────────────────────────────────────

const IDS = ['""', '"a\\u0062"', '"sallyport:level"', '"sallyport:a:1:1"', "-0", "1e3", '"é"'];

for (const idText of IDS) {
  Deno.test(`the id ${idText} comes back from servers and from the gateway alike`, async () => {
    await using world = await serveShelf({ a: { tools: [aTool("t")] } });
    await using session = await openSession(world.origin, { token: await mintToken() });
    const replies = [
      await session.send({ ...toolCall("a-t"), idText }),
      await session.send({ method: "tools/list", idText }),
    ];
    const [call, list] = replies.map(({ status, messages }) => [status, messages[0]?.id]);
    assertEquals(call, list);
  });
}

Deno.test("a name that is spelled with escapes is that name", async () => {
  await using world = await serveShelf({ a: { tools: [aTool("t")] } });
  await using session = await openSession(world.origin, { token: await mintToken() });
  const body = '{"jsonrpc":"2.0","id":1,"method":"tools/call",' +
    '"params":{"n\\u0061me":"\\u0061-t","arguments":{"\\u0061":"\\u0062"}}}';
  const { response } = await session.send({ body });
  const { params } = world.stands.a!.requestsOf("tools/call")[0]!;
  assertEquals(["result" in response, params], [true, { name: "t", arguments: { a: "b" } }]);
});

Deno.test("a name that stands twice is refused", async () => {
  await using world = await serveShelf({ a: { tools: [aTool("t"), aTool("u")] } });
  await using session = await openSession(world.origin, { token: await mintToken() });
  const body = '{"jsonrpc":"2.0","id":1,"method":"tools/call",' +
    '"params":{"name":"a-t","n\\u0061me":"a-u","arguments":{}}}';
  const { status } = await session.send({ body });
  assertEquals([status, world.stands.a!.requestsOf("tools/call").length], [400, 0]);
});
