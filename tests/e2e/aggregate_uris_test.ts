/**
 * URIs of `/mcp`: unchanged while one server has them, an alias for whoever comes later, and the
 * alias at both ends, for that server only.
 *
 * @module
 * @see contract.md, section 4
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { callModern, type Message } from "../support/modern.ts";
import {
  aResource,
  aTemplate,
  aTool,
  type EraClient,
  ERAS,
  inBothEras,
  namesOf,
  serveShelf,
  sessionless,
} from "../support/shelf_world.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const SHARED = "test://shared";
const PAGE = "ui://page";

/** Both have the same, `first` was found first, `plain` has nothing in common with them. */
async function openColliding(env: Readonly<Record<string, string>> = {}) {
  const offer = {
    tools: [aTool("t", { _meta: { ui: { resourceUri: PAGE } } })],
    resources: [aResource(SHARED), aResource(PAGE)],
    templates: [aTemplate("test://of/{name}")],
  };
  const world = await serveShelf({ first: offer }, { env });
  const { first } = world.stands;
  const second = world.stand("second", structuredClone(offer));
  second.offer.resources.push(aResource("test://own"));
  const plain = world.stand("plain", { tools: [aTool("t")] });
  await world.write({ stands: [first!, second, plain] });
  world.signal("SIGHUP");
  await until("all of them", async () => {
    await using client = await ERAS.modern(world);
    return (await namesOf(client, "tools/list")).length === 3;
  });
  return { ...world, first: first!, second, plain };
}

type Colliding = Awaited<ReturnType<typeof openColliding>>;

let colliding: Colliding;

Deno.test.beforeAll(async () => {
  colliding = await openColliding();
});

Deno.test.afterAll(async () => await colliding?.[Symbol.asyncDispose]());

/** As nobody has used it yet. */
function collidingWorld(): Colliding {
  for (const stand of [colliding.first, colliding.second, colliding.plain]) stand.reset();
  return colliding;
}

inBothEras("who had a URI first keeps it, and who came later has an alias", async (open) => {
  const world = collidingWorld();
  await using client = await open(world);
  const uris = await namesOf(client, "resources/list");
  assertEquals(uris, [SHARED, PAGE, alias(SHARED), alias(PAGE), "test://own"]);
});

Deno.test("an alias stays over a restart in which the servers stand in another order", async () => {
  await using world = await openColliding();
  await world.stop();
  await world.write({ stands: [world.plain, world.second, world.first] });
  await world.start();
  await using client = await ERAS.session(world);
  const uris = await namesOf(client, "resources/list");
  assertEquals(uris.sort(), [SHARED, PAGE, alias(SHARED), alias(PAGE), "test://own"].sort());
});

inBothEras("the plain URI is read at the first server", async (open) => {
  const world = collidingWorld();
  await using client = await open(world);
  await client.ask("resources/read", { uri: SHARED });
  assertEquals([urisAt(world.first), urisAt(world.second)], [[SHARED], []]);
});

inBothEras("the alias is read at the later server, by the URI that it knows", async (open) => {
  const world = collidingWorld();
  await using client = await open(world);
  await client.ask("resources/read", { uri: alias(SHARED) });
  assertEquals([urisAt(world.first), urisAt(world.second)], [[], [SHARED]]);
});

inBothEras("contents that are read under an alias have the alias", async (open) => {
  const world = collidingWorld();
  await using client = await open(world);
  const { result } = await client.ask("resources/read", { uri: alias(SHARED) });
  const contents = [{ uri: alias(SHARED), text: `second: ${SHARED}` }];
  assertEquals((result as Message).contents, contents);
});

inBothEras("a URI of a later server that no other has stays as it is", async (open) => {
  const world = collidingWorld();
  await using client = await open(world);
  const { result } = await client.ask("resources/read", { uri: "test://own" });
  assertEquals((result as Message).contents, [{ uri: "test://own", text: "second: test://own" }]);
});

inBothEras("what fits a template of both is read at the first server", async (open) => {
  const world = collidingWorld();
  await using client = await open(world);
  await client.ask("resources/read", { uri: "test://of/x" });
  assertEquals([urisAt(world.first), urisAt(world.second)], [["test://of/x"], []]);
});

inBothEras("what fits the alias of a template is read at the later server", async (open) => {
  const world = collidingWorld();
  await using client = await open(world);
  const [, template] = await namesOf(client, "resources/templates/list");
  await client.ask("resources/read", { uri: template!.replace("{name}", "x") });
  assertEquals([urisAt(world.first), urisAt(world.second)], [[], ["test://of/x"]]);
});

