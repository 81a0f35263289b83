/**
 * What a client is told of requests that run already: when their stream cannot be kept, and when
 * another one has their id.
 *
 * @module
 * @see security.md, section 5.6, points 1 and 2
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import { GatewayError } from "../../../src/domain/errors.ts";
import { type ClientMessage, decodeClientBody, InvalidMessage } from "../../../src/mcp/message.ts";
import type { Outlet } from "../../../src/mcp/session/outlet.ts";
import { type Asked, createPosted, type PostedDeps } from "../../../src/mcp/session/posted.ts";
import type { Session } from "../../../src/mcp/session/session.ts";
import type { Visitor } from "../../../src/mcp/session/target.ts";
import { bytesOf } from "../../support/bytes.ts";
import { anUpstream } from "../../support/memory_catalog.ts";

const VISITOR = { endpoint: { kind: "verbatim", key: "alpha" } } as unknown as Visitor;
const SESSION = {
  base: { revision: "2025-11-25" },
  upstreams: new Map(),
} as unknown as Session;

function asked(method: string): Asked {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { name: "x" } });
  return { requests: [decodeClientBody(bytesOf(body)) as ClientMessage], isWhole: false };
}

/** Begins a request whose stream cannot be opened. */
async function begun(method: string) {
  const away = new GatewayError("unavailable", "The gateway cannot reach Redis at the moment");
  const outlet = { open: () => Promise.reject(away), attached() {} } as unknown as Outlet;
  const started: string[] = [];
  const deps = {
    targets: {
      verbatim: { plan: () => ({ kind: "upstream", server: anUpstream(), prepared: undefined }) },
    },
    calls: {
      refuseRunning() {},
      start: (_: unknown, request: ClientMessage) => void started.push(request.method),
    },
    outlets: { create: () => outlet },
    streams: {},
    claims: undefined,
    openings: { over: () => undefined },
    audit: undefined,
  } as unknown as PostedDeps;
  const pending = await createPosted(deps)(VISITOR, SESSION, asked(method));
  assertEquals(started, [method]);
  return pending;
}

for (const [method, code] of [["tools/call", "outcome_unknown"], ["tools/list", "unavailable"]]) {
  Deno.test(`read() says ${code} of ${method} that runs, when its stream cannot be kept`, async () => {
    const pending = await begun(method!);
    await assertRejects(
      pending.read(() => {}),
      (error) => error instanceof GatewayError && error.code === code,
    );
  });
}

Deno.test("F68: of two requests with one id that come at once, one runs", async () => {
  const running: unknown[] = [];
  const open = Promise.withResolvers<void>();
  const refused = new InvalidMessage("It runs");
  const deps = {
    targets: {
      verbatim: { plan: () => ({ kind: "upstream", server: anUpstream(), prepared: undefined }) },
    },
    calls: {
      refuseRunning() {
        if (running.length > 0) throw refused;
      },
      start: (_: unknown, request: ClientMessage) => void running.push(request),
    },
    outlets: { create: () => ({}) },
    streams: {},
    claims: { claim: () => Promise.resolve({ isFree: true, opener: "another replica" }) },
    openings: { over: () => open.promise },
    audit: undefined,
  } as unknown as PostedDeps;
  const begin = createPosted(deps);

  const begun = [begin(VISITOR, SESSION, asked("tools/call")), begin(VISITOR, SESSION, asked("x"))];
  const outcomes = Promise.allSettled(begun);
  assertEquals(running, []);
  open.resolve();

  assertEquals((await outcomes).map(({ status }) => status), ["fulfilled", "rejected"]);
  assertEquals(running.length, 1);
});
