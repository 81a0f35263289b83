/**
 * Where a reply ends: by length, by chunks, by the end of the connection; and what is refused.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import { LIMITS } from "../../../src/domain/limits.ts";
import { always, bodyOf, once, openClientWorld } from "./client_world.ts";

const HEAD = "HTTP/1.1 200 OK\r\n";
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`;
const BIG = "0123456789abcdef".repeat(12_000);

for (
  const [what, answer, body] of [
    ["a body of known length", `${HEAD}Content-Length: 5\r\n\r\nhello`, "hello"],
    ["an empty body", `${HEAD}Content-Length: 0\r\n\r\n`, ""],
    ["a body that ends with the connection", `${HEAD}\r\nhello`, "hello"],
    ["chunks", `${CHUNKED}3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n`, "hello"],
    [
      "chunk sizes in capitals and with zeros",
      `${CHUNKED}00A\r\n0123456789\r\n0\r\n\r\n`,
      "0123456789",
    ],
    ["chunk extensions", `${CHUNKED}5;a=b\r\nhello\r\n0 ; c\r\n\r\n`, "hello"],
    ["trailers", `${CHUNKED}5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n`, "hello"],
    ["no chunk but the last", `${CHUNKED}0\r\n\r\n`, ""],
    ["bare LF in the head", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "hello"],
    ["a status without a reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "ok"],
    ["HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nhello", "hello"],
    ["204 without a body", "HTTP/1.1 204 No Content\r\n\r\n", ""],
    ["one interim reply", `HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n${HEAD}\r\nhello`, "hello"],
    ["several interim replies", `${"HTTP/1.1 100 C\r\n\r\n".repeat(7)}${HEAD}\r\nhello`, "hello"],
    ["a body larger than any buffer", `${HEAD}Content-Length: ${BIG.length}\r\n\r\n${BIG}`, BIG],
    ["a chunk larger than any buffer", `${CHUNKED}${hex(BIG)}\r\n${BIG}\r\n0\r\n\r\n`, BIG],
  ] as const
) {
  Deno.test(`${what} is read`, async () => {
    await using world = openClientWorld(once(answer));
    assertEquals(await world.ask(), body);
  });
}

for (
  const answer of [
    `${HEAD}Content-Length: 5\r\n\r\nhello`,
    `${CHUNKED}5\r\nhello\r\n0\r\nA: b\r\n\r\n`,
  ]
) {
  Deno.test(`a reply may come byte by byte: ${JSON.stringify(answer.slice(17, 40))}`, async () => {
    await using world = openClientWorld(once(...answer));
    assertEquals(await world.ask(), "hello");
  });
}

Deno.test("a body is given piece by piece as it comes", async () => {
  const second = Promise.withResolvers<void>();
  await using world = openClientWorld(async (peer) => {
    await peer.request();
    await peer.write(`${CHUNKED}3\r\nhel\r\n`);
    await second.promise;
    await peer.write("2\r\nlo\r\n0\r\n\r\n");
  });
  const reply = await world.send();
  const first = new TextDecoder().decode(await reply.next());
  second.resolve();
  assertEquals([first, await bodyOf(reply)], ["hel", "lo"]);
});

Deno.test("header names are lower-case, values trimmed, repeated fields joined", async () => {
  const answer = `${HEAD}X-One:  a b \r\nx-one:c\r\nContent-Length: 0\r\n\r\n`;
  await using world = openClientWorld(once(answer));
  const reply = await world.send();
  reply.release();
  assertEquals(reply.headers.get("x-one"), "a b, c");
});

Deno.test("the request is sent as it was given, with its length", async () => {
  const seen = Promise.withResolvers<unknown>();
  await using world = openClientWorld(async (peer) => {
    seen.resolve(await peer.request());
    await peer.write(`${HEAD}Content-Length: 0\r\n\r\n`);
  });
  await world.ask({ body: new TextEncoder().encode("hello") });
  const head = "POST /mcp HTTP/1.1\r\nHost: upstream\r\nContent-Length: 5\r\n";
  assertEquals(await seen.promise, { head, body: "hello" });
});

Deno.test("a request larger than any buffer is sent whole", async () => {
  const seen = Promise.withResolvers<number>();
  await using world = openClientWorld(async (peer) => {
    seen.resolve((await peer.request())!.body.length);
    await peer.write(`${HEAD}Content-Length: 0\r\n\r\n`);
  });
  await world.ask({ body: new Uint8Array(3_000_000).fill(0x61) });
  assertEquals(await seen.promise, 3_000_000);
});

Deno.test("a head outside of ASCII is not sent: its length would be another", async () => {
  await using world = openClientWorld(always(`${HEAD}Content-Length: 0\r\n\r\n`));
  const head = "POST /é HTTP/1.1\r\nHost: upstream\r\n";
  await assertRejects(() => world.ask({ head }), { code: "internal" });
});

for (
  const [what, answer] of [
    ["no HTTP", "hello\r\n\r\n"],
    ["an empty line first", `\r\n${HEAD}\r\n`],
    ["another version", "HTTP/2 200 OK\r\n\r\n"],
    ["a status below 100", "HTTP/1.1 099 OK\r\n\r\n"],
    ["a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"],
    ["a head that breaks off", `${HEAD}Content-`],
    ["a folded header", `${HEAD}A: b\r\n c\r\nContent-Length: 0\r\n\r\n`],
    ["a header without a colon", `${HEAD}A\r\nContent-Length: 0\r\n\r\n`],
    ["a space before the colon", `${HEAD}Content-Length : 5\r\n\r\nhello`],
    ["an empty header name", `${HEAD}: a\r\n\r\n`],
    ["a bare CR in a value", `${HEAD}A: b\rc\r\n\r\n`],
    ["NUL in a value", `${HEAD}A: b\0c\r\n\r\n`],
    ["two lengths", `${HEAD}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`],
    ["two equal lengths", `${HEAD}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
    ["a list of lengths", `${HEAD}Content-Length: 5, 5\r\n\r\nhello`],
    ["a negative length", `${HEAD}Content-Length: -1\r\n\r\n`],
    ["a signed length", `${HEAD}Content-Length: +5\r\n\r\nhello`],
    ["a length in hexadecimals", `${HEAD}Content-Length: 0x5\r\n\r\nhello`],
    ["an empty length", `${HEAD}Content-Length: \r\n\r\n`],
    [
      "length and chunks",
      `${HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ["an unknown transfer coding", `${HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    ["chunked twice", `${HEAD}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`],
    ["a chunk size that is none", `${CHUNKED}zz\r\n`],
    ["a negative chunk size", `${CHUNKED}-1\r\n`],
    ["a chunk size with a prefix", `${CHUNKED}0x5\r\nhello\r\n0\r\n\r\n`],
    ["a chunk size beyond 32 bits", `${CHUNKED}fffffffff\r\n`],
    ["a chunk that is longer than it says", `${CHUNKED}4\r\nhello\r\n0\r\n\r\n`],
    ["an endless chunk line", `${CHUNKED}5;${"a".repeat(100_000)}`],
    ["an endless head", `${HEAD}${"A: b\r\n".repeat(20_000)}`],
    ["an endless header", `${HEAD}A: ${"b".repeat(LIMITS.upstreamHeaderBytes)}\r\n\r\n`],
    ["too many headers", `${HEAD}${"A: b\r\n".repeat(LIMITS.upstreamHeaderLines + 1)}\r\n`],
    ["endless trailers", `${CHUNKED}0\r\n${"A: b\r\n".repeat(20_000)}`],
    ["101, which nobody asked for", "HTTP/1.1 101 Switching Protocols\r\n\r\n"],
    ["interim replies without end", "HTTP/1.1 100 Continue\r\n\r\n".repeat(100)],
  ] as const
) {
  Deno.test(`${what} is a broken protocol`, async () => {
    await using world = openClientWorld(once(answer));
    await assertRejects(() => world.ask(), { code: "upstream_protocol" });
  });
}

Deno.test("as many headers as allowed are read", async () => {
  const headers = "A: b\r\n".repeat(LIMITS.upstreamHeaderLines - 1);
  await using world = openClientWorld(once(`${HEAD}${headers}Content-Length: 2\r\n\r\nok`));
  assertEquals(await world.ask(), "ok");
});

for (
  const [what, answer] of [
    ["before the head", ""],
    ["within a body of known length", `${HEAD}Content-Length: 5\r\n\r\nhel`],
    ["within a chunk", `${CHUNKED}5\r\nhel`],
    ["before the last chunk", `${CHUNKED}5\r\nhello\r\n`],
    ["within the trailers", `${CHUNKED}5\r\nhello\r\n0\r\nA: b\r\n`],
  ] as const
) {
  Deno.test(`a connection that ends ${what} is lost`, async () => {
    await using world = openClientWorld(once(answer));
    await assertRejects(() => world.ask(), { name: "ConnectionLost", answered: answer !== "" });
  });
}

for (
  const [what, answer] of [
    ["announced", `${HEAD}Content-Length: 1001\r\n\r\n${"a".repeat(1001)}`],
    ["in chunks", `${CHUNKED}${"fa\r\n".concat("a".repeat(250), "\r\n").repeat(5)}0\r\n\r\n`],
    ["without a length", `${HEAD}\r\n${"a".repeat(1001)}`],
  ] as const
) {
  Deno.test(`a body over the cap, ${what}, is refused`, async () => {
    await using world = openClientWorld(always(answer));
    const reply = await world.send();
    await assertRejects(() => bodyOf(reply, 1_000), { code: "upstream_protocol" });
  });
}

Deno.test("an announced body over the cap is refused before it comes", async () => {
  await using world = openClientWorld(async (peer) => {
    await peer.request();
    await peer.write(`${HEAD}Content-Length: 999999999999\r\n\r\n`);
    await peer.left();
  });
  const reply = await world.send();
  await assertRejects(() => bodyOf(reply), { code: "upstream_protocol" });
});

function hex(text: string): string {
  return text.length.toString(16);
}
