/**
 * Upstream servers that come, change and go through the API while clients are connected: what is
 * answered is what `/mcp` shows, and connected clients are told. On each of the databases.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  type ApiWorld,
  type ApiWorldOptions,
  badOverStdio,
  type DatabaseKind,
  DATABASES,
  everythingOverStdio,
  openApiWorld,
} from "../support/api_world.ts";
import { messageOf, openModern, type OpenReply } from "../support/open_reply.ts";
import { postgresTest } from "../support/postgres.ts";
import { openSession, type Session } from "../support/session_client.ts";
import { aTool, ERAS, namesOf } from "../support/shelf_world.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const TOLD = "notifications/tools/list_changed";
const STDIO = everythingOverStdio("legacy");

const isKept = (database: DatabaseKind) => database !== "memory";

/** Three servers run, one of them over stdio. */
const THREE: ApiWorldOptions = {
  declared: { one: { tools: [aTool("a")] }, two: { tools: [aTool("b")] } },
  entries: { files: STDIO },
};

for (const database of DATABASES) {
  const test = (promise: string, run: (options: ApiWorldOptions) => Promise<void>) => {
    const name = `${database}: ${promise}`;
    const whole = () => run({ ...THREE, database });
    if (database === "postgres") postgresTest(name, whole);
    else Deno.test(name, whole);
  };

  test("a fourth server's tools appear beside those of three", async (options) => {
    await using world = await openApiWorld(options);
    await until("the tools of three", async () => {
      const names = await toolNames(world);
      return ["one-a", "two-b", "files-test_echo"].every((name) => names.includes(name));
    }, 20_000);
    const before = await toolNames(world);
    const { status, json } = await addFourth(world);
    assertEquals([status, json.slug, json.status], [201, "the-fourth", "connected"]);
    assertEquals(await toolNames(world), [...before, "the-fourth-c"]);
  });

  test("its tools can be called at once", async (options) => {
    await using world = await openApiWorld({ ...options, entries: {} });
    await addFourth(world);
    await using client = await ERAS.modern(world);
    const { result } = await client.ask("tools/call", { name: "the-fourth-c", arguments: {} });
    assertEquals(textIn(result), "the-fourth: c");
  });

  test("connected clients of both eras are told of each change", async (options) => {
    await using world = await openApiWorld({ ...options, entries: {} });
    await using ears = await listenInBothEras(world);
    await addFourth(world);
    await ears.told(1);
    await world.api.must("PATCH", "/upstreams/the-fourth", { enabled: false });
    await ears.told(2);
    await world.api.must("PATCH", "/upstreams/the-fourth", { enabled: true });
    await ears.told(3);
    await world.api.must("DELETE", "/upstreams/the-fourth");
    await ears.told(4);
  });

  test("a server that is switched off is gone from /mcp and from its own URL", async (options) => {
    await using world = await openApiWorld({ ...options, entries: {} });
    await addFourth(world);
    const { json } = await world.api.must("PATCH", "/upstreams/the-fourth", { enabled: false });
    assertEquals(json.status, "disabled");
    assertEquals(await toolNames(world), ["one-a", "two-b"]);
    assertEquals(await verbatimStatus(world), 404);
  });

  test("a server that is switched on again has its tools under the old ids", async (options) => {
    await using world = await openApiWorld({ ...options, entries: {} });
    await addFourth(world);
    const before = await world.api.all("/tools");
    await world.api.must("PATCH", "/upstreams/the-fourth", { enabled: false });
    await world.api.must("PATCH", "/upstreams/the-fourth", { enabled: true });
    await until("its tool", async () => (await toolNames(world)).includes("the-fourth-c"));
    assertEquals(ids(await world.api.all("/tools")), ids(before));
  });

  test("a server that is deleted is gone, and can be made anew", async (options) => {
    await using world = await openApiWorld({ ...options, entries: {} });
    const { json: { id } } = await addFourth(world);
    assertEquals((await world.api.must("DELETE", `/upstreams/${id}`)).status, 204);
    assertEquals((await world.api.call("GET", `/upstreams/${id}`)).status, 404);
    assertEquals(await toolNames(world), ["one-a", "two-b"]);
    const { status, json } = await addFourth(world);
    assertEquals(status, 201);
    assert(json.id !== id);
  });

  if (!isKept(database)) continue;

  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    test(`what was made, changed and deleted is so after ${signal}`, async (options) => {
      await using world = await openApiWorld({ ...options, entries: {} });
      await addFourth(world);
      const { url } = world.stand("fifth", { tools: [aTool("d")] });
      await world.api.must("POST", "/upstreams", { name: "fifth", url });
      await world.api.must("PATCH", "/upstreams/the-fourth", { title: "Vier", tags: ["x"] });
      await world.api.must("DELETE", "/upstreams/fifth");
      const [tool] = await world.api.all("/tools?upstream=the-fourth");
      await world.api.must("PATCH", `/tools/${tool.id}`, { name: "renamed" });
      await world.api.must("POST", "/servers", { name: "Some", tools: ["one-*"] });
      const before = await everything(world);
      await world.restart(signal);
      assertEquals(await everything(world), before);
      assertEquals(await toolNames(world), ["one-a", "two-b", "renamed"]);
    });
  }

  test("ETags hold over a restart", async (options) => {
    await using world = await openApiWorld({ ...options, entries: {} });
    const etag = (await addFourth(world)).headers.get("etag")!;
    await world.restart();
    const headers = { "If-Match": etag };
    const change = { body: { title: "Vier" }, headers };
    assertEquals((await world.api.call("PATCH", "/upstreams/the-fourth", change)).status, 200);
    assertEquals((await world.api.call("PATCH", "/upstreams/the-fourth", change)).status, 412);
  });
}

