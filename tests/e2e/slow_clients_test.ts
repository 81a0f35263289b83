/**
 * Clients that hold many streams, or do not read what they are sent: the gateway holds back, and
 * others are served.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  EVERYTHING_PATH,
  type EverythingWorld,
  openEverythingWorld,
} from "../support/everything.ts";
import { often } from "../support/long.ts";
import { callModern, type Message, type ModernCall } from "../support/modern.ts";
import { messageOf, openModern, type OpenReply, statusOf } from "../support/open_reply.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const MEBIBYTE = 1024 * 1024;
/** Many for one principal. */
const STREAMS_MAX = 100;
const ACKNOWLEDGED = "notifications/subscriptions/acknowledged";

let world: EverythingWorld;

Deno.test.beforeAll(async () => {
  world = await openEverythingWorld({ env: { SHUTDOWN_GRACE: "1s" } });
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

// ── Many streams ────────────────────────────────────────────────────────────────────────────────

Deno.test("others can listen beside a principal that holds all the streams it may", async () => {
  await using _streams = await openStreams(STREAMS_MAX, await mintToken({ sub: "b@example.com" }));
  using other = await openModern(world.gateway.origin, listen(world.token));
  await messageOf(other, ACKNOWLEDGED);
});

Deno.test("a subscription to 50,000 URIs is answered or refused, and others are served", async () => {
  const resourceSubscriptions = Array.from({ length: 50_000 }, (_, at) => `test://r/${at}`);
  using reply = await openModern(world.gateway.origin, {
    ...listen(world.token),
    params: { notifications: { resourceSubscriptions } },
  });
  await statusOf(reply);
  await othersAreServed();
});

Deno.test("two subscriptions with the same id both hear what they asked for", async () => {
  using one = await openModern(world.gateway.origin, listen(world.token));
  using other = await openModern(world.gateway.origin, listen(world.token));
  await Promise.all([messageOf(one, ACKNOWLEDGED), messageOf(other, ACKNOWLEDGED)]);
  await callModern(world.gateway.origin, call("test_trigger_tool_change"));
  await Promise.all([
    messageOf(one, "notifications/tools/list_changed"),
    messageOf(other, "notifications/tools/list_changed"),
  ]);
});

// ── Slow readers ────────────────────────────────────────────────────────────────────────────────

interface Unread {
  readonly what: string;
  readonly readers: number;
  readonly call: () => ModernCall;
  /** Far less than all of it together. */
  readonly riseMebibytesMax: number;
}

const UNREAD: readonly Unread[] = [
  {
    what: "a stream of 40,000 notifications",
    readers: often(20, 6),
    call: () => ({
      ...call("test_many_notifications", { count: 40_000 }),
      meta: { progressToken: "mine" },
    }),
    riseMebibytesMax: 96,
  },
  {
    // `LIMITS.upstreamBytesTotal` is 256 MiB; beyond it new calls are to be refused with 503.
    what: "an answer of 7 MiB",
    readers: 100,
    call: () => call("test_big_result", { bytes: 7 * MEBIBYTE }),
    riseMebibytesMax: 512,
  },
];

for (const { what, readers, call: make, riseMebibytesMax } of UNREAD) {
  Deno.test({
    name:
      `LIM-11: ${readers} clients that do not read ${what} cost less than ${riseMebibytesMax} MiB`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      await othersAreServed();
      const before = await residentBytes();
      await using _readers = await openSlowReaders(readers, make());
      const rise = Math.round((await settled(residentBytes) - before) / MEBIBYTE);
      assert(rise < riseMebibytesMax, `${rise} MiB`);
    },
  });

  Deno.test(`LIM-11: others are served beside 5 clients that do not read ${what}`, async () => {
    await using _readers = await openSlowReaders(5, make());
    await othersAreServed();
  });

  Deno.test(`LIM-11: when clients leave that did not read ${what} nothing stays open upstream`, async () => {
    {
      await using _readers = await openSlowReaders(5, make());
    }
    const isCalm = async () => (await world.upstream.stats()).openStreams === 0;
    await until("all streams at the upstream are closed", isCalm, 10_000);
  });
}

Deno.test("LIM-11: a client that reads late still gets every notification, in order", async () => {
  using reply = await openModern(world.gateway.origin, {
    ...call("test_many_notifications", { count: 20_000 }),
    meta: { progressToken: "mine" },
  });
  await statusOf(reply);
  reply.pause();
  await othersAreServed();
  reply.resume();
  await until("the end", () => reply.ended() === "complete", 30_000);
  const steps = reply.messages().flatMap(({ params }) => (params as Message)?.progress ?? []);
  assertEquals(steps, Array.from({ length: 20_000 }, (_, at) => at + 1));
});

type Streams = AsyncDisposable;

async function openStreams(count: number, token: string): Promise<Streams> {
  const replies = await Promise.all(
    Array.from({ length: count }, () => openModern(world.gateway.origin, listen(token))),
  );
  await Promise.all(replies.map((reply) => messageOf(reply, ACKNOWLEDGED, 20_000)));
  return closing(replies);
}

/** Clients that ask, one after the other, and then read nothing. */
async function openSlowReaders(count: number, request: ModernCall): Promise<Streams> {
  const replies: OpenReply[] = [];
  for (let at = 0; at < count; at++) {
    const reply = await openModern(world.gateway.origin, request);
    replies.push(reply);
    await statusOf(reply, 20_000);
    reply.pause();
  }
  return closing(replies);
}

function closing(replies: readonly OpenReply[]): Streams {
  return {
    [Symbol.asyncDispose]() {
      for (const reply of replies) reply.close();
      return Promise.resolve();
    },
  };
}

function call(name: string, args: Message = {}): ModernCall {
  return { path: EVERYTHING_PATH, token: world.token, params: { name, arguments: args } };
}

function listen(token: string): ModernCall {
  return {
    path: EVERYTHING_PATH,
    token,
    method: "subscriptions/listen",
    params: { notifications: { toolsListChanged: true } },
  };
}

/** Somebody with good manners gets an answer. */
async function othersAreServed(): Promise<void> {
  const options = { deadlineMs: 20_000 };
  const reply = await callModern(world.gateway.origin, { ...call("test_simple_text"), options });
  assertEquals(reply.status, 200);
}

/** The highest value, once nothing is added to it any more. */
async function settled(measure: () => Promise<number>): Promise<number> {
  let highest = 0;
  let unchanged = 0;
  return await until("memory settles", async () => {
    const now = await measure();
    unchanged = now > highest ? 0 : unchanged + 1;
    highest = Math.max(highest, now);
    return unchanged > 100 && highest;
  }, 60_000);
}

async function residentBytes(): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${world.gateway.pid}/status`);
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1024;
}
