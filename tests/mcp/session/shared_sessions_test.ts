/**
 * Upstream sessions that requests share: for whom there is one, how many there may be, and when they
 * end.
 *
 * @module
 * @see security.md, SESS-17
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { GatewayError, ProtocolError } from "../../../src/domain/errors.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import { freshState } from "../../../src/mcp/session/session.ts";
import {
  createSharedSessions,
  type SharedClient,
} from "../../../src/mcp/session/shared_sessions.ts";
import type { UpstreamSessions } from "../../../src/mcp/session/upstream_sessions.ts";
import { bytesOf } from "../../support/bytes.ts";
import { fakeClock } from "../../support/fake_clock.ts";
import { aStdioServer } from "../../support/stdio.ts";
import { aPrincipal } from "../../support/upstream_calls.ts";

const IDLE_MS = 60_000;

function open() {
  const clock = fakeClock();
  const ended: string[] = [];
  let opened = 0;
  const upstream: UpstreamSessions = {
    open: () =>
      Promise.resolve({
        answer: bytesOf("{}"),
        message: {},
        status: 200,
        state: freshState(`s${++opened}`, "2025-11-25", ""),
      }),
    send: () =>
      Promise.resolve({
        status: 202,
        isStream: undefined,
        isOwned: true,
        epoch: 1,
        sessionId: () => undefined,
        lastEventId: () => undefined,
        retryMs: () => undefined,
        next: () => Promise.resolve(undefined),
        take: () => undefined,
        close() {},
      }),
    ensure: () => Promise.resolve(),
    update: () => Promise.resolve(),
    close: (_, { sessionId }) => Promise.resolve(void ended.push(sessionId!)),
  };
  const shared = createSharedSessions({ upstream, clock, version: "1" }, {
    idleMs: IDLE_MS,
    firstByteMs: 1_000,
  });
  return { shared, clock, ended, opened: () => opened };
}

const A = aPrincipal("a@example.com");
const SERVER = aStdioServer({ passthroughHeaders: ["X-Key"] });

function aClient(name: string, headers: Record<string, string> = {}): SharedClient {
  return {
    capabilities: {},
    clientInfo: { name, version: "1" },
    clientHeaders: new Map(Object.entries(headers)),
  };
}

Deno.test("requests of one client share a session", async () => {
  const { shared, opened } = open();
  const both = await Promise.all([1, 2].map(() => shared.of(A, SERVER, aClient("x"))));
  assertEquals([both[0] === both[1], opened()], [true, 1]);
});

for (
  const [what, other] of [
    ["subject", () => [aPrincipal("b@example.com"), SERVER, aClient("x")]],
    ["kind of credential", () => [{ ...A, kind: "anonymous" }, SERVER, aClient("x")]],
    ["server", () => [A, aStdioServer(), aClient("x")]],
    ["client", () => [A, SERVER, aClient("y")]],
    ["credential for the server", () => [A, SERVER, aClient("x", { "x-key": "2" })]],
    ["set of capabilities", () => [A, SERVER, { ...aClient("x"), capabilities: { roots: {} } }]],
  ] as [string, () => Parameters<ReturnType<typeof open>["shared"]["of"]>][]
) {
  Deno.test(`SESS-17: another ${what} has another session`, async () => {
    const { shared } = open();
    const first = await shared.of(A, SERVER, aClient("x", { "x-key": "1" }));
    assert.notEqual(await shared.of(...other()), first);
  });
}

Deno.test("headers that the server is not given make no difference", async () => {
  const { shared } = open();
  const first = await shared.of(A, SERVER, aClient("x", { authorization: "Bearer 1" }));
  assertEquals(await shared.of(A, SERVER, aClient("x", { authorization: "Bearer 2" })), first);
});

Deno.test("a server that has changed is given a new session, and the old one ends", async () => {
  const { shared, ended } = open();
  const first = await shared.of(A, SERVER);
  assert.notEqual(await shared.of(A, { ...SERVER }), first);
  await shared.sweep();
  assertEquals(ended, ["s1"]);
});

Deno.test("a session that nobody uses ends after a while", async () => {
  const { shared, clock, ended } = open();
  await shared.of(A, SERVER);
  clock.advance(IDLE_MS - 1);
  await shared.sweep();
  assertEquals(ended, []);
  clock.advance(1);
  await shared.sweep();
  assertEquals(ended, ["s1"]);
});

Deno.test("a session that somebody holds does not end", async () => {
  const { shared, clock, ended } = open();
  (await shared.of(A, SERVER)).holders++;
  clock.advance(2 * IDLE_MS);
  await shared.sweep();
  assertEquals(ended, []);
});

Deno.test("beyond the most of a principal the one that was used least lately ends", async () => {
  const { shared, clock, ended } = open();
  for (let i = 0; i < LIMITS.sharedSessionsPerPrincipal; i++) {
    await shared.of(A, SERVER, aClient(`${i}`));
    clock.advance(1);
  }
  await shared.of(A, SERVER, aClient("0"));
  await shared.of(A, SERVER, aClient("one more"));
  await Promise.resolve();
  assertEquals(ended, ["s2"]);
});

Deno.test("when all of a principal are in use there is no other, and others have theirs", async () => {
  const { shared } = open();
  for (let i = 0; i < LIMITS.sharedSessionsPerPrincipal; i++) {
    (await shared.of(A, SERVER, aClient(`${i}`))).holders++;
  }
  await assert.rejects(shared.of(A, SERVER, aClient("one more")), (error) => {
    return error instanceof GatewayError && error.code === "rate_limited";
  });
  await shared.of(aPrincipal("b@example.com"), SERVER);
});

Deno.test("a client that says too much about itself has no session", async () => {
  const { shared, opened } = open();
  const client = aClient("x".repeat(LIMITS.initializeBytes));
  await assert.rejects(shared.of(A, SERVER, client), ProtocolError);
  assertEquals(opened(), 0);
});

Deno.test("at the end all sessions end", async () => {
  const { shared, ended } = open();
  await shared.of(A, SERVER);
  await shared.of(A, SERVER, aClient("x"));
  await shared.close();
  assertEquals(ended.sort(), ["s1", "s2"]);
});
