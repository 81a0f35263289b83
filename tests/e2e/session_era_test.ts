/**
 * What the session era gets for as long as the gateway does not speak it: a plain refusal that
 * names what is spoken, and never a hang.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  configFor,
  type Everything,
  EVERYTHING_PATH,
  startEverything,
} from "../support/everything.ts";
import { callModern, type Message, type ModernCall } from "../support/modern.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { headerOf, requestBytes, sendRaw } from "../support/raw_http.ts";
import { connectSdk, type Negotiation } from "../support/sdk_client.ts";

const LEGACY_PATH = "/servers/legacy/mcp";
const REVISIONS = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05", "1999-01-01"];
/** Longer than any answer may take here, much shorter than any deadline of the gateway. */
const SOON_MS_MAX = 5_000;
const UNSUPPORTED_VERSION = -32022;

let both: Everything;
let legacy: Everything;
let gateway: Gateway;

Deno.test.beforeAll(async () => {
  [both, legacy] = await Promise.all([startEverything(), startEverything({ era: "legacy" })]);
  const config = configFor({ everything: both.origin, legacy: legacy.origin });
  gateway = await startGateway({ config, env: { MCP_REQUIRE_AUTH: "false" } });
});

Deno.test.afterAll(async () => {
  for (const process of [gateway, both, legacy]) await process?.[Symbol.asyncDispose]();
});

for (const revision of REVISIONS) {
  Deno.test(`initialize for ${revision} is 400 with -32022`, async () => {
    const reply = await initialize(revision);
    assertEquals([reply.status, errorIn(reply.response).code], [400, UNSUPPORTED_VERSION]);
  });

  Deno.test(`initialize for ${revision} is told what was asked and what is spoken`, async () => {
    const { data } = errorIn((await initialize(revision)).response);
    assertEquals(data, { supported: ["2026-07-28"], requested: revision });
  });
}

Deno.test("the refusal of initialize carries its id", async () => {
  assertEquals((await initialize("2025-11-25", '"first"')).response.id, "first");
});

Deno.test("initialize never reaches the upstream", async () => {
  const before = (await both.stats()).methods.initialize ?? 0;
  await initialize("2025-11-25");
  assertEquals((await both.stats()).methods.initialize ?? 0, before);
});

Deno.test("no session is opened by a refused initialize", async () => {
  assertEquals(headerOf(await initialize("2025-11-25"), "mcp-session-id"), undefined);
});

for (
  const [what, method, params] of [
    ["a tool call", "tools/call", { name: "test_simple_text" }],
    ["a list", "tools/list", {}],
    ["a ping", "ping", {}],
    ["a subscription", "resources/subscribe", { uri: "test://watched-resource" }],
  ] as const
) {
  Deno.test(`${what} with a session id of long ago is 400 with -32022`, async () => {
    const reply = await session({ method, params }, { "Mcp-Session-Id": crypto.randomUUID() });
    assertEquals([reply.status, errorIn(reply.response).code], [400, UNSUPPORTED_VERSION]);
  });
}

Deno.test("notifications/initialized is refused with 400", async () => {
  const reply = await session({ method: "notifications/initialized", idText: "" });
  assertEquals(reply.status, 400);
});

for (const verb of ["GET", "DELETE", "PUT"]) {
  for (const header of ["MCP-Protocol-Version: 2025-11-25", "Mcp-Session-Id: abc"]) {
    Deno.test(`${verb} with ${header} is 405 and names POST in Allow`, async () => {
      const reply = await sendRaw(
        gateway.origin,
        requestBytes(`${verb} ${EVERYTHING_PATH} HTTP/1.1`, [
          `Host: ${new URL(gateway.origin).host}`,
          "Connection: close",
          "Accept: text/event-stream",
          header,
        ]),
        { deadlineMs: SOON_MS_MAX },
      );
      assertEquals(reply.status, 405);
      assert.match(headerOf(reply, "allow") ?? "", /\bPOST\b/);
    });
  }
}

Deno.test("a client of the session era that knows no other fails at once", async () => {
  const failure = await Promise.race([
    fetch(`${gateway.origin}${EVERYTHING_PATH}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Accept": "application/json" },
      body: initializeBody("2025-11-25", "1"),
    }).then(async (response) => `${response.status} ${await response.text()}`),
    never(SOON_MS_MAX),
  ]);
  assert.match(failure, /^400 .*2026-07-28/);
});

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

Deno.test("a legacy server: the error does not offer the revision that the client used", async () => {
  const { error } = (await toLegacy({ method: "tools/list" })).response;
  const { data } = error as Message;
  assert(!JSON.stringify(data ?? null).includes('"supported":["2026-07-28"]'), "it just did that");
});

Deno.test("a legacy server: the error says that the upstream is the reason", async () => {
  const { error } = (await toLegacy({ method: "tools/list" })).response;
  assert.match(String((error as Message).message), /upstream/i);
});

Deno.test("a legacy server: no call is executed", async () => {
  await toLegacy({ params: { name: "test_counter" } });
  assertEquals((await legacy.stats()).calls.test_counter ?? 0, 0);
});

for (const negotiation of ["auto", "pinned"] as Negotiation[]) {
  Deno.test(`a legacy server: the SDK's client (${negotiation}) fails to connect, soon`, async () => {
    const connecting = connectSdk(`${gateway.origin}${LEGACY_PATH}`, { negotiation })
      .then((connected) => connected[Symbol.asyncDispose]());
    await assert.rejects(Promise.race([connecting, never(SOON_MS_MAX)]), (error: Error) => {
      return !error.message.includes("Nothing happened");
    });
  });
}

function initialize(revision: string, idText = "1") {
  return callModern(gateway.origin, {
    path: EVERYTHING_PATH,
    method: "initialize",
    body: initializeBody(revision, idText),
    headers: { "MCP-Protocol-Version": undefined, "Mcp-Method": undefined },
    options: { deadlineMs: SOON_MS_MAX },
  });
}

function initializeBody(revision: string, idText: string): string {
  const clientInfo = { name: "old", version: "1" };
  const params = JSON.stringify({ protocolVersion: revision, capabilities: {}, clientInfo });
  return `{"jsonrpc":"2.0","id":${idText},"method":"initialize","params":${params}}`;
}

/** A message as clients up to 2025-11-25 send it: no envelope, no mirrors. */
function session(call: ModernCall, headers: Readonly<Record<string, string>> = {}) {
  const { method = "tools/call", params = {}, idText = "1" } = call;
  const id = idText && { id: JSON.parse(idText) };
  return callModern(gateway.origin, {
    path: EVERYTHING_PATH,
    body: JSON.stringify({ jsonrpc: "2.0", ...id || {}, method, params }),
    headers: {
      "MCP-Protocol-Version": "2025-11-25",
      "Mcp-Method": undefined,
      "Mcp-Name": undefined,
      ...headers,
    },
    options: { deadlineMs: SOON_MS_MAX },
  });
}

function toLegacy(call: ModernCall) {
  const options = { deadlineMs: SOON_MS_MAX };
  return callModern(gateway.origin, { path: LEGACY_PATH, ...call, options });
}

function errorIn(response: Message): { code: number; data: unknown } {
  return response.error as unknown as { code: number; data: unknown };
}

/** Rejects after a while, unless the process ends before. */
function never(ms: number): Promise<never> {
  return new Promise((_, reject) => {
    Deno.unrefTimer(setTimeout(() => reject(new Error(`Nothing happened within ${ms} ms`)), ms));
  });
}
