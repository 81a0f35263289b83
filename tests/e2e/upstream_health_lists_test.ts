/**
 * What an upstream server that is away does to `/mcp`: its tools stay listed as they were last
 * known, its calls are refused in one sentence, nothing else is touched, and the API says so.
 *
 * @module
 * @see security.md, F01, F03, F12
 */
import assert, { deepStrictEqual as assertEquals, match } from "node:assert/strict";
import { type ApiWorld, type ApiWorldOptions, openApiWorld } from "../support/api_world.ts";
import type { Message } from "../support/modern.ts";
import {
  aResource,
  aTool,
  type EraClient,
  ERAS,
  inBothEras,
  namesOf,
} from "../support/shelf_world.ts";
import type { Stand } from "../support/shelf_server.ts";
import { until } from "../support/until.ts";

/** In a session, which has one of its own there, it is said what for it was needed. */
const UNAVAILABLE = new RegExp(
  "^(?:No session could be opened at the upstream server: )?" +
    'The upstream server "sick" is unavailable since \\d{4}-\\d\\d-\\d\\dT[\\d:]{8}Z; ' +
    "next attempt in \\d+ s$",
);

/** Found out soon, so that no test waits for long. */
const QUICK = {
  CONNECT_TIMEOUT: "500ms",
  FIRST_BYTE_TIMEOUT: "500ms",
  TOOL_TIMEOUT: "1s",
  HEALTH_CHECK_INTERVAL: "1s",
};

const ALL = ["sick-a", "sick-b", "well-c"];

for (const mood of ["down", "hang"] as const) {
  inBothEras(`the tools of a server that is ${mood} stay listed`, async (open) => {
    await using world = await openWorld();
    await using client = await open(world);
    assertEquals(await namesOf(client, "tools/list"), ALL);
    await fallSick(world, client, mood);
    assertEquals(await namesOf(client, "tools/list"), ALL);
  });

  inBothEras(
    `a call to a server that is ${mood} is one sentence, without being sent`,
    async (open) => {
      await using world = await openWorld();
      await using client = await open(world);
      await fallSick(world, client, mood);
      const before = world.stands.sick!.requests.length;
      const answers = await Promise.all(Array.from({ length: 50 }, () => told(client, "sick-a")));
      for (const answer of answers) match(answer, UNAVAILABLE);
      assertEquals(world.stands.sick!.requests.length, before);
    },
  );

  inBothEras(`other servers answer while one is ${mood}`, async (open) => {
    await using world = await openWorld();
    await using client = await open(world);
    await fallSick(world, client, mood);
    const answers = await Promise.all(Array.from({ length: 20 }, () => told(client, "well-c")));
    assertEquals(new Set(answers), new Set(["well: c"]));
  });

  inBothEras(`a server that was ${mood} is used again by itself`, async (open) => {
    await using world = await openWorld();
    await using client = await open(world);
    await fallSick(world, client, mood);
    world.stands.sick!.mood = "well";
    await until("an answer", async () => await told(client, "sick-a") === "sick: a", 30_000);
  });
}

inBothEras("what was last known is listed after a restart, too", async (open) => {
  await using world = await openWorld();
  world.stands.sick!.mood = "down";
  await world.restart();
  await using client = await open(world);
  assertEquals(await namesOf(client, "tools/list"), ALL);
  assertEquals(await told(client, "well-c"), "well: c");
});

inBothEras("a read of a server that is away is an error, not an empty success", async (open) => {
  await using world = await openWorld();
  await using client = await open(world);
  await fallSick(world, client, "down");
  const { error } = await client.ask("resources/read", { uri: "test://ward" });
  assertEquals((error as Message).code, -31001);
  match(String((error as Message).message), UNAVAILABLE);
});

Deno.test("the API shows that a server is away, and that it is back", async () => {
  await using world = await openWorld();
  const status = async () => (await world.api.must("GET", "/upstreams/sick")).json;
  assertEquals((await status()).status, "connected");
  world.stands.sick!.mood = "down";
  const away = await until("it to be away", async () => {
    const record = await status();
    return record.status === "unreachable" && record;
  }, 20_000);
  assert(/^[A-Z][^\n]+$/.test(away.lastError) && !/127\.0\.0\.1|:\d{4,5}/.test(away.lastError));
  assert(away.lastSeenAt !== null);
  assertEquals((await world.api.must("GET", "/upstreams/well")).json.status, "connected");
  world.stands.sick!.mood = "well";
  await until("it to be back", async () => {
    const record = await status();
    return record.status === "connected" && record.lastError === undefined;
  }, 30_000);
});

