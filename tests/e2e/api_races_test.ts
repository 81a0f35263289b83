/**
 * Writes of the API that meet each other, calls that run, and other replicas on the same database.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { openApi } from "../support/api_client.ts";
import { type ApiWorld, DATABASES, LOOPBACK_ALLOWED, openApiWorld } from "../support/api_world.ts";
import { messageOf, openModern } from "../support/open_reply.ts";
import { postgresTest } from "../support/postgres.ts";
import { startProgram } from "../support/program.ts";
import { startRedis } from "../support/redis_server.ts";
import { replicasTest } from "../support/replicas.ts";
import { aTool, ERAS, inBothEras, namesOf } from "../support/shelf_world.ts";
import { tempDir } from "../support/temp_dir.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const TOLD = "notifications/tools/list_changed";

for (const database of DATABASES) {
  const test = database === "postgres" ? postgresTest : Deno.test;

  test(`${database}: of many that make one name at once, one does`, async () => {
    await using world = await openApiWorld({ database });
    const { url } = world.stand("shop", { tools: [aTool("buy")] });
    const replies = await Promise.all(Array.from({ length: 20 }, (_, i) => {
      const isServer = i % 2 === 0;
      const body = { name: "shop", ...isServer ? {} : { url } };
      return world.api.call("POST", isServer ? "/servers" : "/upstreams", { body });
    }));
    const statuses = replies.map(({ status }) => status).sort();
    assertEquals(statuses, [201, ...Array.from({ length: 19 }, () => 409)]);
    const all = [...await world.api.all("/servers"), ...await world.api.all("/upstreams")];
    assertEquals(all.map(({ slug }) => slug), ["shop"]);
  });

  test(`${database}: of many changes to one version, one is made`, async () => {
    await using world = await openApiWorld({ database });
    const { headers } = await world.api.must("POST", "/servers", { name: "ops" });
    const match = { "If-Match": headers.get("etag")! };
    const replies = await Promise.all(Array.from({ length: 20 }, (_, i) => {
      return world.api.call("PATCH", "/servers/ops", { body: { title: `${i}` }, headers: match });
    }));
    const made = replies.flatMap(({ status }, i) => status === 200 ? [`${i}`] : []);
    assertEquals(made.length, 1);
    assertEquals((await world.api.must("GET", "/servers/ops")).json.title, made[0]);
  });

  test(`${database}: changes without a version are all made, none undoes another`, async () => {
    await using world = await openApiWorld({ database });
    await world.api.must("POST", "/servers", { name: "ops" });
    const changes = [
      { title: "T" },
      { description: "D" },
      { instructions: "I" },
      { tools: ["a-*"] },
      { prompts: ["b-*"] },
      { enabled: false },
    ];
    await Promise.all(changes.map((body) => world.api.must("PATCH", "/servers/ops", body)));
    const { json } = await world.api.must("GET", "/servers/ops");
    const kept = changes.map((body) => {
      const [member] = Object.keys(body);
      return { [member!]: json[member!] };
    });
    assertEquals(kept, changes);
  });

  test(`${database}: what is deleted while it is changed is gone`, async () => {
    await using world = await openApiWorld({ database });
    await world.api.must("POST", "/servers", { name: "ops" });
    const path = "/servers/ops";
    const replies = await Promise.all([
      ...Array.from({ length: 5 }, () => world.api.call("PATCH", path, { body: { title: "x" } })),
      world.api.call("DELETE", path),
      ...Array.from({ length: 5 }, () => world.api.call("PATCH", path, { body: { title: "y" } })),
    ]);
    assertEquals(replies[5]!.status, 204);
    assert(replies.every(({ status }) => [200, 204, 404].includes(status)));
    assertEquals((await world.api.call("GET", path)).status, 404);
  });
}

for (
  const [what, method, body] of [
    ["deleted", "DELETE", undefined],
    ["switched off", "PATCH", { enabled: false }],
  ] as const
) {
  inBothEras(`a call that runs while its server is ${what} is answered`, async (open) => {
    await using world = await openShop();
    const { shop, release } = world;
    await using client = await open(world);
    const call = client.ask("tools/call", { name: "shop-buy", arguments: {} });
    await shop.arrival("tools/call");
    await world.api.must(method, "/upstreams/shop", body);
    release();
    const { result, error } = await call;
    assert((result === undefined) !== (error === undefined));
  });

  inBothEras(`behind a server that is ${what} nothing is called any more`, async (open) => {
    await using world = await openShop();
    world.release();
    await using client = await open(world);
    await client.ask("tools/call", { name: "shop-buy", arguments: {} });
    await world.api.must(method, "/upstreams/shop", body);
    const before = world.shop.requestsOf("tools/call").length;
    const { error } = await client.ask("tools/call", { name: "shop-buy", arguments: {} });
    assertEquals((error as { code: number } | undefined)?.code, -32602);
    assertEquals(world.shop.requestsOf("tools/call").length, before);
  });
}

Deno.test("servers that come and go leave no session of a client behind", async () => {
  await using world = await openApiWorld();
  const stand = world.stand("shop", { tools: [aTool("buy")] });
  for (let i = 0; i < 20; i++) {
    await world.api.must("POST", "/upstreams", { name: "shop", url: stand.url });
    {
      await using client = await ERAS.session(world);
      assertEquals(await namesOf(client, "tools/list"), ["shop-buy"]);
      await client.ask("tools/call", { name: "shop-buy", arguments: {} });
    }
    await world.api.must("DELETE", "/upstreams/shop");
  }
  await until("the last session to end", () => stand.sessions.size === 0);
});

replicasTest("another replica on the database follows, and tells its clients", async () => {
  await using redis = await startRedis();
  const env = { REDIS_URL: redis.url };
  await using world = await openApiWorld({ database: "postgres", env });
  await using dir = await tempDir();
  await using other = startProgram(["--data", `${dir.path}/data`, "--port", "0"], {
    cwd: dir.path,
    env: {
      ...LOOPBACK_ALLOWED,
      ...env,
      JWT_SECRET_KEY: TEST_JWT_SECRET,
      AUTH_ENCRYPTION_SECRET: "only-for-tests-abcdefghij-0123456789-ZYX",
      DATABASE_URL: world.schema!.text,
    },
  });
  const origin = await other.listening();
  const token = await mintToken();
  using stream = await openModern(origin, {
    method: "subscriptions/listen",
    params: { notifications: { toolsListChanged: true } },
    token,
  });
  await messageOf(stream, "notifications/subscriptions/acknowledged");
  const { url } = world.stand("shop", { tools: [aTool("buy")] });
  await world.api.must("POST", "/upstreams", { name: "shop", url });
  await messageOf(stream, TOLD, 15_000);
  const there = await openApi(() => origin);
  assertEquals((await there.all("/tools")).map(({ name }) => name), ["shop-buy"]);
  await there.must("DELETE", "/upstreams/shop");
  await until("it to be gone here, too", async () => {
    return (await world.api.call("GET", "/upstreams/shop")).status === 404;
  }, 15_000);
});

async function openShop() {
  const world: ApiWorld = await openApiWorld();
  const shop = world.stand("shop", { tools: [aTool("buy")] });
  const { promise, resolve: release } = Promise.withResolvers<void>();
  shop.on("tools/call", async () => {
    await promise;
    return { content: [{ type: "text", text: "bought" }] };
  });
  await world.api.must("POST", "/upstreams", { name: "shop", url: shop.url });
  return { ...world, shop, release };
}
