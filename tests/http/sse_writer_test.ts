/**
 * Event streams: frames, no more fetched for a client than it reads, and how they end early.
 *
 * @module
 */
import assert, {
  deepStrictEqual as assertEquals,
  rejects as assertRejects,
} from "node:assert/strict";
import { LIMITS } from "../../src/domain/limits.ts";
import { createSseWriter, type SseEvent } from "../../src/http/sse_writer.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { fakeClock } from "../support/fake_clock.ts";
import { eventsIn, type StreamEvent } from "../support/session_client.ts";
import { until } from "../support/until.ts";

const STRICT = { sanitizeOps: true, sanitizeResources: true };
const BATCH_BYTES = 10_000;
const LARGE = "a".repeat(LIMITS.streamBufferBytes);
/** What the system keeps for a connection on both sides, and some. */
const SOCKET_BYTES_MAX = 32 * 1024 * 1024;

Deno.test("each message is an event of its own", STRICT, async () => {
  const body = stream([["a", "b"], ["c"]]);
  const expected = ["a", "b", "c"].map((data) => `event: message\ndata: ${data}\n\n`).join("");
  assertEquals(await new Response(body).text(), expected);
});

Deno.test("a stream without messages is empty", STRICT, async () => {
  assertEquals(await new Response(stream([])).text(), "");
});

Deno.test("a batch is one piece: it leaves in one write", STRICT, async () => {
  const pieces = await Array.fromAsync(stream([["a", "b"], ["c"]]));
  assertEquals(pieces.length, 2);
});

for (
  const [what, event, frame] of [
    ["a message with an id", { id: "t.1", data: "a" }, "event: message\nid: t.1\ndata: a\n\n"],
    [
      "a message with a time to wait",
      { data: "a", retryMs: 5 },
      "retry: 5\nevent: message\ndata: a\n\n",
    ],
    [
      "an event of another type",
      { type: "endpoint", data: "/a", retryMs: 5 },
      "retry: 5\nevent: endpoint\ndata: /a\n\n",
    ],
    [
      "an event of another type with an id",
      { type: "endpoint", data: "/a", id: "t.1" },
      "event: endpoint\nid: t.1\ndata: /a\n\n",
    ],
    // Without a line of data there are parsers to which it is no event, and its id is lost.
    ["an id without data", { id: "t.0" }, "id: t.0\ndata: \n\n"],
    [
      "an id and a time to wait, without data",
      { id: "t.0", retryMs: 5 },
      "retry: 5\nid: t.0\ndata: \n\n",
    ],
  ] satisfies [string, Given, string][]
) {
  Deno.test(`${what} is written as ${JSON.stringify(frame)}`, STRICT, async () => {
    assertEquals(await written([event]), frame);
  });
}

// Older clients fail on an event with empty data, and take the field alone.
Deno.test("a time to wait alone is a field without data", STRICT, async () => {
  const text = await written([{ retryMs: 1_500 }]);
  assertEquals([text.startsWith("retry: 1500\n"), /data|id|event/.test(text)], [true, false]);
});

for (
  const [what, data] of [["small", "a"], ["large", LARGE], ["not ASCII", "größe ☃ 𝄞"]] as const
) {
  Deno.test(`a reader gets what was written: ${what} messages among others`, STRICT, async () => {
    const events = [
      { id: "t.0", retryMs: 1_000 },
      { id: "t.1", data },
      { data },
      { id: "t.2", data: "b", retryMs: 20 },
      { id: "t.3", data },
      { retryMs: 30 },
      { data: "c" },
    ];
    assertEquals(
      eventsIn(await written(events)),
      [
        { id: "t.0", retry: 1_000, data: "" },
        { id: "t.1", data },
        { data },
        { id: "t.2", retry: 20, data: "b" },
        { id: "t.3", data },
        { retry: 30, data: "" },
        { data: "c" },
      ] satisfies StreamEvent[],
    );
  });
}

Deno.test("a large message goes out as the bytes that it is", STRICT, async () => {
  const data = bytesOf(LARGE);
  const left = [[{ id: "t.1", data }], undefined];
  const body = createSseWriter(() => 0).body(() => Promise.resolve(left.shift()), () => {});
  const pieces = await Array.fromAsync(body);
  assert(pieces.some((piece) => piece.buffer === data.buffer));
});

Deno.test("a client that leaves is told of once", STRICT, async () => {
  let gone = 0;
  const body = createSseWriter(() => 0).body(() => new Promise(() => {}), () => gone++);
  await body.cancel();
  assertEquals(gone, 1);
});

Deno.test("a client that has read everything has not left", STRICT, async () => {
  let gone = 0;
  await new Response(stream([["a"]], () => gone++)).text();
  assertEquals(gone, 0);
});

Deno.test("what comes after the client has left is dropped", STRICT, async () => {
  const late = Promise.withResolvers<readonly SseEvent[]>();
  const body = createSseWriter(() => 0).body(() => late.promise, () => {});
  const reader = body.getReader();
  const read = reader.read();
  await reader.cancel();
  late.resolve([{ data: bytesOf("a") }]);
  assertEquals((await read).done, true);
});

Deno.test("a client that is cut off sees its connection break", STRICT, async () => {
  const { body, cut } = cuttable();
  const read = new Response(body).text();
  cut();
  await assertRejects(read);
});

