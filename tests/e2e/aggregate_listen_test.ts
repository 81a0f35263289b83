/**
 * `subscriptions/listen` on `/mcp`: one stream over several servers, each asked for its own
 * resources only.
 *
 * @module
 * @see MCP 2026-07-28, Utilities, "Subscriptions"
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { callModern, type Message, modernBytes } from "../support/modern.ts";
import { openRaw } from "../support/open_reply.ts";
import { eventsIn, messagesIn } from "../support/session_client.ts";
import {
  aResource,
  aTemplate,
  ERAS,
  namesOf,
  serveShelf,
  type ShelfWorld,
} from "../support/shelf_world.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const UPDATED = "notifications/resources/updated";
const LISTEN = "subscriptions/listen";

async function openWorld() {
  const world = await serveShelf({
    a: { resources: [aResource("test://shared"), aResource("test://a")] },
    b: { resources: [aResource("test://shared")], templates: [aTemplate("of-b://{x}")] },
    red: { resources: [aResource("test://red")] },
  }, { entries: { red: { visibility: "team", team: "red" } } });
  const { a, b, red } = world.stands;
  return { ...world, a: a!, b: b!, red: red! };
}

/** The alias of what two servers have: which of them was found first is a matter of luck. */
async function sharedIn(world: Awaited<ReturnType<typeof openWorld>>) {
  await using client = await ERAS.modern(world);
  const uris = await namesOf(client, "resources/list");
  const alias = uris.find((uri) => uri.startsWith("test://shared#"))!;
  return { alias, later: alias.endsWith("#a") ? world.a : world.b };
}

/** Listens for updates of these. */
async function listen(
  { origin }: ShelfWorld,
  uris: unknown[],
  more: Message = {},
  idText = "1",
) {
  const notifications = { resourceSubscriptions: uris, ...more } as Message;
  const call = { method: LISTEN, params: { notifications }, token: await mintToken(), idText };
  const stream = await openRaw(origin, modernBytes(origin, call));
  const messages = () => messagesIn(eventsIn(stream.text()));
  await until("the acknowledgement", () => stream.text().includes("acknowledged"));
  return {
    messages,
    acknowledged: () => (messages()[0]!.params as Message).notifications,
    updates: () => messages().filter(({ method }) => method === UPDATED),
    ended: stream.ended,
    close: () => stream.close(),
    [Symbol.dispose]: () => stream.close(),
  };
}

Deno.test("updates of two servers come on one stream, each as it was said", async () => {
  await using world = await openWorld();
  using stream = await listen(world, ["test://a", "of-b://1"]);
  world.a.say(UPDATED, { uri: "test://a" });
  world.b.say(UPDATED, { uri: "of-b://1" });
  await until("both updates", () => stream.updates().length === 2);
  const uris = stream.updates().map(({ params }) => (params as Message).uri);
  assertEquals(uris.sort(), ["of-b://1", "test://a"]);
});

Deno.test("updates carry the id of the client's request", async () => {
  await using world = await openWorld();
  using stream = await listen(world, ["test://a"], {}, '"mine"');
  world.a.say(UPDATED, { uri: "test://a" });
  await until("the update", () => stream.updates().length === 1);
  const ids = stream.messages().map(({ params }) => (params as Message)._meta);
  const mine = { "io.modelcontextprotocol/subscriptionId": "mine" };
  assertEquals(ids, [mine, mine]);
});

Deno.test("each server is asked for its own resources only", async () => {
  await using world = await openWorld();
  using _ = await listen(world, ["test://a", "of-b://1"]);
  const asked = [world.a, world.b].map((one) => one.requestsOf(LISTEN)[0]!.params.notifications);
  assertEquals(asked, [
    { resourceSubscriptions: ["test://a"] },
    { resourceSubscriptions: ["of-b://1"] },
  ]);
});