Deno.test("a server that was switched off is not asked for anything", async () => {
  let checks = 0;
  await using other = busyServer(() => false, () => checks++);
  const entries = { other: { type: "http", url: other.url } };
  await using world = await openWorld({ declared: {}, entries });
  const stand = world.stand("off", { tools: [aTool("a")] });
  await world.api.must("POST", "/upstreams", { name: "off", url: stand.url });
  await world.api.must("PATCH", "/upstreams/off", { enabled: false });
  await until("its listeners to leave", () => stand.sessions.size === 0);
  let asked = 0;
  for (const method of ["ping", "server/discover", "initialize", "tools/list"]) {
    stand.on(method, () => (asked++, {}));
  }
  const reads = stand.reads("tools/list");
  const before = checks;
  await until("several rounds of checks of another", () => checks >= before + 3, 20_000);
  assertEquals([asked, stand.reads("tools/list")], [0, reads]);
});

Deno.test("a pause that a server asks for is kept on /mcp, and the API says why", async () => {
  let requests = 0;
  let isBusy = false;
  await using server = busyServer(() => isBusy, () => requests++);
  await using world = await openWorld({ entries: { busy: { type: "http", url: server.url } } });
  await using client = await ERAS.modern(world);
  isBusy = true;
  const isPaused = async () => / has asked for a pause; /.test(await told(client, "busy-t"));
  await until("the pause", isPaused, 20_000);
  const before = requests;
  for (let i = 0; i < 10; i++) await told(client, "busy-t");
  assertEquals(requests, before);
  const { json } = await world.api.must("GET", "/upstreams/busy");
  assertEquals(json.lastError, "The upstream server answered HTTP 503");
});

async function openWorld(options: ApiWorldOptions = {}): Promise<ApiWorld> {
  const world = await openApiWorld({
    declared: {
      sick: { tools: [aTool("a"), aTool("b")], resources: [aResource("test://ward")] },
      well: { tools: [aTool("c")] },
    },
    ...options,
    env: { ...QUICK, ...options.env },
  });
  await until("all to be read", async () => {
    const records = await world.api.all("/upstreams");
    return records.every(({ status }) => status === "connected");
  }, 15_000);
  return world;
}

/** Waits until calls are not even sent any more. */
async function fallSick(world: ApiWorld, client: EraClient, mood: Stand["mood"]): Promise<void> {
  world.stands.sick!.mood = mood;
  await until("the refusal", async () => UNAVAILABLE.test(await told(client, "sick-a")), 30_000);
}

/** The text of the answer, whether the call succeeded or not. */
async function told(client: EraClient, name: string): Promise<string> {
  const { result, error } = JSON.parse(
    JSON.stringify(await client.ask("tools/call", { name, arguments: {} })),
  );
  return result?.content?.[0]?.text ?? error?.message ?? "";
}

/** Answers as a server of 2026-07-28 with one tool, and asks for a minute's pause when it is busy. */
function busyServer(isBusy: () => boolean, asked: () => void) {
  const capabilities = { tools: {} };
  const results: Record<string, unknown> = {
    "server/discover": { supportedVersions: ["2026-07-28"], capabilities },
    "tools/list": { tools: [aTool("t")] },
    "tools/call": { content: [{ type: "text", text: "fine" }] },
  };
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      asked();
      const { id, method } = await request.json().catch(() => ({}));
      if (isBusy()) return new Response(null, { status: 503, headers: { "Retry-After": "60" } });
      const result = results[method];
      if (result === undefined) return new Response(null, { status: 404 });
      const hints = { resultType: "complete", ttlMs: 600_000, cacheScope: "private" };
      return Response.json({ jsonrpc: "2.0", id, result: { ...hints, ...result as object } });
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/mcp`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
