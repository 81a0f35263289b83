/**
 * Who is told that a list of `/mcp` has changed: whoever sees it differently, once, and nobody else.
 *
 * @module
 * @see contract.md, section 4; security.md, AUTHZ-19
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type Message, modernBytes } from "../support/modern.ts";
import { openRaw } from "../support/open_reply.ts";
import { eventsIn, messagesIn } from "../support/session_client.ts";
import {
  aResource,
  aTemplate,
  aTool,
  ERAS,
  inBothEras,
  namesOf,
  type OpenEra,
  serveShelf,
  type ShelfWorld,
} from "../support/shelf_world.ts";
import { haveTeams } from "../support/teams.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const TOOLS = "notifications/tools/list_changed";
const PROMPTS = "notifications/prompts/list_changed";
const RESOURCES = "notifications/resources/list_changed";
/** All that a caller can be told of. */
const ALL_LISTS = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };

const OFFER = {
  tools: [aTool("t")],
  prompts: [{ name: "p" }],
  resources: [aResource("test://r")],
};

async function openWorld() {
  const world = await serveShelf({ open: OFFER, red: OFFER, plain: { tools: [aTool("t")] } }, {
    entries: { red: { visibility: "team", team: "red" } },
    servers: { chosen: { tools: ["open-t", "open-u"], prompts: [], resources: [] } },
  });
  await haveTeams(world.origin, { red: ["alice@example.com"] });
  const { open, red } = world.stands;
  return { ...world, open: open!, red: red! };
}

interface Ear extends Disposable {
  /** Methods of what was said, in order, without what is said to begin with. */
  readonly heard: () => string[];
}

/** Listens as clients of the era do. */
async function listen(
  world: ShelfWorld,
  era: string,
  { path = "/mcp", claims = {} }: { readonly path?: string; readonly claims?: Message } = {},
): Promise<Ear> {
  const token = await mintToken(claims);
  if (era === "modern") {
    const params = { notifications: ALL_LISTS };
    const method = "subscriptions/listen";
    const stream = await openRaw(
      world.origin,
      modernBytes(world.origin, { method, params, path, token }),
    );
    await until("the acknowledgement", () => stream.text().includes("acknowledged"));
    return {
      heard: () => messagesIn(eventsIn(stream.text())).slice(1).map(({ method }) => String(method)),
      [Symbol.dispose]: () => stream.close(),
    };
  }
  const client = await ERAS.session(world, { path, token });
  const stream = await client.session!.listen();
  await until("the stream", () => stream.text().includes("\n\n"));
  return {
    heard: () => messagesIn(stream.events()).map(({ method }) => String(method)),
    [Symbol.dispose]: () => stream.close(),
  };
}

inBothEras("a new tool is told", async (_, era) => {
  await using world = await openWorld();
  using ear = await listen(world, era);
  world.open.offer.tools = [aTool("t"), aTool("u")];
  world.open.say(TOOLS);
  await until("the news", () => ear.heard().length > 0);
  assertEquals(ear.heard(), [TOOLS]);
});

inBothEras("a tool with another description is told", async (_, era) => {
  await using world = await openWorld();
  using ear = await listen(world, era);
  world.open.offer.tools = [aTool("t", { description: "new" })];
  world.open.say(TOOLS);
  await until("the news", () => ear.heard().length > 0);
  assertEquals(ear.heard(), [TOOLS]);
});

inBothEras("templates are told of as resources", async (_, era) => {
  await using world = await openWorld();
  using ear = await listen(world, era);
  world.open.offer.templates = [aTemplate("test://{x}")];
  world.open.say(RESOURCES);
  await until("the news", () => ear.heard().length > 0);
  assertEquals(ear.heard(), [RESOURCES]);
});

inBothEras("when it is told, the list has changed", async (open, era) => {
  await using world = await openWorld();
  using ear = await listen(world, era);
  world.open.offer.tools = [];
  world.open.say(TOOLS);
  await until("the news", () => ear.heard().length > 0);
  await using client = await open(world);
  assertEquals(await namesOf(client, "tools/list"), ["plain-t"]);
});

inBothEras("a change that cannot be seen is passed on: the server knows better", async (_, era) => {
  await using world = await openWorld();
  using ear = await listen(world, era);
  world.open.say(PROMPTS);
  await until("the news", () => ear.heard().length > 0);
  assertEquals(ear.heard(), [PROMPTS]);
});