/** Wherever a result names resources. */
const NAMING: Message = {
  content: [
    { type: "resource_link", uri: SHARED, name: "a link" },
    { type: "resource", resource: { uri: SHARED, text: `no URI: ${SHARED}` } },
    { type: "resource_link", uri: "test://own", name: "another" },
    { type: "text", text: SHARED },
  ],
  structuredContent: { note: SHARED },
  _meta: { ui: { resourceUri: PAGE } },
};

inBothEras("links, embedded resources and pages of a later server have aliases", async (open) => {
  const world = collidingWorld();
  world.second.on("tools/call", () => NAMING);
  await using client = await open(world);
  const { result } = await client.ask("tools/call", { name: "second-t", arguments: {} });
  assertEquals(without(result as Message), {
    ...NAMING,
    content: [
      { type: "resource_link", uri: alias(SHARED), name: "a link" },
      { type: "resource", resource: { uri: alias(SHARED), text: `no URI: ${SHARED}` } },
      { type: "resource_link", uri: "test://own", name: "another" },
      { type: "text", text: SHARED },
    ],
    _meta: { ui: { resourceUri: alias(PAGE) } },
  });
});

inBothEras("the tool of a later server names its page by the alias", async (open) => {
  const world = collidingWorld();
  await using client = await open(world);
  const { result } = await client.ask("tools/list");
  const pages = ((result as Message).tools as Message[]).map(({ _meta }) => _meta);
  const page = (uri: string) => ({ ui: { resourceUri: uri } });
  assertEquals(pages, [page(PAGE), page(alias(PAGE)), undefined]);
});

inBothEras("a page is read by the alias that the tool names", async (open) => {
  const world = collidingWorld();
  await using client = await open(world);
  await client.ask("resources/read", { uri: alias(PAGE) });
  assertEquals(urisAt(world.second), [PAGE]);
});

const ODD_BYTES = '{"resultType":"complete", "content" : [{"type":"resource_link","uri":' +
  `"${SHARED}","name":"\\u00e9"}], "structuredContent":{"n":1.0, "big":12345678901234567890} }`;

for (const server of ["first", "plain"] as const) {
  inBothEras(
    `a result of the ${server} server stays as it is, byte for byte`,
    async (open, era) => {
      const world = collidingWorld();
      world[server].on("tools/call", () => ODD_BYTES);
      await using client = await open(world);
      const text = await rawOf(client, era, world.origin, { name: `${server}-t`, arguments: {} });
      assertEquals(text.includes(`"result":${ODD_BYTES}`), true, text);
    },
  );
}

inBothEras("a completion is asked for at the server of the alias", async (open) => {
  const world = collidingWorld();
  await using client = await open(world);
  const [, template] = await namesOf(client, "resources/templates/list");
  const ref = { type: "ref/resource", uri: template! };
  await client.ask("completion/complete", { ref, argument: { name: "name", value: "" } });
  const [seen] = world.second.requestsOf("completion/complete");
  assertEquals(seen?.params.ref, { type: "ref/resource", uri: "test://of/{name}" });
});

Deno.test("a subscription under an alias is told of under the alias", async () => {
  const world = collidingWorld();
  await using client = await ERAS.session(world);
  using own = await client.session!.listen();
  await client.ask("resources/subscribe", { uri: alias(SHARED) });
  world.second.say("notifications/resources/updated", { uri: SHARED });
  await until("the update", () => own.text().includes(`{"uri":"${alias(SHARED)}"}`));
});

Deno.test("a subscription under an alias is made with the URI that the server knows", async () => {
  const world = collidingWorld();
  await using client = await ERAS.session(world);
  await client.ask("resources/subscribe", { uri: alias(SHARED) });
  assertEquals(world.second.requestsOf("resources/subscribe")[0]?.params.uri, SHARED);
});

Deno.test("an update of the first server's has the plain URI", async () => {
  const world = collidingWorld();
  await using client = await ERAS.session(world);
  using own = await client.session!.listen();
  await client.ask("resources/subscribe", { uri: SHARED });
  world.first.say("notifications/resources/updated", { uri: SHARED });
  await until("the update", () => own.text().includes(`{"uri":"${SHARED}"}`));
});

