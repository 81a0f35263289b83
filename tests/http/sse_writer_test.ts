/**
 * Event streams: frames, and no more fetched for a client than it reads.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { LIMITS } from "../../src/domain/limits.ts";
import { createSseWriter } from "../../src/http/sse_writer.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { fakeClock } from "../support/fake_clock.ts";
import { until } from "../support/until.ts";

const STRICT = { sanitizeOps: true, sanitizeResources: true };
const BATCH_BYTES = 10_000;
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
  const late = Promise.withResolvers<readonly Uint8Array[]>();
  const body = createSseWriter(() => 0).body(() => late.promise, () => {});
  const reader = body.getReader();
  const read = reader.read();
  await reader.cancel();
  late.resolve([bytesOf("a")]);
  assertEquals((await read).done, true);
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
  const batch = [bytesOf("a".repeat(BATCH_BYTES))];
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
  const batch = [bytesOf("a".repeat(64 * 1024))];
  const total = 4 * SOCKET_BYTES_MAX;
  const isMore = () => fetched < total;
  const sse = createSseWriter(() => 0);
  const next = () => {
    if (!isMore()) return Promise.resolve(undefined);
    fetched += batch[0]!.length;
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
  const left = batches.map((batch) => batch.map((data) => bytesOf(data)));
  return createSseWriter(() => 0).body(() => Promise.resolve(left.shift()), gone);
}
