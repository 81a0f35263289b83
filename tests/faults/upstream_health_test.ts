/**
 * F01, F08, F09, F11, F12, F14, F15: upstream servers that are away, come and go, ask to be left
 * alone, lose their sessions or say too much, beside others that are well, behind three replicas. One
 * replica in the short form.
 *
 * @module
 * @see security.md, section 5.1; docs/decisions/0025-what-opens-the-breaker.md
 */
import { deepStrictEqual as assertEquals, match, ok as assert } from "node:assert/strict";
import { processCpuUs, processRssBytes } from "../bench/proc.ts";
import { figure, percentile, timed } from "../support/figures.ts";
import {
  entryOf,
  type Fleet,
  isGood,
  longTest,
  openFleet,
  pathOf,
  pause,
} from "../support/fleet.ts";
import { IS_LONG } from "../support/long.ts";
import { freePort } from "../support/free_port.ts";
import { openFront } from "../support/fronted_stand.ts";
import { callModern, type Message, type ModernReply } from "../support/modern.ts";
import { openModern, type OpenReply, statusOf } from "../support/open_reply.ts";
import { replicasTest } from "../support/replicas.ts";
import type { SessionReply } from "../support/session_client.ts";
import { resultOf, saying, startScripted } from "../support/scripted.ts";
import { type Stand, startShelfServer } from "../support/shelf_server.ts";
import { aTool } from "../support/shelf_world.ts";
import { until } from "../support/until.ts";

const REPLICAS = IS_LONG ? 3 : 1;
const SERVERS = 20;
const CALLS = IS_LONG ? 1_000 : 100;
const MEBIBYTE = 1024 * 1024;

interface World extends AsyncDisposable {
  readonly fleet: Fleet;
  /** The first of them that are well. */
  readonly well: string;
  readonly stands: Readonly<Record<string, Stand>>;
}

