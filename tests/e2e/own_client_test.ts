/**
 * The gateway as a client of its own at its servers, seen from a whole process: one session at
 * each, beside those of its clients, and nothing that outlives it or keeps it from ending.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  configFor,
  EVERYTHING_PATH,
  type EverythingOptions,
  startEverything,
} from "../support/everything.ts";
import { freePort, openSilentPort } from "../support/free_port.ts";
import { startGateway } from "../support/processes.ts";
import { openRawServer } from "../support/raw_server.ts";
import { openSession, toolCall } from "../support/session_client.ts";
import { until } from "../support/until.ts";

const OPEN_TO_ALL = { MCP_REQUIRE_AUTH: "false" };
/** Longer than the end of a process is waited for. */
const NEVER = { FIRST_BYTE_TIMEOUT: "10m" };

Deno.test("a server has one session of the gateway's own, however many its clients have", async () => {
  await using world = await openWorld();
  const { gateway, upstream } = world;
  const open = () => openSession(gateway.origin, { path: EVERYTHING_PATH });
  await Promise.all(Array.from({ length: 5 }, open));
  const { sessions, own } = await upstream.stats();
  assertEquals([sessions, own.sessions], [5, 1]);
});

Deno.test("a server is listened to by the gateway once", async () => {
  await using world = await openWorld();
  await until("it listens", async () => (await world.upstream.stats()).own.openStreams === 1);
  assertEquals((await world.upstream.stats()).own.methods.GET, 1);
});

Deno.test("what a client says in its session is not said in the gateway's own", async () => {
  await using world = await openWorld();
  const session = await openSession(world.gateway.origin, { path: EVERYTHING_PATH });
  await session.send({ method: "logging/setLevel", params: { level: "debug" } });
  await session.send(toolCall("test_counter"));
  const { own, calls } = await world.upstream.stats();
  assertEquals([own.calls, own.methods["logging/setLevel"], calls.test_counter], [
    {},
    undefined,
    1,
  ]);
});

for (const era of ["legacy", "modern"] as const) {
  Deno.test(`a gateway that ends leaves nothing at a ${era} server`, async () => {
    await using world = await openWorld({ era });
    await until("it listens", async () => (await world.upstream.stats()).own.openStreams === 1);
    await world.gateway.stop();
    const left = async () => {
      const { sessions, own } = await world.upstream.stats();
      return [sessions, own.sessions, own.openStreams].every((count) => count === 0);
    };
    await until("nothing is left", left);
  });
}

Deno.test("a server that was started again has one session of the gateway's own again", async () => {
  const port = freePort();
  const config = configFor({ everything: `http://127.0.0.1:${port}` });
  const first = await startEverything({ era: "legacy", port });
  await using gateway = await startGateway({
    config,
    env: { ...OPEN_TO_ALL, HEALTH_CHECK_INTERVAL: "1s" },
  });
  await first.kill();
  await using second = await startEverything({ era: "legacy", port });
  await until("a session", async () => (await second.stats()).own.sessions === 1, 20_000);
  await openSession(gateway.origin, { path: EVERYTHING_PATH });
  assertEquals((await second.stats()).own.sessions, 1);
});

Deno.test("a server that answers nothing does not keep the gateway from ending", async () => {
  using hanging = await openSilentPort();
  const gateway = await startGateway({
    config: configFor({ everything: `http://127.0.0.1:${hanging.port}` }),
    env: { ...OPEN_TO_ALL, ...NEVER },
  });
  const { code } = await gateway.stop();
  await gateway[Symbol.asyncDispose]();
  assertEquals([code, hanging.connections() > 0], [0, true]);
});

Deno.test("a server that does not answer initialize does not keep the gateway from ending", async () => {
  let asked = 0;
  await using upstream = openRawServer(async (peer) => {
    for (let request = await peer.request(); request; request = await peer.request()) {
      if (request.body.includes('"initialize"')) asked++;
      else await peer.write("HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n");
    }
  });
  const gateway = await startGateway({
    config: configFor({ everything: `http://127.0.0.1:${upstream.port}` }),
    env: { ...OPEN_TO_ALL, ...NEVER },
  });
  const { code } = await gateway.stop();
  await gateway[Symbol.asyncDispose]();
  assertEquals([code, asked], [0, 1]);
});

async function openWorld({ era = "legacy" }: EverythingOptions = {}) {
  const stack = new AsyncDisposableStack();
  const upstream = stack.use(await startEverything({ era }));
  const gateway = stack.use(
    await startGateway({ config: configFor({ everything: upstream.origin }), env: OPEN_TO_ALL }),
  );
  return { upstream, gateway, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}