Deno.test("an alias is asked for as the server knows it, and told of as the alias", async () => {
  await using world = await openWorld();
  const { alias, later } = await sharedIn(world);
  using stream = await listen(world, [alias]);
  assertEquals(later.requestsOf(LISTEN)[0]!.params.notifications, {
    resourceSubscriptions: ["test://shared"],
  });
  later.say(UPDATED, { uri: "test://shared" });
  await until("the update", () => stream.updates().length === 1);
  assertEquals((stream.updates()[0]!.params as Message).uri, alias);
});

Deno.test("what is acknowledged is what the servers have agreed to", async () => {
  await using world = await openWorld();
  const { alias } = await sharedIn(world);
  using stream = await listen(world, ["test://a", alias, "nope://x"], { toolsListChanged: true });
  const { toolsListChanged, resourceSubscriptions } = stream.acknowledged() as Message;
  const uris = (resourceSubscriptions as string[]).sort();
  assertEquals([toolsListChanged, uris], [true, ["test://a", alias]]);
});

Deno.test("a resource of another team is not agreed to, and its server is not asked", async () => {
  await using world = await openWorld();
  using stream = await listen(world, ["test://red"], { toolsListChanged: true });
  const asked = world.red.requestsOf(LISTEN).length;
  assertEquals([stream.acknowledged(), asked], [{ toolsListChanged: true }, 0]);
});

Deno.test("servers of which nothing is wanted are not asked", async () => {
  await using world = await openWorld();
  using _ = await listen(world, [], { toolsListChanged: true });
  const asked = [world.a, world.b, world.red].flatMap((one) => one.requestsOf(LISTEN));
  assertEquals(asked.length, 0);
});

Deno.test("a client that leaves is not listened for any more", async () => {
  await using world = await openWorld();
  const stream = await listen(world, ["test://a", "of-b://1"]);
  const listening = () => world.a.subscribed() + world.b.subscribed();
  assertEquals(listening(), 2);
  stream.close();
  await until("the end of both", () => listening() === 0);
});

Deno.test("a server that hangs does not keep the others from being listened to", async () => {
  await using world = await openWorld();
  world.b.mood = "hang";
  using stream = await listen(world, ["test://a", "of-b://1"]);
  world.a.say(UPDATED, { uri: "test://a" });
  await until("the update", () => stream.updates().length === 1);
});

Deno.test("a server that ends its stream is listened to again", async () => {
  await using world = await openWorld();
  using stream = await listen(world, ["test://a"]);
  world.a.hangUp();
  await world.a.arrival(LISTEN, 1);
  await until("the stream", () => world.a.subscribed() === 1);
  world.a.say(UPDATED, { uri: "test://a" });
  await until("the update", () => stream.updates().length === 1);
});

Deno.test("a filter that asks for nothing ends at once", async () => {
  await using world = await openWorld();
  using stream = await listen(world, []);
  await until("the end", () => stream.ended());
  assertEquals("result" in stream.messages().at(-1)!, true);
});

for (const notifications of [undefined, null, 7, "x", []]) {
  const text = JSON.stringify(notifications) ?? "nothing";
  Deno.test(`a filter that is ${text} is refused`, async () => {
    await using world = await openWorld();
    const params = notifications === undefined ? {} : { notifications } as Message;
    const token = await mintToken();
    const { response } = await callModern(world.origin, { method: LISTEN, params, token });
    assertEquals((response.error as Message).code, -32602);
  });
}

Deno.test("resources that are no list of URIs are refused, or left out one by one", async () => {
  await using world = await openWorld();
  const token = await mintToken();
  const codes = [];
  for (const uris of [7, "test://a", {}, Array(1_001).fill("test://a")]) {
    const notifications = { resourceSubscriptions: uris } as Message;
    const { response } = await callModern(world.origin, {
      method: LISTEN,
      params: { notifications },
      token,
    });
    codes.push((response.error as Message).code);
  }
  using stream = await listen(world, [7, null, {}, "test://a"]);
  assertEquals([codes, stream.acknowledged()], [
    [-32602, -32602, -32602, -32602],
    { resourceSubscriptions: ["test://a"] },
  ]);
});