/** Twenty servers, and more of them. */
async function openWorld(more: Readonly<Record<string, unknown>> = {}): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const shelf = stack.use(startShelfServer());
  const names = Array.from({ length: SERVERS }, (_, i) => `s${String(i).padStart(2, "0")}`);
  const stands = names.map((name) => shelf.stand(name, { tools: [aTool("t")] }));
  const entries = stands.map(({ name, url }) => [name, { type: "http", url }]);
  const servers = { ...Object.fromEntries(entries), ...more };
  const fleet = stack.use(await openFleet({ count: REPLICAS, servers }));
  for (const { origin } of fleet.replicas) {
    await until("all that they offer", async () => (await listed(fleet, origin)).length >= SERVERS);
  }
  const kept = stack.move();
  return {
    fleet,
    well: names[0]!,
    stands: Object.fromEntries(stands.map((stand) => [stand.name, stand])),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

longTest(
  "F01: a server that refuses connections fails at once, and slows no other",
  async () => {
    await using world = await openWorld({ gone: entryOf(`http://127.0.0.1:${freePort()}`) });
    const { fleet, well } = world;
    await latencies(world, CALLS);
    const alone = percentile(await latencies(world, CALLS), 99);
    let isOver = false;
    const took: number[] = [];
    const calling = (async () => {
      while (!isOver) {
        let reply: ModernReply | undefined;
        took.push(await timed(async () => reply = await fleet.call("gone", "any")));
        assert(!isGood(reply!) && !reply!.text.includes("127.0.0.1"), reply!.text);
        await pause(20);
      }
    })();
    const beside = percentile(await latencies(world, CALLS), 99);
    isOver = true;
    await calling;
    figure(
      "F01",
      `refused: slowest of ${took.length} replies`,
      Math.max(...took),
      "at most 1000",
      " ms",
    );
    figure("F01", `p99 of ${well} alone`, alone, "", " ms");
    figure("F01", `p99 of ${well} beside it`, beside, `at most ${(1.1 * alone).toFixed(2)}`, " ms");
  },
);

longTest("F08: a server that asks to be left alone is, until its time has come", async () => {
  const seconds = 3;
  const toldMs: number[] = [];
  await using server = await startScripted(({ rpc }) => {
    if (rpc.method !== "tools/call") return undefined;
    toldMs.push(performance.now());
    if (toldMs.length > REPLICAS) return { bytes: whole(resultOf(rpc, saying("done")), "200 OK") };
    return { bytes: whole("", "429 Too Many Requests", `Retry-After: ${seconds}`) };
  });
  await using world = await openWorld({ busy: entryOf(server.origin) });
  const { fleet } = world;
  const good = await until("an answer", async () => {
    const reply = await fleet.call("busy", "any");
    if (isGood(reply)) return reply;
    match(reply.text, /"retryable":true/);
    return undefined;
  }, 30_000);
  assert(isGood(good));
  const [first, back] = [toldMs[REPLICAS - 1]!, toldMs[REPLICAS]!];
  const early = toldMs.filter((ms) => ms > first && ms < toldMs[0]! + seconds * 1_000);
  figure("F08", `Retry-After ${seconds} s: calls before`, early.length, "0");
  figure("F08", "called again after", back - toldMs[0]!, `at least ${seconds * 1_000}`, " ms");
  assertEquals(early, []);
});

replicasTest("F09: a session that its server has lost is opened anew, once", async () => {
  const count = IS_LONG ? 50 : 10;
  await using world = await openWorld();
  const { fleet, well, stands } = world;
  const sessions = await Promise.all(Array.from({ length: count }, () => fleet.open(well)));
  const list = { method: "tools/list" };
  for (const session of sessions) assertEquals((await session.send(list)).status, 200);
  const before = stands[well]!.opened();
  stands[well]!.forget();
  const replies = await Promise.all(
    sessions.flatMap((session) => Array.from({ length: 6 }, () => session.send(list))),
  );
  const isWell = ({ text, response }: SessionReply) =>
    "result" in response || text.includes('"retryable":true');
  assertEquals(replies.filter((reply) => !isWell(reply)).map(({ text }) => text), []);
  const opened = stands[well]!.opened() - before;
  figure(
    "F09",
    `${count} sessions lost, ${replies.length} requests: opened anew`,
    opened,
    `${count}`,
  );
  assertEquals([opened, stands[well]!.sessions.size], [count, count]);
});

longTest("F11: a server that comes and goes is tried seldom", async () => {
  await using shelf = startShelfServer();
  const stand = shelf.stand("flapping", { tools: [aTool("t")] });
  let isDown = false;
  const failedMs: number[] = [];
  await using front = openFront(stand, () => {
    if (!isDown) return undefined;
    failedMs.push(performance.now());
    return new Response(null, { status: 503 });
  });
  await using world = await openWorld({ flapping: entryOf(front.origin) });
  const { fleet } = world;
  const flapping = setInterval(() => isDown = !isDown, 2_000);
  const startMs = performance.now();
  const steadyMs = startMs + 20_000;
  const endMs = startMs + 60_000;
  let isTold = 0;
  while (performance.now() < endMs) {
    const reply = await fleet.call("flapping", "t");
    if (!isGood(reply)) isTold++;
    await pause(20);
  }
  clearInterval(flapping);
  const steady = failedMs.filter((ms) => ms >= steadyMs && ms < endMs);
  const share = steady.length / REPLICAS / ((endMs - steadyMs) / 5_000);
  figure("F11", "flapping: requests in vain, per 5 s and replica", share, "at most 1");
  assert(isTold > failedMs.length, "Every failure went to the server");
});

longTest("F12: of 20 servers one is dead: the list is whole, and no slower", async () => {
  await using world = await openWorld();
  const { fleet, stands } = world;
  const before = await listed(fleet, fleet.origin);
  const dead = stands.s07!;
  dead.mood = "down";
  const took: number[] = [];
  for (let i = 0; i < CALLS; i++) {
    took.push(await timed(async () => assertEquals(await listed(fleet, fleet.origin), before)));
  }
  figure("F12", `1 of ${SERVERS} dead: p99 of lists`, percentile(took, 99), "at most 300", " ms");
  const params = { name: "s07-t", arguments: {} };
  const { origin, token } = fleet;
  assert(!isGood(await callModern(origin, { path: "/mcp", token, params })));
});

longTest("F14: a client that does not read holds its server back, and gets all of it", async () => {
  const first = 10;
  const readers = 40;
  const events = 32 * 1024;
  const pulled: number[] = [];
  await using flood = await openFlood((nth, send) => ({
    pull(at) {
      pulled[nth] = at;
      if (at < events) send(note(at, "x".repeat(900)));
      return at < events;
    },
  }));
  await using world = await openWorld({ flood: entryOf(flood.origin) });
  const { fleet } = world;
  const { origin, pid } = fleet.replicas[0]!;
  await latencies(world, 100);
  const replies: OpenReply[] = [];
  const unread = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const reply = await flooded(fleet, origin);
      replies.push(reply);
      await statusOf(reply);
      reply.pause();
    }
    await until("the server to be held back", async () => {
      const sum = pulled.reduce((a, b) => a + b, 0);
      await pause(1_000);
      return pulled.reduce((a, b) => a + b, 0) === sum;
    }, 60_000);
    return processRssBytes(pid());
  };
  // What the process needs for any of it comes with the first of them.
  const before = await unread(first);
  const rise = (await unread(readers - first) - before) / MEBIBYTE / (readers - first);
  const most = Math.max(...pulled) * 1024 / MEBIBYTE;
  figure("F14", "unread: memory of the gateway per stream", rise, "at most 1", " MiB");
  figure("F14", "taken from the server, what the kernels hold included", most, "of 32", " MiB");
  assert(Math.max(...pulled) < events, "Nothing held the server back");
  const [one, ...others] = replies;
  for (const other of others) other.close();
  one!.resume();
  await until("all of it", one!.ended, 60_000);
  const messages = one!.messages();
  assertEquals(messages.length, events + 1);
  assert("result" in messages.at(-1)!);
});