Deno.test("an unsubscription under an alias reaches the server that has it", async () => {
  const world = collidingWorld();
  await using client = await ERAS.session(world);
  await client.ask("resources/subscribe", { uri: alias(SHARED) });
  await client.ask("resources/unsubscribe", { uri: alias(SHARED) });
  assertEquals(world.second.requestsOf("resources/unsubscribe")[0]?.params.uri, SHARED);
});

Deno.test("a subscription under an alias is made again at a server that lost it", async () => {
  const world = collidingWorld();
  await using client = await ERAS.session(world);
  await client.ask("resources/subscribe", { uri: alias(SHARED) });
  world.second.forget();
  await client.ask("tools/call", { name: "second-t", arguments: {} });
  assertEquals((await world.second.arrival("resources/subscribe", 1)).params.uri, SHARED);
});

Deno.test("on its own endpoint a server's URIs are its own", async () => {
  const world = collidingWorld();
  await using client = await ERAS.session(world, { path: "/servers/second/mcp" });
  assertEquals(await namesOf(client, "resources/list"), [SHARED, PAGE, "test://own"]);
});

Deno.test("without sessions, contents that are read under an alias have the alias", async () => {
  await using world = await openColliding({ USE_STATEFUL_SESSIONS: "false" });
  await using client = await sessionless(world);
  const { result } = await client.ask("resources/read", { uri: alias(SHARED) });
  const contents = [{ uri: alias(SHARED), text: `second: ${SHARED}` }];
  assertEquals((result as Message).contents, contents);
});

// ── Templates ───────────────────────────────────────────────────────────────────────────────────

inBothEras("of several templates that fit the most specific one is asked", async (open) => {
  await using world = await serveShelf({
    greedy: { templates: [aTemplate("{+everything}"), aTemplate("test://{+path}")] },
    narrow: { templates: [aTemplate("test://users/{id}/posts")] },
    middle: { templates: [aTemplate("test://users/{id}{/rest*}")] },
  });
  await using client = await open(world);
  for (const uri of ["test://users/7/posts", "test://users/7/likes", "test://x", "other:y"]) {
    await client.ask("resources/read", { uri });
  }
  const { greedy, narrow, middle } = world.stands;
  assertEquals([greedy, narrow, middle].map((stand) => urisAt(stand!)), [
    ["test://x", "other:y"],
    ["test://users/7/posts"],
    ["test://users/7/likes"],
  ]);
});

inBothEras("a resource is read where it is listed, whatever template fits it", async (open) => {
  await using world = await serveShelf({
    greedy: { templates: [aTemplate("{+everything}")] },
    owner: { resources: [aResource("test://exact")] },
  });
  await using client = await open(world);
  await client.ask("resources/read", { uri: "test://exact" });
  assertEquals(urisAt(world.stands.owner!), ["test://exact"]);
});

inBothEras("an alias is read where it belongs, whatever template fits it", async (open) => {
  await using world = await serveShelf({
    greedy: { templates: [aTemplate("{+everything}")], resources: [aResource(SHARED)] },
    owner: { resources: [aResource(SHARED)] },
  });
  await using client = await open(world);
  const uris = await namesOf(client, "resources/list");
  for (const uri of uris) await client.ask("resources/read", { uri });
  const { greedy, owner } = world.stands;
  assertEquals([urisAt(greedy!), urisAt(owner!)], [[SHARED], [SHARED]]);
});

inBothEras("a very long URI is looked up and not found", async (open) => {
  await using world = await serveShelf({ a: { templates: [aTemplate("test://{+a}/{+b}/{+c}")] } });
  await using client = await open(world);
  const { error } = await client.ask("resources/read", { uri: `test://${"/a".repeat(5_000)}` });
  assertEquals((error as Message).message, "Resource not found");
});

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

/** What the later server's has in `collidingWorld`. */
function alias(uri: string): string {
  return `${uri}#second`;
}

function urisAt(stand: { requestsOf: (method: string) => { params: Message }[] }): unknown[] {
  return stand.requestsOf("resources/read").map(({ params }) => params.uri);
}

/** The result without what results of the stateless era have besides. */
function without({ resultType: _, ...result }: Message): Message {
  return result;
}

/** The whole reply as it stands on the wire. */
async function rawOf(
  client: EraClient,
  era: string,
  origin: string,
  params: Message,
): Promise<string> {
  if (era === "session") {
    return (await client.session!.send({ method: "tools/call", params })).text;
  }
  return (await callModern(origin, { params, token: await mintToken() })).text;
}
