/**
 * When the runtime tells a pending handler that its client has left: `leavingIsNoticed()` works
 * around what it does not tell. When a newer runtime makes these tests fail, the workaround can go.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { leavingIsNoticed } from "../../src/http/stateless_http.ts";
import { until } from "../support/until.ts";

/** On both sides of each size at which the runtime's buffer grows. */
const HEAD_BYTES = [150, 300, 480, 520, 900, 1_400, 1_510, 1_540, 2_500, 6_000];
const CLEARLY_ABOVE_BYTES = 64;

/** Of head and body, in bytes. */
type Size = readonly [number, number];

/** What may have come over a connection before. */
const BEFORE: readonly (readonly Size[])[] = [
  [[300, 100]],
  [[600, 400]],
  [[900, 700]],
  [[300, 100], [1_400, 1_100]],
  [[1_400, 60], [150, 1_200], [700, 300]],
];

interface Watched extends AsyncDisposable {
  /** Sends a request, waits until its handler pends, and leaves. */
  readonly visit: (
    headBytes: number,
    bodyBytes: number,
    before?: readonly Size[],
  ) => Promise<string>;
  /** The visits whose leaving was noticed. */
  readonly noticed: ReadonlySet<string>;
}

Deno.test("leaving is noticed for requests just under the predicted limit", async () => {
  await using server = watch();
  const visits = await Promise.all(
    HEAD_BYTES.map((head) => server.visit(head, bodyBytesMax(head))),
  );
  await allNoticed(server, visits);
});

Deno.test("leaving is noticed for requests without a body under the limit", async () => {
  await using server = watch();
  await allNoticed(server, await Promise.all(HEAD_BYTES.map((head) => server.visit(head, 0))));
});

Deno.test("leaving is noticed for requests that are not the first of their connection", async () => {
  await using server = watch();
  const heads = HEAD_BYTES.filter((head) => bodyBytesMax(head, false) > 0);
  const visits = BEFORE.flatMap((before) =>
    heads.flatMap((head) => [1, bodyBytesMax(head, false)].map((body) => ({ head, body, before })))
  );
  await allNoticed(
    server,
    await Promise.all(visits.map(({ head, body, before }) => server.visit(head, body, before))),
  );
});

Deno.test("leaving is not noticed for requests clearly above the predicted limit", async () => {
  await using server = watch();
  const large = await Promise.all(
    HEAD_BYTES.map((head) => server.visit(head, bodyBytesMax(head) + CLEARLY_ABOVE_BYTES)),
  );
  // What left later has been noticed by now.
  const later = await Promise.all(HEAD_BYTES.map((head) => server.visit(head, 0)));
  await allNoticed(server, later);
  assertEquals(large.filter((visit) => server.noticed.has(visit)), []);
});

for (const head of HEAD_BYTES) {
  Deno.test(`with a head of ${head} bytes no body is noticed better than a smaller one`, () => {
    const verdicts = Array.from({ length: 2_000 }, (_, body) => leavingIsNoticed(head, body, true));
    assertEquals(verdicts.lastIndexOf(true) + 1, verdicts.indexOf(false));
  });
}

/** The largest body with which leaving is predicted to be noticed. */
function bodyBytesMax(headBytes: number, isFirst = true): number {
  let bodyBytes = 0;
  while (leavingIsNoticed(headBytes, bodyBytes + 1, isFirst)) bodyBytes++;
  return bodyBytes;
}

function allNoticed({ noticed }: Watched, visits: readonly string[]): Promise<unknown> {
  return until("leaving is noticed", () => visits.every((visit) => noticed.has(visit)));
}

async function send(socket: Deno.Conn, path: string, headBytes: number, bodyBytes: number) {
  const start = `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${bodyBytes}\r\nX: `;
  const head = `${start.padEnd(headBytes - 4, "x")}\r\n\r\n`;
  const bytes = new TextEncoder().encode(head + "b".repeat(bodyBytes));
  for (let sent = 0; sent < bytes.length;) sent += await socket.write(bytes.subarray(sent));
}

async function answered(socket: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(1024);
  for (let text = ""; !text.endsWith("done");) {
    text += new TextDecoder().decode(buffer.subarray(0, await socket.read(buffer) ?? 0));
  }
}

/** The runtime's server and nothing else. */
function watch(): Watched {
  const noticed = new Set<string>();
  const arrivals = new Map<string, () => void>();
  const end = Promise.withResolvers<void>();
  let visits = 0;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    await request.bytes();
    if (!arrivals.has(pathname)) return new Response("done");
    request.signal.addEventListener("abort", () => noticed.add(pathname));
    arrivals.get(pathname)!();
    await end.promise;
    return new Response();
  });
  return {
    noticed,
    async visit(headBytes, bodyBytes, before = []) {
      const path = `/${String(visits++).padStart(3, "0")}`;
      const arrived = new Promise<void>((resolve) => arrivals.set(path, resolve));
      const socket = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
      for (const size of before) {
        await send(socket, "/-", ...size);
        await answered(socket);
      }
      await send(socket, path, headBytes, bodyBytes);
      await arrived;
      socket.close();
      return path;
    },
    async [Symbol.asyncDispose]() {
      end.resolve();
      await server.shutdown();
    },
  };
}