longTest("F15: a server that says 10,000 things a second costs less than a core", async () => {
  const seconds = 5;
  const every = 20;
  await using flood = await openFlood((_nth, send) => ({
    async pull(at) {
      if (at === seconds * 1_000 / every) return false;
      await pause(every);
      for (let i = 0; i < 10 * every; i++) send(note(10 * every * at + i, "said"));
      return true;
    },
  }));
  await using world = await openWorld({ flood: entryOf(flood.origin) });
  const { fleet } = world;
  const { origin, pid } = fleet.replicas[0]!;
  await latencies(world, 100);
  const alone = percentile(await latencies(world, 300, origin), 99);
  const cpuUs = processCpuUs(pid());
  const startMs = performance.now();
  using reply = await flooded(fleet, origin);
  await statusOf(reply);
  const beside = percentile(await latencies(world, 300, origin), 99);
  await until("its end", reply.ended, 60_000);
  const cores = (processCpuUs(pid()) - cpuUs) / 1_000 / (performance.now() - startMs);
  const messages = reply.messages();
  assert("result" in messages.at(-1)!);
  const count = messages.length - 1;
  figure("F15", `${count} notifications in ${seconds} s, cores used`, cores, "under 1");
  figure("F15", "p99 of others alone", alone, "", " ms");
  figure("F15", "p99 of others beside it", beside, "unaffected", " ms");
});

function listed({ token }: Fleet, origin: string): Promise<readonly unknown[]> {
  return callModern(origin, { path: "/mcp", token, method: "tools/list" }).then(({ response }) =>
    ((response.result as Message).tools as Message[]).map(({ name }) => name)
  );
}

/** Milliseconds of each of so many calls to a server that is well. */
async function latencies({ fleet, well }: World, count: number, at = fleet.origin) {
  const took: number[] = [];
  for (let i = 0; i < count; i++) {
    took.push(await timed(async () => assert(isGood(await fleet.call(well, "t", { at })))));
  }
  return took;
}

function flooded({ token }: Fleet, origin: string) {
  const params = { name: "flood", arguments: {} };
  return openModern(origin, { path: pathOf("flood"), token, params, meta: { progressToken: "p" } });
}

function note(progress: number, message: string): Message {
  return { method: "notifications/progress", params: { progress, message } };
}

type Source = (nth: number, send: (message: Message) => void) => {
  /** Sends some, and gives whether there is more. */
  readonly pull: (at: number) => boolean | Promise<boolean>;
};

/** A server with a tool `flood`, whose notifications are made when there is room for them. */
async function openFlood(source: Source) {
  await using stack = new AsyncDisposableStack();
  const shelf = stack.use(startShelfServer());
  const stand = shelf.stand("flood", { tools: [aTool("flood")], era: "modern" });
  let calls = 0;
  const front = stack.use(openFront(stand, ({ id, method, params }) => {
    if (method !== "tools/call") return undefined;
    const { progressToken } = (params as Message)._meta as Message;
    let text = "";
    const put = (message: unknown) => text += `data: ${JSON.stringify(message)}\n\n`;
    const { pull } = source(
      calls++,
      ({ method, params }) =>
        put({ jsonrpc: "2.0", method, params: { ...params as Message, progressToken } }),
    );
    let at = 0;
    const body = new ReadableStream<string>({
      async pull(controller) {
        const isMore = await pull(at++);
        if (!isMore) put({ jsonrpc: "2.0", id, result: JSON.parse(saying("done")) });
        controller.enqueue(text);
        text = "";
        if (!isMore) controller.close();
      },
    });
    return new Response(body.pipeThrough(new TextEncoderStream()), {
      headers: { "Content-Type": "text/event-stream" },
    });
  }));
  const kept = stack.move();
  return { origin: front.origin, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** A whole JSON answer with more headers. */
function whole(body: string, status: string, ...headers: readonly string[]): string {
  const { length } = new TextEncoder().encode(body);
  const lines = ["Content-Type: application/json", `Content-Length: ${length}`, ...headers];
  return `HTTP/1.1 ${status}\r\n${lines.join("\r\n")}\r\n\r\n${body}`;
}
