/**
 * Servers of the transport of 2024-11-05 that come through the API, go away and come back: streams are
 * opened and closed with them, and how they are is known.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type Api, openApi } from "../support/api_client.ts";
import { freePort } from "../support/free_port.ts";
import { type OldSse, startOldSse } from "../support/old_sse.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { callSession, openSession, toolCall } from "../support/session_client.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const PATH = "/servers/old/mcp";
const ENV = {
  JWT_SECRET_KEY: TEST_JWT_SECRET,
  EGRESS_ALLOW_PRIVATE: "127.0.0.0/8",
  HEALTH_CHECK_INTERVAL: "1s",
  CONNECT_TIMEOUT: "500ms",
  FIRST_BYTE_TIMEOUT: "2s",
};

interface World extends AsyncDisposable {
  readonly upstream: OldSse;
  readonly gateway: Gateway;
  readonly api: Api;
}

async function openWorld(port = 0): Promise<World> {
  const stack = new AsyncDisposableStack();
  const upstream = stack.use(await startOldSse(port));
  const gateway = stack.use(await startGateway({ env: ENV }));
  const api = await openApi(() => gateway.origin);
  return { upstream, gateway, api, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function add({ api, upstream }: World, type: "sse" | "http") {
  return api.must("POST", "/upstreams", {
    name: "Old",
    url: `${upstream.origin}/sse`,
    type,
    visibility: "public",
  });
}

for (const type of ["sse", "http"] as const) {
  Deno.test(`a server made as ${type} is read and called`, async () => {
    await using world = await openWorld();
    const { json } = await add(world, type);
    const token = await mintToken();
    await using session = await openSession(world.gateway.origin, { path: PATH, token });
    const { response } = await session.send(toolCall("test_simple_text"));
    assertEquals(
      [json.type, json.status, json.protocolRevision, "result" in response],
      [type, "connected", "2025-11-25", true],
    );
  });

  Deno.test(`the streams of a server made as ${type} end with it`, async () => {
    await using world = await openWorld();
    const { json: { id } } = await add(world, type);
    await using _session = await openSession(world.gateway.origin, {
      path: PATH,
      token: await mintToken(),
    });
    const { connections } = await world.upstream.stats();
    await world.api.must("DELETE", `/upstreams/${id}`);
    await until(
      "the end of all streams",
      async () => (await world.upstream.stats()).connections === 0,
    );
    assertEquals(connections > 1, true);
  });

  Deno.test(`a server made as ${type} that went away is known to be, and found again`, async () => {
    const port = freePort();
    await using world = await openWorld(port);
    const { json: { id } } = await add(world, type);
    const status = async () => (await world.api.must("GET", `/upstreams/${id}`)).json.status;
    await world.upstream.stop();
    await until("that it is away", async () => await status() === "unreachable", 20_000);
    await using again = await startOldSse(port);
    await until("that it is back", async () => await status() === "connected", 30_000);
    assertEquals((await again.stats()).connections > 0, true);
  });
}

Deno.test("clients without sessions share one stream at the server, each principal its own", async () => {
  await using upstream = await startOldSse();
  await using gateway = await startGateway({
    config: { mcpServers: { old: { type: "sse", url: `${upstream.origin}/sse` } } },
    env: { ...ENV, USE_STATEFUL_SESSIONS: "false" },
  });
  const { opened } = await upstream.stats();
  const echo = async (sub: string, mark: string) => {
    const token = await mintToken({ sub });
    const { response } = await callSession(gateway.origin, {
      path: PATH,
      token,
      ...toolCall("test_echo", { mark }),
    });
    return JSON.stringify(response).includes(mark);
  };
  const marks = Array.from({ length: 10 }, (_, i) => `mark-${i}`);
  const seen = await Promise.all(
    marks.flatMap((mark) => [echo("one@example.com", mark), echo("two@example.com", mark)]),
  );
  assertEquals(
    [seen.includes(false), (await upstream.stats()).opened - opened],
    [false, 2],
  );
});

Deno.test("a client's session outlives the server that it was opened at", async () => {
  const port = freePort();
  await using world = await openWorld(port);
  await add(world, "sse");
  const token = await mintToken();
  await using session = await openSession(world.gateway.origin, { path: PATH, token });
  await world.upstream.stop();
  await using _again = await startOldSse(port);
  const text = await until("an answer", async () => {
    const { response } = await session.send(toolCall("test_simple_text"));
    const said = JSON.stringify(response);
    return said.includes("This is a simple text response for testing.") && said;
  }, 30_000);
  assertEquals(text.includes("isError"), false);
});