Deno.test("a server that cannot be reached is made all the same, and says so", async () => {
  await using world = await openApiWorld();
  const stand = world.stand("late", { tools: [aTool("t")] });
  stand.mood = "down";
  const { status, json } = await world.api.call("POST", "/upstreams", {
    body: { name: "late", url: stand.url },
  });
  assertEquals([status, json.status], [201, "unreachable"]);
});

Deno.test("a server is reached at its new address at once", async () => {
  await using world = await openApiWorld();
  await addFourth(world);
  const moved = world.stand("moved", { tools: [aTool("c")] });
  await world.api.must("PATCH", "/upstreams/the-fourth", { url: moved.url });
  await using client = await ERAS.modern(world);
  const { result } = await client.ask("tools/call", { name: "the-fourth-c", arguments: {} });
  assertEquals(textIn(result), "moved: c");
});

Deno.test("a server of the type stdio is refused, and nothing is started", async () => {
  await using world = await openApiWorld();
  const marker = `${world.dataDir}/started`;
  const replies = await Promise.all([
    { name: "x", type: "stdio", command: "touch", args: [marker] },
    { name: "x", url: "http://127.0.0.1:1/mcp", type: "stdio" },
    { name: "x", url: "http://127.0.0.1:1/mcp", command: "touch", args: [marker] },
    { name: "x", url: `stdio:touch ${marker}` },
  ].map((body) => world.api.call("POST", "/upstreams", { body })));
  assertEquals(replies.map(({ status }) => status), [400, 400, 400, 400]);
  assertEquals(await world.api.all("/upstreams"), []);
  assertEquals(await Deno.stat(marker).catch(() => "none"), "none");
});

Deno.test("a server of the config file cannot be changed into one over stdio", async () => {
  await using world = await openApiWorld({ entries: { files: badOverStdio("none") } });
  const body = { command: "sh", args: ["-c", "exit"] };
  const replies = await Promise.all([
    world.api.call("PATCH", "/upstreams/files", { body }),
    world.api.call("PATCH", "/upstreams/files", { body: { title: "x" } }),
    world.api.call("DELETE", "/upstreams/files"),
  ]);
  assertEquals(replies.map(({ status }) => status), [400, 409, 409]);
});

function addFourth(world: ApiWorld) {
  const { url } = world.stand("the-fourth", { tools: [aTool("c")] });
  return world.api.must("POST", "/upstreams", { name: "The fourth", url });
}

async function toolNames(world: ApiWorld): Promise<string[]> {
  await using client = await ERAS.modern(world);
  return await namesOf(client, "tools/list");
}

async function verbatimStatus(world: ApiWorld): Promise<number> {
  const response = await fetch(`${world.origin}/servers/the-fourth/mcp`, {
    headers: { Authorization: `Bearer ${await mintToken()}`, Accept: "text/event-stream" },
  });
  await response.body?.cancel();
  return response.status;
}

/** All that is kept, as far as it does not change by itself. */
async function everything({ api }: ApiWorld) {
  // deno-lint-ignore no-explicit-any
  const stays = ({ lastSeenAt: _seen, status: _status, updatedAt: _updated, ...record }: any) =>
    record;
  return {
    upstreams: (await api.all("/upstreams")).map(stays),
    servers: await api.all("/servers"),
    tools: await api.all("/tools"),
  };
}

// deno-lint-ignore no-explicit-any
function ids(records: any[]): string[] {
  return records.map(({ id }) => id);
}

function textIn(result: unknown): string {
  return (result as { content: { text: string }[] }).content[0]!.text;
}

interface Ears extends AsyncDisposable {
  /** Waits until each client has been told so often, and not more often. */
  readonly told: (times: number) => Promise<void>;
}

async function listenInBothEras(world: ApiWorld): Promise<Ears> {
  const token = await mintToken();
  const session: Session = await openSession(world.origin, { token });
  const streams: OpenReply[] = [
    await session.listen(),
    await openModern(world.origin, {
      method: "subscriptions/listen",
      params: { notifications: { toolsListChanged: true } },
      token,
    }),
  ];
  await messageOf(streams[1]!, "notifications/subscriptions/acknowledged");
  const count = (stream: OpenReply) =>
    stream.messages().filter(({ method }) => method === TOLD).length;
  return {
    async told(times) {
      for (const stream of streams) {
        await until(`to be told ${times} times`, () => count(stream) >= times);
      }
      assertEquals(streams.map(count), [times, times]);
    },
    async [Symbol.asyncDispose]() {
      for (const stream of streams) stream.close();
      await session[Symbol.asyncDispose]();
    },
  };
}
