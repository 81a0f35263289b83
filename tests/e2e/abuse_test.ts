/**
 * Clients that send nonsense, break off, or come in floods: others are served, nothing is executed
 * that was not asked for, and nothing is left behind.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  EVERYTHING_PATH,
  type EverythingWorld,
  openEverythingWorld,
} from "../support/everything.ts";
import { descriptorsBack, openDescriptors } from "../support/file_descriptors.ts";
import { often } from "../support/long.ts";
import { callModern, modernBody, modernBytes } from "../support/modern.ts";
import { openRaw } from "../support/open_reply.ts";
import { chunkBytes, sendRaw } from "../support/raw_http.ts";
import { type Scripted, startScripted } from "../support/scripted.ts";
import { until } from "../support/until.ts";

const SCRIPTED_PATH = "/servers/scripted/mcp";
const MEBIBYTE = 1024 * 1024;
const FLOOD = Number(Deno.env.get("FLOOD") ?? often(2_000, 600));
/** As many at once as need no more descriptors than a usual shell gives. */
const FLOOD_WIDTH = 300;

let world: EverythingWorld;
let scripted: Scripted;

Deno.test.beforeAll(async () => {
  scripted = await startScripted(() => undefined);
  world = await openEverythingWorld({
    more: { scripted: scripted.origin },
    env: { SHUTDOWN_GRACE: "1s" },
  });
});

Deno.test.afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  await scripted?.[Symbol.asyncDispose]();
});

// ── Garbage ─────────────────────────────────────────────────────────────────────────────────────

for (
  const [what, text] of Object.entries({
    "a TLS greeting": `\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03${"\0".repeat(508)}`,
    "zeros": "\0".repeat(64 * 1024),
    "every byte there is": Array.from({ length: 4096 }, (_, at) => String.fromCharCode(at % 256))
      .join(""),
    "a request line without end": `POST /${"a".repeat(MEBIBYTE)}`,
    "a header without end": `POST / HTTP/1.1\r\nHost: a\r\nX: ${"a".repeat(MEBIBYTE)}`,
    "headers without end": `POST / HTTP/1.1\r\nHost: a\r\n${"X: a\r\n".repeat(100_000)}`,
    "an HTTP/2 preface and nothing more": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an SSH greeting": "SSH-2.0-OpenSSH_9.2\r\n",
  })
) {
  Deno.test(`after ${what} others are served`, async () => {
    using _reply = await openRaw(world.gateway.origin, latin1(text));
    await othersAreServed();
  });
}

// ── Requests that break off or are split ────────────────────────────────────────────────────────

for (const [framing, make] of [["length", withLength], ["chunks", inChunks]] as const) {
  Deno.test(`a request framed by ${framing} that breaks off at any byte is not executed`, async () => {
    const bytes = make();
    const before = scripted.requests.length;
    for (let length = 0; length < bytes.length; length++) {
      await sendAndLeave(bytes.subarray(0, length));
    }
    await othersAreServed();
    assertEquals(scripted.requests.length, before);
  });

  Deno.test(`a request framed by ${framing} that comes byte by byte is executed once`, async () => {
    const before = scripted.requests.length;
    const pieces = Array.from(make(), (byte) => Uint8Array.of(byte));
    const reply = await sendRaw(world.gateway.origin, "", { rest: pieces });
    assertEquals([reply.status, scripted.requests.length - before], [200, 1]);
  });

  Deno.test(`a request framed by ${framing} is executed once wherever it is split`, async () => {
    const bytes = make();
    const before = scripted.requests.length;
    const places = Array.from({ length: bytes.length - 1 }, (_, at) => at + 1);
    const replies = await inTurns(
      20,
      places,
      (at) => sendRaw(world.gateway.origin, bytes.subarray(0, at), { rest: [bytes.subarray(at)] }),
    );
    assertEquals(
      [replies.filter(({ status }) => status !== 200).length, scripted.requests.length - before],
      [0, places.length],
    );
  });
}

Deno.test("a request whose client leaves at once is executed at most once", async () => {
  const before = scripted.requests.length;
  const markers = Array.from({ length: 50 }, () => crypto.randomUUID());
  for (const marker of markers) await sendAndLeave(withLength("1", "close", marker));
  await othersAreServed();
  const executed = scripted.requests.slice(before).map(({ rpc }) => rpc.params.arguments);
  const executedTwice = markers.filter((marker) =>
    executed.filter((one) => (one as { marker: string }).marker === marker).length > 1
  );
  assertEquals(executedTwice, []);
});

