/**
 * A document at a URL that a caller names.
 *
 * @module
 * @see security.md, SSRF-01 to SSRF-05
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import { LIMITS } from "../../src/domain/limits.ts";
import { createHttpClient } from "../../src/platform/http1/client.ts";
import { createEgressPolicy, privateDestination } from "../../src/policy/egress.ts";
import { fetchText } from "../../src/upstream/fetch_text.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";
import { openRecorder, type Recorded, valuesOf } from "./client_world.ts";

function open(
  answer: (request: Recorded) => string | Promise<string>,
  { allowed = ["127.0.0.1"], resolve = undefined as undefined | (() => Promise<string[]>) } = {},
) {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  const http = createHttpClient(clock, resolve);
  const egress = createEgressPolicy({ allowPrivate: allowed.map(privateDestination), own: [] });
  const server = openRecorder(answer);
  const options = { connectMs: 1_000, userAgent: "sallyport/test" };
  return {
    timers,
    server,
    get: (url = `http://127.0.0.1:${server.port}/a?b=1`) =>
      fetchText({ http, timers, egress }, options, new URL(url)),
    async [Symbol.asyncDispose]() {
      http.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

function reply(status: number, body: string, headers = ""): string {
  return `HTTP/1.1 ${status} X\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
}

Deno.test("a document is its text", async () => {
  await using world = open(() => reply(200, "openapi: 3.0.0"));
  assertEquals(await world.get(), "openapi: 3.0.0");
  const { head } = world.server.requests[0]!;
  assertEquals(head.split("\r\n")[0], "GET /a?b=1 HTTP/1.1");
  assertEquals([valuesOf(head, "authorization"), valuesOf(head, "cookie")], [[], []]);
});

for (const status of [301, 302, 307, 308, 401, 404, 500]) {
  Deno.test(`SSRF-04: ${status} is no document, and is not followed`, async () => {
    await using world = open(() => reply(status, "secret", "Location: /other\r\n"));
    await assertRejects(world.get(), {
      code: "upstream_unavailable",
      message: `The URL answered HTTP ${status}`,
    });
    assertEquals(world.server.requests.length, 1);
  });
}

Deno.test("SSRF-05: it is the address that is checked, whatever the name", async () => {
  await using world = open(() => reply(200, ""), {
    allowed: [],
    resolve: () => Promise.resolve(["127.0.0.1"]),
  });
  const url = `http://docs.example.com:${world.server.port}/`;
  await assertRejects(world.get(url), { code: "egress_denied" });
  assertEquals(world.server.connections(), 0);
});

for (const url of ["file:///etc/passwd", "http://169.254.169.254/", "http://a:b@127.0.0.1/"]) {
  Deno.test(`SSRF-02: nothing is fetched from ${url}`, async () => {
    await using world = open(() => reply(200, ""));
    await assertRejects(world.get(url), { code: "egress_denied" });
  });
}

Deno.test("a document that is too large is refused", async () => {
  const head = `HTTP/1.1 200 X\r\nContent-Length: ${LIMITS.openApiChars + 1}\r\n\r\n`;
  await using world = open(() => head);
  await assertRejects(world.get(), { code: "upstream_protocol" });
});

Deno.test("a document that does not come in time is given up", async () => {
  const asked = Promise.withResolvers<void>();
  const end = Promise.withResolvers<string>();
  await using world = open(() => {
    asked.resolve();
    return end.promise;
  });
  const work = world.get();
  await asked.promise;
  world.timers.advance(LIMITS.documentReplyMs);
  await assertRejects(work, { code: "upstream_timeout" });
  end.resolve("");
});

Deno.test("a connection that is lost is told as such", async () => {
  await using world = open(() => Promise.reject(new Error("closed")));
  await assertRejects(world.get(), { code: "upstream_unavailable" });
});