inBothEras("another team's change is not told", async (open, era) => {
  await using world = await openWorld();
  using ear = await listen(world, era);
  world.red.offer.prompts = [];
  world.red.say(PROMPTS);
  await seenByRed(world, open, "prompts/list", 1);
  assertEquals(await heardUntilNext(world, ear), [TOOLS]);
});

inBothEras("another team's change that cannot be seen is not told", async (_, era) => {
  await using world = await openWorld();
  using ear = await listen(world, era);
  const before = world.red.reads("prompts/list");
  world.red.say(PROMPTS);
  await until("the reading", () => world.red.reads("prompts/list") > before);
  assertEquals(await heardUntilNext(world, ear), [TOOLS]);
});

inBothEras("a team's own change is told to the team", async (_, era) => {
  await using world = await openWorld();
  using ear = await listen(world, era, { claims: { teams: ["red"] } });
  world.red.offer.prompts = [];
  world.red.say(PROMPTS);
  await until("the news", () => ear.heard().length > 0);
  assertEquals(ear.heard(), [PROMPTS]);
});

inBothEras("what a virtual server does not show is not told there", async (open, era) => {
  await using world = await openWorld();
  using ear = await listen(world, era, { path: "/servers/chosen/mcp" });
  world.open.offer.prompts = [];
  world.open.say(PROMPTS);
  await seenByRed(world, open, "prompts/list", 1);
  world.open.offer.tools = [aTool("t"), aTool("hidden")];
  world.open.say(TOOLS);
  await seenByRed(world, open, "tools/list", 4);
  assertEquals(await heardUntilNext(world, ear), [TOOLS]);
});

inBothEras("a storm is told as a few, and its end is among them", async (open, era) => {
  await using world = await openWorld();
  using ear = await listen(world, era);
  for (let i = 1; i <= 60; i++) {
    world.open.offer.tools = [aTool(`t${i}`)];
    world.open.say(TOOLS);
    await pass(10);
  }
  await using client = await open(world);
  await until("the last", async () => (await namesOf(client, "tools/list")).includes("open-t60"));
  await pass(SETTLED_MS);
  const times = ear.heard().length;
  assertEquals([times >= 1, times <= 20], [true, true], `told ${times} times`);
});

Deno.test("on its own endpoint a server says itself what has changed", async () => {
  await using world = await openWorld();
  using ear = await listen(world, "session", { path: "/servers/open/mcp" });
  await until("the watch", () => world.open.listening() > 0);
  world.open.say(TOOLS);
  await until("the news", () => ear.heard().length > 0);
  assertEquals(ear.heard(), [TOOLS]);
});

Deno.test("only the wanted lists are told of", async () => {
  await using world = await openWorld();
  const { origin } = world;
  const params = { notifications: { promptsListChanged: true } };
  const call = { method: "subscriptions/listen", params, token: await mintToken() };
  using stream = await openRaw(origin, modernBytes(origin, call));
  await until("the acknowledgement", () => stream.text().includes("acknowledged"));
  world.open.offer.tools = [];
  world.open.say(TOOLS);
  await seenByRed(world, ERAS.session, "tools/list", 2);
  world.open.say(PROMPTS);
  await until("the news", () => stream.text().includes(PROMPTS));
  assertEquals(stream.text().includes(TOOLS), false);
});

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

/** Longer than changes are merged for. */
const SETTLED_MS = 600;

/** Waits until whoever sees everything sees so many. */
async function seenByRed(world: ShelfWorld, open: OpenEra, method: string, count: number) {
  await using client = await open(world, { token: await mintToken({ teams: ["red"] }) });
  await until(`${count} in ${method}`, async () => {
    return (await namesOf(client, method)).length === count;
  });
}

/** What is heard up to a change that everybody sees. */
async function heardUntilNext(
  world: Awaited<ReturnType<typeof openWorld>>,
  ear: Ear,
): Promise<string[]> {
  await pass(SETTLED_MS);
  world.open.offer.tools = [aTool("t"), aTool("u")];
  world.open.say(TOOLS);
  await until("the news", () => ear.heard().length > 0);
  return ear.heard();
}

function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
