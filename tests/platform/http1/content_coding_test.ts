/**
 * Compression that nobody asked for is undone, and cannot be used to fill the memory.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import { deflateSync, gzipSync } from "node:zlib";
import { always, bodyOf, openClientWorld } from "./client_world.ts";

const TEXT = "hello ".repeat(10_000);
const BOMB_BYTES = 200 * 1024 * 1024;

for (
  const [coding, data] of [
    ["gzip", gzipSync(TEXT)],
    ["GZIP", gzipSync(TEXT)],
    ["x-gzip", gzipSync(TEXT)],
    ["deflate", deflateSync(TEXT)],
  ] as const
) {
  Deno.test(`a body in ${coding} is undone`, async () => {
    await using world = openClientWorld(always(head(coding, data), data));
    assertEquals(await world.ask(), TEXT);
  });

  Deno.test(`a connection is used again after a body in ${coding}`, async () => {
    await using world = openClientWorld(always(head(coding, data), data));
    await world.ask();
    await world.ask();
    assertEquals(world.server.connections(), 1);
  });
}

Deno.test("a body in chunks is undone", async () => {
  const data = gzipSync(TEXT);
  const start = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n";
  const size = data.length.toString(16);
  await using world = openClientWorld(always(`${start}${size}\r\n`, data, "\r\n0\r\n\r\n"));
  assertEquals(await world.ask(), TEXT);
});

Deno.test("identity is no coding", async () => {
  const data = new TextEncoder().encode("ok");
  await using world = openClientWorld(always(head("identity", data), data));
  assertEquals(await world.ask(), "ok");
});

for (const coding of ["br", "zstd", "gzip, gzip", "compress", "gzip;q=1"]) {
  Deno.test(`the coding "${coding}" is refused`, async () => {
    const data = gzipSync(TEXT);
    await using world = openClientWorld(always(head(coding, data), data));
    await assertRejects(() => world.ask(), { code: "upstream_protocol" });
  });
}

for (
  const [what, data] of [
    ["no gzip", new TextEncoder().encode(TEXT)],
    ["gzip that breaks off", gzipSync(TEXT).subarray(0, -12)],
    ["gzip with a wrong checksum", gzipSync(TEXT).with(-5, 1)],
    ["gzip with bytes behind it", new Uint8Array([...gzipSync(TEXT), 1, 2, 3])],
  ] as const
) {
  Deno.test(`${what} is a broken protocol`, async () => {
    await using world = openClientWorld(always(head("gzip", data), data));
    await assertRejects(() => world.ask(), { code: "upstream_protocol" });
  });
}

Deno.test("a body that is over the cap only when undone is refused", async () => {
  const data = gzipSync("a".repeat(2_000));
  await using world = openClientWorld(always(head("gzip", data), data));
  const reply = await world.send();
  await assertRejects(() => bodyOf(reply, 1_000), { code: "upstream_protocol" });
});

Deno.test("a body that is exactly at the cap when undone is read", async () => {
  const data = gzipSync("a".repeat(1_000));
  await using world = openClientWorld(always(head("gzip", data), data));
  assertEquals((await bodyOf(await world.send(), 1_000)).length, 1_000);
});

Deno.test("a bomb is not undone further than the cap", async () => {
  const data = gzipSync(new Uint8Array(BOMB_BYTES));
  await using world = openClientWorld(always(head("gzip", data), data));
  const reply = await world.send();
  const before = Deno.memoryUsage().rss;
  await assertRejects(() => bodyOf(reply, 1_000_000), { code: "upstream_protocol" });
  const riseBytes = Deno.memoryUsage().rss - before;
  assertEquals(riseBytes < BOMB_BYTES / 4, true, `rose by ${riseBytes} bytes`);
});

function head(coding: string, data: Uint8Array): string {
  return "HTTP/1.1 200 OK\r\n" +
    `Content-Encoding: ${coding}\r\nContent-Length: ${data.length}\r\n\r\n`;
}
