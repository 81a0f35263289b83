/**
 * Who is told what about items that are shown to some: changes of one's own lists, updates of resources,
 * and the end of what was relayed as it is.
 *
 * @module
 * @see security.md, AUTHZ-19; contract.md, section 4
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type ItemWorld, openItemWorld, PATHS, RED } from "../support/item_world.ts";
import { callModern, type Message, modernBytes } from "../support/modern.ts";
import { openRaw } from "../support/open_reply.ts";
import { eventsIn, messagesIn, openSession } from "../support/session_client.ts";
import { aTool, ERAS, namesOf, serveShelf } from "../support/shelf_world.ts";
import { openApi } from "../support/api_client.ts";
import { haveTeams } from "../support/teams.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const UPDATED = "notifications/resources/updated";
const CHANGED = "notifications/tools/list_changed";

let world: ItemWorld;

Deno.test.beforeAll(async () => {
  world = await openItemWorld();
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

interface Hearing extends AsyncDisposable {
  readonly heard: (method: string) => Message[];
}

/** Hears of its lists, and of these resources. */
type Hear = (path: string, token: string, uris: readonly string[]) => Promise<Hearing>;

const HEARERS: Readonly<Record<string, Hear>> = {
  async session(path, token, uris) {
    const session = await openSession(world.origin, { path, token });
    await session.send({ method: "tools/list" });
    for (const uri of uris) await session.send({ method: "resources/subscribe", params: { uri } });
    const stream = await session.listen();
    await until("the stream", () => stream.text().includes("\n\n"));
    return {
      heard: (method) => messagesIn(eventsIn(stream.text())).filter((one) => one.method === method),
      async [Symbol.asyncDispose]() {
        stream.close();
        await session[Symbol.asyncDispose]();
      },
    };
  },
  async modern(path, token, uris) {
    const notifications = { toolsListChanged: true, resourceSubscriptions: [...uris] };
    const call = { method: "subscriptions/listen", params: { notifications }, path, token };
    const stream = await openRaw(world.origin, modernBytes(world.origin, call));
    await until("the acknowledgement", () => stream.text().includes("acknowledged"));
    return {
      heard: (method) => messagesIn(eventsIn(stream.text())).filter((one) => one.method === method),
      [Symbol.asyncDispose]() {
        stream.close();
        return Promise.resolve();
      },
    };
  },
};

for (const [era, hear] of Object.entries(HEARERS)) {
  for (const path of PATHS) {
    Deno.test(`a tool that is red's now is told to those who had it (${path}, ${era})`, async () => {
      await world.change("tools", "open", { visibility: null });
      await using blue = await hear(path, world.blue, []);
      await using red = await hear(path, world.red, []);
      await world.change("tools", "open", RED);
      await until("blue is told", () => blue.heard(CHANGED).length === 1);
      await world.change("tools", "red", { title: `Red in ${path}, ${era}` });
      await until("red is told", () => red.heard(CHANGED).length === 1);
      // What blue was told of would stand before this.
      await world.change("tools", "open", { visibility: null });
      await until("blue is told again", () => blue.heard(CHANGED).length >= 2);
      assertEquals([blue.heard(CHANGED).length, red.heard(CHANGED).length], [2, 1]);
    });

    Deno.test(`of a resource of red's only red is told (${path}, ${era})`, async () => {
      await world.change("resources", "test://open", { visibility: null });
      await using blue = await hear(path, world.blue, ["test://open"]);
      await using red = await hear(path, world.red, ["test://open"]);
      const update = () => world.shop.sayAnyway(UPDATED, { uri: "test://open" });
      const both = () => blue.heard(UPDATED).length > 0 && red.heard(UPDATED).length > 0;
      await until("both are told", () => (update(), both()));
      await world.change("resources", "test://open", RED);
      const [before, count] = [blue.heard(UPDATED).length, red.heard(UPDATED).length];
      await until("red is told", () => (update(), red.heard(UPDATED).length > count));
      assertEquals(blue.heard(UPDATED).length, before);
      await world.change("resources", "test://open", { visibility: null });
    });
  }
}

Deno.test("a stream of a server as it is ends when something of it is hidden", async () => {
  await using plain = await serveShelf({ shop: { tools: [aTool("buy")] } });
  await haveTeams(plain.origin, { red: [] });
  const api = await openApi(() => plain.origin);
  const path = "/servers/shop/mcp";
  const token = await mintToken();
  const notifications = { toolsListChanged: true };
  const call = { method: "subscriptions/listen", params: { notifications }, path, token };
  const stream = await openRaw(plain.origin, modernBytes(plain.origin, call));
  await until("the acknowledgement", () => stream.text().includes("acknowledged"));
  const { json } = await api.must("GET", "/tools");
  await api.must("PATCH", `/tools/${json.items[0].id}`, RED);
  await stream.ended;
  await using client = await ERAS.modern(plain, { path });
  assertEquals(await namesOf(client, "tools/list"), []);
});

Deno.test("a server is relayed as it is again when all of it is shown again", async () => {
  await using plain = await serveShelf({ shop: { tools: [aTool("buy")] } });
  await haveTeams(plain.origin, { red: [] });
  const api = await openApi(() => plain.origin);
  const ask = async () => {
    const call = { method: "shop/own", params: {}, path: "/servers/shop/mcp" };
    const reply = await callModern(plain.origin, { ...call, token: await mintToken() });
    return "error" in reply.response;
  };
  plain.stands.shop!.on("shop/own", () => ({ own: true }));
  const { json } = await api.must("GET", "/tools");
  const path = `/tools/${json.items[0].id}`;
  const refused = [await ask()];
  for (const change of [RED, { visibility: "public" }, RED, { visibility: null }]) {
    await api.must("PATCH", path, change);
    refused.push(await ask());
  }
  assertEquals(refused, [false, true, false, true, false]);
});
