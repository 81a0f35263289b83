/**
 * A client of one era and a server that speaks only the other, for as long as the gateway does not
 * bridge them: a plain refusal that names what is spoken, and never a hang.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { configFor, type Everything, startEverything } from "../support/everything.ts";
import { callModern, type Message, type ModernCall } from "../support/modern.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { headerOf } from "../support/raw_http.ts";
import { connectSdk, errorOf } from "../support/sdk_client.ts";
import { connectV1, connectV2 } from "../support/sdk_peers.ts";
import { initialize as initializeSession, SESSION_REVISIONS } from "../support/session_client.ts";

const MODERN_PATH = "/servers/modern/mcp";
const LEGACY_PATH = "/servers/legacy/mcp";
/** Longer than any answer may take here, much shorter than any deadline of the gateway. */
const SOON_MS_MAX = 5_000;
const UNSUPPORTED_VERSION = -32022;
const SESSIONS_MAX = 2;

let modern: Everything;
let legacy: Everything;
let gateway: Gateway;

Deno.test.beforeAll(async () => {
  [modern, legacy] = await Promise.all([
    startEverything({ era: "modern" }),
    startEverything({ era: "legacy" }),
  ]);
  const config = configFor({ modern: modern.origin, legacy: legacy.origin });
  const env = { MCP_REQUIRE_AUTH: "false", SESSIONS_PER_PRINCIPAL: String(SESSIONS_MAX) };
  gateway = await startGateway({ config, env });
});

Deno.test.afterAll(async () => {
  for (const process of [gateway, modern, legacy]) await process?.[Symbol.asyncDispose]();
});

// ── A server of 2026-07-28 behind the gateway ───────────────────────────────────────────────────

for (const revision of [...SESSION_REVISIONS, "1999-01-01"]) {
  Deno.test(`a modern server: initialize for ${revision} is 400 with -32022`, async () => {
    const reply = await initialize(revision);
    assertEquals([reply.status, errorIn(reply.response).code], [400, UNSUPPORTED_VERSION]);
  });

  Deno.test(`a modern server: initialize for ${revision} is told what is spoken`, async () => {
    const { data } = errorIn((await initialize(revision)).response);
    assertEquals((data as Message).supported, ["2026-07-28"]);
  });

  Deno.test(`a modern server: initialize for ${revision} is told what was asked`, async () => {
    const { data } = errorIn((await initialize(revision)).response);
    assertEquals((data as Message).requested, revision);
  });
}

Deno.test("a modern server: the refusal of initialize carries its id", async () => {
  assertEquals((await initialize("2025-11-25", '"first"')).response.id, "first");
});

Deno.test("a modern server: no session is opened by a refused initialize", async () => {
  assertEquals(headerOf(await initialize("2025-11-25"), "mcp-session-id"), undefined);
});

Deno.test("a modern server: a refused initialize leaves nothing that counts as a session", async () => {
  const statuses = [];
  for (let i = 0; i < 2 * SESSIONS_MAX; i++) statuses.push((await initialize("2025-11-25")).status);
  assertEquals(new Set(statuses), new Set([400]));
});

for (const [name, connect] of [["v1", connectV1], ["v2 legacy", connectV2("legacy")]] as const) {
  Deno.test(`a modern server: the SDK's client (${name}) fails to connect, soon`, async () => {
    await assertFailsSoon(connect(`${gateway.origin}${MODERN_PATH}`));
  });
}

// ── A server of the session era behind the gateway ──────────────────────────────────────────────

for (
  const [what, call] of Object.entries<ModernCall>({
    "server/discover": { method: "server/discover" },
    "tools/list": { method: "tools/list" },
    "resources/read": { method: "resources/read", params: { uri: "test://static-text" } },
    "subscriptions/listen": { method: "subscriptions/listen", params: { notifications: {} } },
  })
) {
  Deno.test(`a legacy server: ${what} is an error, soon`, async () => {
    const { response } = await toLegacy(call);
    assert("error" in response, JSON.stringify(response));
  });
}

Deno.test("a legacy server: tools/call is a failure, soon", async () => {
  const { response } = await toLegacy({ params: { name: "test_simple_text" } });
  assert("error" in response || (response.result as Message).isError, JSON.stringify(response));
});

for (const method of ["server/discover", "tools/list"]) {
  Deno.test(`a legacy server: ${method} is 400 with -32022 and the revisions of its era`, async () => {
    const reply = await toLegacy({ method });
    const { code, data } = errorIn(reply.response);
    assertEquals([reply.status, code], [400, UNSUPPORTED_VERSION]);
    const supported = SESSION_REVISIONS.toReversed();
    assertEquals(data, { supported, requested: "2026-07-28" });
  });
}

Deno.test("a legacy server: the error carries the id of the request", async () => {
  const { response } = await toLegacy({ method: "tools/list", idText: '"keep-me"' });
  assertEquals(response.id, "keep-me");
});

Deno.test("a legacy server: the error says that the upstream is the reason", async () => {
  const { error } = (await toLegacy({ method: "tools/list" })).response;
  assert.match(String((error as Message).message), /upstream/i);
});

Deno.test("a legacy server: no call is executed", async () => {
  await toLegacy({ params: { name: "test_counter" } });
  assertEquals((await legacy.stats()).calls.test_counter ?? 0, 0);
});

Deno.test("a legacy server: the SDK's client (pinned) fails to connect, soon", async () => {
  await assertFailsSoon(connectSdk(`${gateway.origin}${LEGACY_PATH}`, { negotiation: "pinned" }));
});

Deno.test("a legacy server: the SDK's client (pinned) is told what the server speaks", async () => {
  const url = `${gateway.origin}${LEGACY_PATH}`;
  const { code, data } = await errorOf(connectSdk(url, { negotiation: "pinned" }));
  assertEquals(
    [code, (data as Message).supported],
    [UNSUPPORTED_VERSION, SESSION_REVISIONS.toReversed()],
  );
});

function initialize(revision: string, idText = "1") {
  const options = { deadlineMs: SOON_MS_MAX };
  return initializeSession(gateway.origin, { path: MODERN_PATH, revision, idText, options });
}

function toLegacy(call: ModernCall) {
  const options = { deadlineMs: SOON_MS_MAX };
  return callModern(gateway.origin, { path: LEGACY_PATH, ...call, options });
}

function errorIn(response: Message): { code: number; data: unknown } {
  return response.error as unknown as { code: number; data: unknown };
}

/** Fails when it succeeds, and when nothing happens. */
async function assertFailsSoon(connecting: Promise<AsyncDisposable>): Promise<void> {
  const connected = connecting.then((peer) => peer[Symbol.asyncDispose]());
  await assert.rejects(Promise.race([connected, never(SOON_MS_MAX)]), (error: Error) => {
    return !error.message.includes("Nothing happened");
  });
}

/** Rejects after a while, unless the process ends before. */
function never(ms: number): Promise<never> {
  return new Promise((_, reject) => {
    Deno.unrefTimer(setTimeout(() => reject(new Error(`Nothing happened within ${ms} ms`)), ms));
  });
}