Deno.test("a client that is cut off is gone, once", STRICT, () => {
  const { cut, gone } = cuttable();
  cut();
  cut();
  assertEquals(gone(), 1);
});

Deno.test("what waits for a client that is cut off is dropped", STRICT, async () => {
  const { body, cut, late } = cuttable([["a", "b"]]);
  const reader = body.getReader();
  await reader.read();
  cut();
  late.resolve([{ data: bytesOf("c") }]);
  await assertRejects(reader.read());
});

Deno.test("nothing is fetched for a client that is cut off", STRICT, async () => {
  const { body, cut, late, fetched } = cuttable();
  const read = new Response(body).text();
  await until("the first batch is awaited", () => fetched() === 1);
  cut();
  late.resolve([{ data: bytesOf("a") }]);
  await assertRejects(read);
  assertEquals(fetched(), 1);
});

Deno.test("a stream that has ended cannot be cut off", STRICT, async () => {
  const { body, cut, gone, late } = cuttable([["a"]]);
  late.resolve(undefined);
  const text = await new Response(body).text();
  cut();
  assertEquals([text.includes("data: a"), gone()], [true, 0]);
});

Deno.test("a client that has left cannot be cut off: it is gone only once", STRICT, async () => {
  const { body, cut, gone } = cuttable();
  await body.cancel();
  cut();
  assertEquals(gone(), 1);
});

Deno.test("when a stream fails its client is gone, and the connection breaks", STRICT, async () => {
  const { body, gone, late } = cuttable([["a"]]);
  late.reject(new Error("The store cannot be read"));
  await assertRejects(new Response(body).text());
  assertEquals(gone(), 1);
});

Deno.test(
  "a stream that was silent for 15 s gets a comment, one that was not gets none",
  STRICT,
  async () => {
    const clock = fakeClock();
    const sse = createSseWriter(clock.monotonic);
    const never = () => new Promise<undefined>(() => {});
    const silent = sse.body(never, () => {}).getReader();
    clock.advance(1);
    const younger = sse.body(never, () => {}).getReader();
    const nothing = younger.read();
    clock.advance(14_999);
    assertEquals(textOf((await silent.read()).value), ": keep-alive\n\n");
    await Promise.all([silent.cancel(), younger.cancel()]);
    assertEquals((await nothing).done, true);
  },
);

Deno.test("nothing more is fetched for a client that does not read", async () => {
  let fetched = 0;
  const batch = [{ data: bytesOf("a".repeat(BATCH_BYTES)) }];
  const body = createSseWriter(() => 0).body(
    () => Promise.resolve(fetched++ < 1_000 ? batch : undefined),
    () => {},
  );
  // Far more turns than fetching everything would take.
  for (let turn = 0; turn < 5_000; turn++) await Promise.resolve();
  const waiting = fetched * BATCH_BYTES;
  await body.cancel();
  assert(waiting <= LIMITS.streamBufferBytes + BATCH_BYTES, `${waiting} bytes wait`);
});

Deno.test("through the runtime's server as well, until the client reads again", async () => {
  let fetched = 0;
  const batch = [{ data: bytesOf("a".repeat(64 * 1024)) }];
  const total = 4 * SOCKET_BYTES_MAX;
  const isMore = () => fetched < total;
  const sse = createSseWriter(() => 0);
  const next = () => {
    if (!isMore()) return Promise.resolve(undefined);
    fetched += batch[0]!.data.length;
    return Promise.resolve(batch);
  };
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(sse.body(next, () => {})),
  );
  const reply = await fetch(`http://127.0.0.1:${server.addr.port}`);
  let last = -1;
  await until("fetching stops", () => {
    const isStill = fetched > 0 && fetched === last;
    last = fetched;
    return isStill;
  });
  const waiting = fetched;
  for await (const _ of reply.body!);
  await server.shutdown();
  assert(waiting < SOCKET_BYTES_MAX, `${waiting} bytes were fetched for nobody`);
  assertEquals(isMore(), false);
});

function stream(batches: readonly (readonly string[])[], gone = () => {}) {
  const left = batches.map((batch) => batch.map((data) => ({ data: bytesOf(data) })));
  return createSseWriter(() => 0).body(() => Promise.resolve(left.shift()), gone);
}

interface Given {
  readonly id?: string;
  readonly data?: string;
  readonly retryMs?: number;
  readonly type?: string;
}

/** A whole stream of one batch. */
async function written(given: readonly Given[]): Promise<string> {
  const left: SseEvent[][] = [
    given.map(({ data, ...rest }) => ({
      ...rest,
      data: data === undefined ? data : bytesOf(data),
    })),
  ];
  const body = createSseWriter(() => 0).body(() => Promise.resolve(left.shift()), () => {});
  return await new Response(body).text();
}

/** A stream that can be cut off; after these batches it goes on with what `late` gives. */
function cuttable(batches: readonly (readonly string[])[] = []) {
  const left = batches.map((batch) => batch.map((data) => ({ data: bytesOf(data) })));
  const late = Promise.withResolvers<readonly SseEvent[] | undefined>();
  let fetched = 0;
  let gone = 0;
  let cut = () => {};
  const next = () => {
    fetched++;
    return left.length > 0 ? Promise.resolve(left.shift()) : late.promise;
  };
  const body = createSseWriter(() => 0).body(next, () => gone++, (breakOff) => cut = breakOff);
  return { body, late, fetched: () => fetched, gone: () => gone, cut: () => cut() };
}
