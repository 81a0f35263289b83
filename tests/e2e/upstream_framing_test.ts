/**
 * Nothing that a client writes changes where a request to the upstream begins and ends.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { configFor } from "../support/everything.ts";
import { callModern, modernBody, type ModernCall } from "../support/modern.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { type Scripted, startScripted } from "../support/scripted.ts";

const PATH = "/servers/scripted/mcp";
const SOON_MS_MAX = 3_000;

let upstream: Scripted;
let gateway: Gateway;

Deno.test.beforeAll(async () => {
  upstream = await startScripted(() => undefined);
  gateway = await startGateway({
    config: configFor({ scripted: upstream.origin }),
    env: { MCP_REQUIRE_AUTH: "false", SHUTDOWN_GRACE: "1s" },
  });
  await callModern(gateway.origin, { path: PATH, params: { name: "hello" } });
});

Deno.test.afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await upstream?.[Symbol.asyncDispose]();
});

// A header is bytes; read as Latin-1, UTF-8 "\u00e9" is the two characters "\u00c3\u00a9".
const ROWS: Readonly<Record<string, ModernCall>> = {
  "one character outside of ASCII in Mcp-Name": named("\u00e9"),
  "many characters outside of ASCII in Mcp-Name": named("\u00e9".repeat(200)),
  "as many as cover Content-Length, and a body that begins with empty lines": {
    ...named("\u00e9".repeat(11) + "a"),
    body: `\r\n\r\n${modernBody({ method: "tools/list" })}`,
  },
  "a method outside of ASCII": {
    method: "tools/\u00c3\u00a9",
    headers: { "Mcp-Method": "tools/\u00e9" },
  },
  "a parameter outside of ASCII": {
    params: { name: "hello" },
    headers: { "Mcp-Param-Region": "\u00e9" },
  },
  "a tab in Mcp-Name": named("a\tb"),
  "a tool name with line breaks": {
    params: { name: "a\r\nX-Injected: 1\r\n\r\n" },
  },
  "a URI with line breaks": {
    method: "resources/read",
    params: { uri: "test://a\r\n\r\nPOST /admin HTTP/1.1\r\n\r\n" },
  },
  "a task id with line breaks": {
    method: "tasks/get",
    params: { taskId: "\r\n\r\n" },
    headers: { "Mcp-Name": "=?base64?DQoNCg==?=" },
  },
};

for (const [what, call] of Object.entries(ROWS)) {
  Deno.test(`${what}: the request is refused, or reaches the upstream as one`, async () => {
    const before = upstream.requests.length;
    const options = { deadlineMs: SOON_MS_MAX };
    const { status } = await callModern(gateway.origin, { path: PATH, ...call, options });
    assertEquals(upstream.requests.length - before, status === 400 ? 0 : 1);
  });

  Deno.test(`${what}: what is relayed is what the client wrote`, async () => {
    const before = upstream.requests.length;
    const options = { deadlineMs: SOON_MS_MAX };
    await callModern(gateway.origin, { path: PATH, ...call, options });
    const bodies = upstream.requests.slice(before).map(({ body }) => withoutId(body));
    assertEquals(bodies.filter((body) => body !== withoutId(call.body ?? modernBody(call))), []);
  });

  Deno.test(`${what}: the next request of somebody else is answered`, async () => {
    const options = { deadlineMs: SOON_MS_MAX };
    await callModern(gateway.origin, { path: PATH, ...call, options }).catch(() => {});
    const { status } = await callModern(gateway.origin, { path: PATH, params: { name: "hello" } });
    assertEquals(status, 200);
  });
}

/** A method that has no name, with a header that nobody compares with anything. */
function named(name: string): ModernCall {
  return { method: "tools/list", headers: { "Mcp-Name": name } };
}

function withoutId(body: string | Uint8Array): string {
  return String(body).replace(/"id":\d+/, '"id":ID');
}