Deno.test("requests that are sent ahead on one connection are answered in order", async () => {
  const ids = ["1", "2", "3", "4"];
  const requests = ids.map((idText) =>
    text(withLength(idText, idText === ids.at(-1) ? "close" : "keep-alive"))
  );
  const replies = await readToEnd(latin1(requests.join("")));
  assertEquals([...replies.matchAll(/"id":(\d)/g)].map(([, id]) => id), ids);
});

Deno.test("a thousand requests on one connection are all answered", async () => {
  const ids = Array.from({ length: 1000 }, (_, at) => String(at));
  const requests = ids.map((id) => text(withLength(id, id === "999" ? "close" : "keep-alive")));
  const replies = await readToEnd(latin1(requests.join("")));
  assertEquals([...replies.matchAll(/"id":(\d+)/g)].map(([, id]) => id), ids);
});

// ── Floods ──────────────────────────────────────────────────────────────────────────────────────

for (
  const [what, start] of Object.entries<() => Uint8Array>({
    "opened and dropped": () => new Uint8Array(0),
    "dropped after half a request": () => withLength().subarray(0, 300),
    "dropped after a whole request": () => withLength(),
  })
) {
  Deno.test({
    name: `${FLOOD} connections ${what} leave nothing open`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      await othersAreServed();
      const base = await restingDescriptors();
      const bytes = start();
      await inTurns(FLOOD_WIDTH, Array.from({ length: FLOOD }), () => sendAndLeave(bytes));
      await othersAreServed();
      await descriptorsBack(world.gateway.pid, base);
    },
  });
}

Deno.test("others are served beside a thousand connections that say nothing", async () => {
  const silent = await Promise.all(
    Array.from({ length: 1000 }, () => openRaw(world.gateway.origin, new Uint8Array(0))),
  );
  try {
    await othersAreServed();
  } finally {
    for (const reply of silent) reply.close();
  }
});

function withLength(
  idText = "1",
  connection = "close",
  marker = "",
): Uint8Array<ArrayBuffer> {
  return modernBytes(world.gateway.origin, {
    path: SCRIPTED_PATH,
    token: world.token,
    params: { name: "hello", arguments: { marker } },
    idText,
    headers: { Connection: connection },
  });
}

function inChunks(): Uint8Array<ArrayBuffer> {
  const body = modernBody({ params: { name: "hello", arguments: {} } });
  const chunks = [body.slice(0, 7), body.slice(7, 20), body.slice(20)].map(chunkBytes).join("");
  const head = text(withLength()).split("\r\n\r\n", 1)[0]!;
  return latin1(
    `${
      head.replace(/Content-Length: \d+/, "Transfer-Encoding: chunked")
    }\r\n\r\n${chunks}0\r\n\r\n`,
  );
}

/** Somebody with good manners gets an answer. */
async function othersAreServed(): Promise<void> {
  const { status } = await callModern(world.gateway.origin, {
    path: EVERYTHING_PATH,
    token: world.token,
    params: { name: "test_simple_text" },
  });
  assertEquals(status, 200);
}

async function sendAndLeave(bytes: Uint8Array): Promise<void> {
  const { hostname, port } = new URL(world.gateway.origin);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  if (bytes.length > 0) await connection.write(bytes).catch(() => {});
  connection.close();
}

async function readToEnd(bytes: Uint8Array): Promise<string> {
  const { hostname, port } = new URL(world.gateway.origin);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const writing = new Response(bytes as BodyInit).body!
    .pipeTo(connection.writable, { preventClose: true });
  const replies = await new Response(connection.readable).text().catch(() => "");
  await writing;
  return replies;
}

/** Does it for each of the items, never for more than `width` at once. */
async function inTurns<T, R>(
  width: number,
  items: readonly T[],
  run: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += width) {
    results.push(...await Promise.all(items.slice(at, at + width).map(run)));
  }
  return results;
}

/** Once kept connections have been closed. */
async function restingDescriptors(): Promise<number> {
  let last = -1;
  let same = 0;
  return await until("the gateway is at rest", async () => {
    const now = await openDescriptors(world.gateway.pid);
    same = now === last ? same + 1 : 0;
    last = now;
    return same > 100 && now;
  }, 30_000);
}

function latin1(value: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(value, (one) => one.charCodeAt(0));
}

function text(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}
