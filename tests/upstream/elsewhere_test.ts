/**
 * Sessions whose process another replica has.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import type { StdioUpstream } from "../../src/domain/server.ts";
import { createRemote } from "../../src/events/remote.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createTimers } from "../../src/platform/timers.ts";
import type { UpstreamClient } from "../../src/upstream/client.ts";
import { createUpstreamClient } from "../../src/upstream/connect.ts";
import { createElsewhereClient } from "../../src/upstream/elsewhere.ts";
import type { HttpMcpClient } from "../../src/upstream/mcp_client.ts";
import { UpstreamStatusError } from "../../src/upstream/reply.ts";
import { type MemoryPosts, memoryPosts } from "../support/memory_post.ts";
import {
  all,
  aRequest,
  everything,
  lean,
  openStdio,
  openStdioWorld,
  type StdioSession,
  type StdioWorld,
} from "../support/stdio.ts";
import { until } from "../support/until.ts";

interface World extends AsyncDisposable {
  readonly posts: MemoryPosts;
  readonly here: StdioWorld;
  /** The client of a replica that has no processes. */
  readonly there: UpstreamClient;
  readonly session: StdioSession;
}

async function openWorld(server: StdioUpstream): Promise<World> {
  const stack = new AsyncDisposableStack();
  const posts = memoryPosts();
  const timers = createTimers(systemClock.monotonic);
  const replica = (name: string) => {
    const world = stack.use(openStdioWorld({ replica: name }));
    const remote = createRemote({ post: posts.of(name), timers, failed: () => {} });
    stack.defer(remote.close);
    const client = createElsewhereClient({
      client: createUpstreamClient({ http: NO_HTTP, stdio: world.client, own: { send: nowhere } }),
      remote,
      timers,
      now: systemClock.monotonic,
      serverOf: (id) => id === server.id ? server : undefined,
    });
    return { world, client };
  };
  const [here, there] = [replica("here"), replica("there")];
  return {
    posts,
    here: here.world,
    there: there.client,
    session: await openStdio(here.world, server),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const nowhere = () => Promise.reject(new Error("There is no server of this kind"));
const NO_HTTP: HttpMcpClient = { send: nowhere, remove: nowhere };

function call(name: string, args: unknown = {}) {
  return { jsonrpc: "2.0", id: 5, method: "tools/call", params: { name, arguments: args } };
}

Deno.test("a request reaches the process that another replica has", async () => {
  const server = everything("legacy");
  await using w = await openWorld(server);

  const reply = await w.there.send(
    server,
    aRequest(call("test_echo", { a: 1 }), { session: w.session.id }),
  );

  assertEquals((await all(reply)).map(({ id }) => id), [5]);
  assertEquals(w.here.pids.length, 1);
});

Deno.test("notifications of a call come from the other replica in order, before its answer", async () => {
  const server = everything("legacy");
  await using w = await openWorld(server);
  const message = {
    ...call("test_tool_with_progress"),
    params: { name: "test_tool_with_progress", arguments: {}, _meta: { progressToken: 9 } },
  };

  const reply = await w.there.send(server, aRequest(message, { session: w.session.id }));

  assertEquals(
    (await all(reply)).map(({ method }) => method ?? "end"),
    [
      "notifications/progress",
      "notifications/progress",
      "notifications/progress",
      "end",
    ],
  );
});

Deno.test("a session of a replica that has died is one that the server has lost", async () => {
  const server = lean();
  await using w = await openWorld(server);
  w.posts.kill("here");

  await assertRejects(
    w.there.send(server, aRequest(call("echo"), { session: w.session.id })),
    (error) => error instanceof UpstreamStatusError && error.status === 404,
  );
});

Deno.test("a session that its replica does not know any more is lost as well", async () => {
  const server = lean();
  await using w = await openWorld(server);

  await assertRejects(
    w.there.send(server, aRequest(call("echo"), { session: "here.unknown" })),
    (error) => error instanceof UpstreamStatusError && error.status === 404,
  );
});

Deno.test("remove() ends the process that another replica has", async () => {
  const server = lean();
  await using w = await openWorld(server);

  const mark = { headers: "", session: w.session.id };
  assertEquals(await w.there.remove(server, mark, 5_000), 200);

  await until("the end of the process", () => w.here.client.children() === 0);
});

Deno.test("a request that times out here is given up there", async () => {
  const server = everything("legacy");
  await using w = await openWorld(server);
  const slow = aRequest(call("test_slow", { ms: 60_000, label: "late" }), {
    session: w.session.id,
    firstMs: 200,
    silenceMs: 200,
  });

  const reply = await w.there.send(server, slow);

  await assertRejects(reply.next(), { code: "upstream_timeout" });
});
