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

interface Watched extends AsyncDisposable {
  /** Sends a request, waits until its handler pends, and leaves. */
  readonly visit: (headBytes: number, bodyBytes: number) => Promise<string>;
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
    const verdicts = Array.from({ length: 2_000 }, (_, body) => leavingIsNoticed(head, body));
    assertEquals(verdicts.lastIndexOf(true) + 1, verdicts.indexOf(false));
  });
}

/** The largest body with which leaving is predicted to be noticed. */
function bodyBytesMax(headBytes: number): number {
  let bodyBytes = 0;
  while (leavingIsNoticed(headBytes, bodyBytes + 1)) bodyBytes++;
  return bodyBytes;
}

function allNoticed({ noticed }: Watched, visits: readonly string[]): Promise<unknown> {
  return until("leaving is noticed", () => visits.every((visit) => noticed.has(visit)));
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
    request.signal.addEventListener("abort", () => noticed.add(pathname));
    arrivals.get(pathname)!();
    await end.promise;
    return new Response();
  });
  return {
    noticed,
    async visit(headBytes, bodyBytes) {
      const path = `/${String(visits++).padStart(3, "0")}`;
      const arrived = new Promise<void>((resolve) => arrivals.set(path, resolve));
      const start = `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${bodyBytes}\r\nX: `;
      const head = `${start.padEnd(headBytes - 4, "x")}\r\n\r\n`;
      const socket = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
      const bytes = new TextEncoder().encode(head + "b".repeat(bodyBytes));
      for (let sent = 0; sent < bytes.length;) sent += await socket.write(bytes.subarray(sent));
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
