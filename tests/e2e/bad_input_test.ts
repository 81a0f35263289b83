/**
 * What a client of revision 2026-07-28 gets for input that it should not have sent;
 * `session_bad_input_test.ts` has that of a session.
 *
 * @module
 */

import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type Hostile, startHostile } from "../support/hostile.ts";
import {
  callModern,
  envelope,
  type Message,
  modernBody,
  modernBytes,
  type ModernCall,
  type ModernReply,
} from "../support/modern.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { headerOf, type RawReply, requestBytes, sendRaw } from "../support/raw_http.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { ENVELOPE_ROWS, HEADER_ROWS, JSON_ROWS, type Row } from "./bad_input_rows.ts";

const PATH = "/servers/hostile/mcp";
const MEBIBYTE = 1024 * 1024;

let upstream: Hostile;
let gateway: Gateway;
let admin: string;

Deno.test.beforeAll(async () => {
  upstream = await startHostile();
  admin = await mintToken({ is_admin: true });
  gateway = await startGateway({
    config: { mcpServers: { hostile: { type: "http", url: `${upstream.origin}/mcp` } } },
    env: {
      MCP_REQUIRE_AUTH: "false",
      JWT_SECRET_KEY: TEST_JWT_SECRET,
      ALLOWED_ORIGINS: "https://app.example",
    },
  });
});

Deno.test.afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await upstream?.[Symbol.asyncDispose]();
});

const ok = (more: ModernCall = {}): Promise<ModernReply> =>
  callModern(gateway.origin, { path: PATH, params: { name: "ok", arguments: {} }, ...more });

const raw = (requestLine: string, headers: readonly string[] = [], body = "") =>
  sendRaw(
    gateway.origin,
    requestBytes(
      requestLine,
      [`Host: ${new URL(gateway.origin).host}`, "Connection: close", ...headers],
      body,
    ),
  );

Deno.test("a correct call is answered", async () => {
  const { response } = await ok();
  assertEquals((response.result as Message).content, [{ type: "text", text: "ok says hello" }]);
});

for (const row of [...JSON_ROWS, ...HEADER_ROWS, ...ENVELOPE_ROWS]) {
  Deno.test(`${row.input}: ${describe(row)}`, async () => {
    const reply = await ok(row.call);
    assertEquals([row.status].flat().includes(reply.status), true, reply.head);
    if (row.codes) {
      assert(row.codes.includes(errorOf(reply).code), `${errorOf(reply).code}: ${reply.text}`);
    }
    checkNoInternals(reply);
  });
}

// ── Errors ──────────────────────────────────────────────────────────────────────────────────────

Deno.test("a body that is not JSON is answered with the id null", async () => {
  assertEquals((await ok({ body: "{" })).response.id, null);
});

for (
  const [input, call] of Object.entries<ModernCall>({
    "a missing Mcp-Method": { headers: { "Mcp-Method": undefined } },
    "an unknown version": version("2099-01-01"),
    "a missing envelope field": {
      meta: { "io.modelcontextprotocol/clientCapabilities": undefined },
    },
    "an unknown method": { method: "foo/bar" },
  })
) {
  Deno.test(`the error for ${input} carries the id of the request`, async () => {
    assertEquals((await ok({ ...call, idText: '"keep-me"' })).response.id, "keep-me");
  });
}

Deno.test("the error for an unknown version names the supported and the requested one", async () => {
  const { data } = errorOf(await ok(version("2099-01-01")));
  assertEquals((data as Message).requested, "2099-01-01");
  assert(((data as Message).supported as string[]).includes("2026-07-28"));
});

Deno.test("the versions in that error are those of server/discover", async () => {
  const discovered = await ok({ method: "server/discover", params: {} });
  const { data } = errorOf(await ok(version("2099-01-01")));
  assertEquals(
    (data as Message).supported,
    (discovered.response.result as Message).supportedVersions,
  );
});

Deno.test("an unknown tool is the upstream's own in-band error", async () => {
  const reply = await ok({ params: { name: "no-such-tool", arguments: {} } });
  assertEquals(reply.status, 200);
  assertEquals(errorOf(reply).message, "No such fault");
});

// ── Ids ─────────────────────────────────────────────────────────────────────────────────────────

for (const idText of ["0", "-1", '"a"', JSON.stringify("i".repeat(256)), '"\\u00e9\\n"']) {
  Deno.test(`LIM-07: the id ${idText.slice(0, 20)} comes back as it was sent`, async () => {
    assertEquals((await ok({ idText })).response.id, JSON.parse(idText));
  });
}

for (const idText of ["9007199254740993", "-9007199254740993", "123456789012345678901234567890"]) {
  Deno.test(`the id ${idText} comes back exactly, or is refused with 400`, async () => {
    const reply = await ok({ idText });
    if (reply.status === 400) return;
    assert.match(reply.text, new RegExp(`"id":\\s*${idText}[,}\\s]`));
  });
}

Deno.test("LIM-01: an id of 10 MB is 413", async () => {
  assertEquals((await ok({ idText: JSON.stringify("i".repeat(10_000_000)) })).status, 413);
});

// ── What must get through unharmed ──────────────────────────────────────────────────────────────

for (
  const [what, valueText] of Object.entries({
    "big integers": "9007199254740993",
    "1e400": "1e400",
    "lone surrogates": '"\\ud800"',
    "__proto__ and constructor": '{"__proto__":{"admin":true},"constructor":{"prototype":{}}}',
  })
) {
  Deno.test(`arguments with ${what} reach the upstream unchanged, or are refused`, async () => {
    const marker = crypto.randomUUID();
    const argumentsText = `{"odd":${valueText},"marker":"${marker}"}`;
    const body = modernBody({ params: { name: "ok", arguments: {} } })
      .replace('"arguments":{}', `"arguments":${argumentsText}`);
    const reply = await ok({ body });
    if (reply.status === 400) return;
    const { requests } = await upstream.stats();
    const sent = requests.find((request) => request.body.includes(marker))?.body ?? "";
    assert(sent.includes(`"odd":${valueText}`), sent);
  });
}

Deno.test("an Mcp-Param header that the gateway does not know reaches the upstream", async () => {
  const marker = crypto.randomUUID();
  await ok({ headers: { "Mcp-Param-Region": marker } });
  const { requests } = await upstream.stats();
  const sent = requests.flatMap(({ headers }) => headers).filter(([, value]) => value === marker);
  assertEquals(sent.map(([name]) => name.toLowerCase()), ["mcp-param-region"]);
});

Deno.test("LIM-03: 64 levels of JSON are relayed", async () => {
  assertEquals((await ok({ params: { name: "ok", arguments: { a: nested(61) } } })).status, 200);
});

Deno.test("LIM-04: 40,000 values are relayed", async () => {
  const zeros = Array.from({ length: 40_000 }, () => 0);
  assertEquals((await ok({ params: { name: "ok", arguments: { zeros } } })).status, 200);
});

Deno.test("LIM-01: a body just under REQUEST_BODY_MAX is relayed", async () => {
  const text = "a".repeat(4 * MEBIBYTE - 2048);
  assertEquals((await ok({ params: { name: "ok", arguments: { text } } })).status, 200);
});

// ── Body size, encoding and time ────────────────────────────────────────────────────────────────

Deno.test("LIM-01: a declared length over the cap is 413 before the body is sent", async () => {
  const head = new TextDecoder().decode(modernBytes(gateway.origin, { path: PATH, body: "" }));
  const reply = await sendRaw(
    gateway.origin,
    head.replace("Content-Length: 0", `Content-Length: ${4 * MEBIBYTE + 1}`),
    { deadlineMs: 5000 },
  );
  assertEquals(reply.status, 413);
});

Deno.test("LIM-01: a chunked body is counted: over the cap it is 413", async () => {
  assertEquals((await chunked(5)).status, 413);
});

Deno.test("LIM-01: a chunked body without end is 413", async () => {
  assertEquals((await chunked(Infinity)).status, 413);
});

for (
  const [what, send] of Object.entries({
    "a declared length over the cap": () =>
      ok({ body: " ".repeat(4 * MEBIBYTE + 1), headers: { Connection: undefined } }),
    "a chunked body over the cap": () => chunked(5, "keep-alive"),
  })
) {
  Deno.test(`LIM-01: after ${what} the connection is closed`, async () => {
    const reply = await send();
    // The runtime may say it a second time.
    const said = reply.headers.filter(([name]) => name === "connection").map(([, value]) => value);
    assertEquals([reply.status, [...new Set(said)]], [413, ["close"]]);
  });
}

Deno.test({
  name: "LIM-01: bodies without end take no more memory than twice what they may have",
  // Memory of a process is read from /proc.
  ignore: Deno.build.os !== "linux",
  async fn() {
    await chunked(8);
    const before = residentMebibytes(gateway.pid);
    for (let round = 0; round < 5; round++) {
      await Promise.all(Array.from({ length: 4 }, () => chunked(64)));
    }
    // Four at once, and what the collector has not seen yet.
    const rise = residentMebibytes(gateway.pid) - before;
    assert(rise < 4 * 2 * 4 + 64, `${rise} MiB`);
  },
});

Deno.test("LIM-08: a body that stops half-way is given up after 30 s", async () => {
  const bytes = modernBytes(gateway.origin, { path: PATH, params: { name: "ok" } });
  const reply = await sendRaw(gateway.origin, bytes.subarray(0, -10), { deadlineMs: 45_000 });
  assert([400, 408].includes(reply.status), reply.head);
});

// ── Compression ─────────────────────────────────────────────────────────────────────────────────

const UNPACKS: ModernCall["headers"] = { "Accept-Encoding": "gzip, deflate, br" };

for (
  const [what, send] of Object.entries<() => Promise<RawReply>>({
    "a result": () => ok({ headers: UNPACKS }),
    "a list of the gateway's own": () =>
      ok({ path: "/mcp", method: "server/discover", params: {}, headers: UNPACKS }),
    "an error": () => ok({ method: "a".repeat(2_000), params: {}, headers: UNPACKS }),
    "an event stream": () => ok({ headers: { ...UNPACKS, Accept: "text/event-stream" } }),
    "a problem": () => raw("GET /nothing/here HTTP/1.1", ["Accept-Encoding: gzip, br"]),
    "the API's own description": () =>
      raw("GET /api/openapi.json HTTP/1.1", [
        `Authorization: Bearer ${admin}`,
        "Accept-Encoding: gzip",
      ]),
  })
) {
  Deno.test(`LIM-14: ${what} is not compressed, so that its length tells nothing`, async () => {
    const reply = await send();
    assertEquals(headerOf(reply, "content-encoding"), undefined);
    assert(reply.text.length > 64, "so short that it would not be compressed anyway");
  });
}

// ── Verbs and paths ─────────────────────────────────────────────────────────────────────────────

const MODERN = "MCP-Protocol-Version: 2026-07-28";

for (const verb of ["GET", "DELETE"]) {
  Deno.test(`SESS-15: ${verb} with the modern version header is 405 and names POST in Allow`, async () => {
    const reply = await raw(`${verb} ${PATH} HTTP/1.1`, [MODERN, "Accept: text/event-stream"]);
    assertEquals(reply.status, 405);
    assert.match(headerOf(reply, "allow") ?? "", /\bPOST\b/);
  });
}

for (const verb of ["PUT", "PATCH", "BREW"]) {
  Deno.test(`${verb} is 405 with Allow`, async () => {
    const reply = await raw(`${verb} ${PATH} HTTP/1.1`, ["Content-Length: 0"]);
    assertEquals(reply.status, 405);
    assert.match(headerOf(reply, "allow") ?? "", /\bPOST\b/);
  });
}

for (const line of [`TRACE ${PATH} HTTP/1.1`, "CONNECT example.com:443 HTTP/1.1"]) {
  Deno.test(`LIM-16: ${line.split(" ")[0]} is refused`, async () => {
    const reply = await raw(line);
    assert(reply.status >= 400 && reply.status < 500 || reply.status === 501, reply.head);
  });
}

Deno.test("LIM-16: headers that override the verb are ignored", async () => {
  assertEquals((await ok({ headers: { "X-HTTP-Method-Override": "DELETE" } })).status, 200);
});

Deno.test("OPTIONS without an origin is 204 with Allow", async () => {
  const reply = await raw(`OPTIONS ${PATH} HTTP/1.1`);
  assertEquals(reply.status, 204);
  assert.match(headerOf(reply, "allow") ?? "", /\bPOST\b/);
});

for (
  const path of [
    "//servers/hostile/mcp",
    "/servers//hostile/mcp",
    "/servers/hostile/mcp//",
    "/servers/other/../hostile/mcp",
    "/servers/other/%2e%2e/hostile/mcp",
    "/servers/./hostile/mcp",
    "/servers/hostile%2fmcp",
    "/servers/hostile%5cmcp",
    "/servers\\hostile\\mcp",
    "/servers/hostile%00/mcp",
    "/servers/hostile/mcp/..",
  ]
) {
  Deno.test(`LIM-15: the path ${path} is not in normal form: 400`, async () => {
    assertEquals((await ok({ path })).status, 400);
  });
}

for (const path of ["/servers/unknown/mcp", "/servers/%ff/mcp", "/servers/ /mcp", "/servers/mcp"]) {
  Deno.test(`the path ${path} is 404 or 400, never another server's view`, async () => {
    const { status } = await ok({ path });
    assert(status === 404 || status === 400, `status ${status}`);
  });
}

Deno.test("LIM-06: a URI over 8 KiB is 414 or 400", async () => {
  const { status } = await ok({ path: `${PATH}?q=${"a".repeat(8 * 1024)}` });
  assert(status === 414 || status === 400, `status ${status}`);
});

// ── Host, Origin, CORS ──────────────────────────────────────────────────────────────────────────

Deno.test("LIM-16: a missing Host is 400", async () => {
  assertEquals((await ok({ headers: { Host: undefined } })).status, 400);
});

for (
  const host of ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.1:1", "user@127.0.0.1", "["]
) {
  Deno.test(`the Host "${host}" is refused`, async () => {
    const { status } = await ok({ headers: { Host: host } });
    assert([400, 403, 421].includes(status), `status ${status}`);
  });
}

Deno.test("two Host headers are 400", async () => {
  const { host } = new URL(gateway.origin);
  assertEquals((await ok({ headers: { Host: [host, host] } })).status, 400);
});

Deno.test("a request target that names another host than Host is refused", async () => {
  const { status } = await ok({ path: `http://evil.example${PATH}` });
  assert([400, 403, 421].includes(status), `status ${status}`);
});

// With a Host it is answered: that is how some reverse proxies speak unless told otherwise.
Deno.test("LIM-16: HTTP/1.0 without Host is 400", async () => {
  const call = { path: PATH, headers: { Host: undefined } };
  const bytes = new TextDecoder().decode(modernBytes(gateway.origin, call));
  const reply = await sendRaw(gateway.origin, bytes.replace("HTTP/1.1", "HTTP/1.0"));
  assertEquals(reply.status, 400);
});

for (
  const origin of [
    "http://evil.example",
    "null",
    "http://127.0.0.1.evil.example",
    "https://app.example.evil.example",
    "https://app.example:8443",
    "http://app.example",
    "https://APP.example@evil.example",
    "not a url",
  ]
) {
  Deno.test(`the Origin "${origin}" is 403`, async () => {
    assertEquals((await ok({ headers: { Origin: origin } })).status, 403);
  });
}

Deno.test("two Origin headers are refused, even when both are listed", async () => {
  const origin = "https://app.example";
  const { status } = await ok({ headers: { Origin: [origin, origin] } });
  assert(status === 400 || status === 403, `status ${status}`);
});

Deno.test("a GET from an Origin that is not listed is 403 too", async () => {
  const reply = await raw(`GET ${PATH} HTTP/1.1`, ["Origin: http://evil.example"]);
  assertEquals(reply.status, 403);
});

Deno.test("a listed Origin is answered, with that origin in the CORS header", async () => {
  const reply = await ok({ headers: { Origin: "https://app.example" } });
  assertEquals(headerOf(reply, "access-control-allow-origin"), "https://app.example");
});

Deno.test("a preflight from a listed Origin is 204 without credentials", async () => {
  const reply = await raw(`OPTIONS ${PATH} HTTP/1.1`, [
    "Origin: https://app.example",
    "Access-Control-Request-Method: POST",
    "Access-Control-Request-Headers: mcp-method, authorization",
  ]);
  assertEquals(reply.status, 204);
});

Deno.test("a preflight from an Origin that is not listed gets no CORS header", async () => {
  const reply = await raw(`OPTIONS ${PATH} HTTP/1.1`, [
    "Origin: http://evil.example",
    "Access-Control-Request-Method: POST",
  ]);
  assertEquals(headerOf(reply, "access-control-allow-origin"), undefined);
});

// ── What belongs to the session era ─────────────────────────────────────────────────────────────

Deno.test("SESS-15: a session header is ignored on a modern request", async () => {
  assertEquals((await ok({ headers: { "Mcp-Session-Id": "no-such-session" } })).status, 200);
});

Deno.test("SESS-15: no session header is ever answered to a modern request", async () => {
  const reply = await ok({ headers: { "Mcp-Session-Id": "no-such-session" } });
  assertEquals(headerOf(reply, "mcp-session-id"), undefined);
});

Deno.test("Last-Event-ID is ignored on a modern request", async () => {
  assertEquals((await ok({ headers: { "Last-Event-ID": "nonsense" } })).status, 200);
});

Deno.test("a notification is 202 without a body", async () => {
  const reply = await ok({
    idText: "",
    method: "notifications/cancelled",
    params: { requestId: 1 },
  });
  assertEquals([reply.status, reply.text], [202, ""]);
});

// ── Framing ─────────────────────────────────────────────────────────────────────────────────────

for (
  const [what, headers] of Object.entries({
    "Content-Length beside chunked": ["Content-Length: 5", "Transfer-Encoding: chunked"],
    "two different lengths": ["Content-Length: 5", "Content-Length: 6"],
    "a negative length": ["Content-Length: -1"],
    "an unknown transfer encoding": ["Transfer-Encoding: xchunked"],
    "a space before the colon": ["Content-Length : 0"],
    "a folded header": ["X-Folded: a\r\n b", "Content-Length: 0"],
  })
) {
  Deno.test(`${what}: 400`, async () => {
    assertEquals((await raw(`POST ${PATH} HTTP/1.1`, headers, "0\r\n\r\n")).status, 400);
  });
}

function residentMebibytes(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
}

async function chunked(mebibytes: number, connection = "close"): Promise<RawReply> {
  const headers = { Connection: connection };
  const call = { path: PATH, body: "", headers };
  const head = new TextDecoder().decode(modernBytes(gateway.origin, call))
    .replace("Content-Length: 0", "Transfer-Encoding: chunked");
  const part = new TextEncoder().encode(
    `${MEBIBYTE.toString(16)}\r\n${" ".repeat(MEBIBYTE)}\r\n`,
  );
  function* rest() {
    for (let sent = 0; sent < mebibytes; sent++) yield part;
    yield "0\r\n\r\n";
  }
  return await sendRaw(gateway.origin, head, { rest: rest() });
}

function version(requested: string): ModernCall {
  return {
    headers: { "MCP-Protocol-Version": requested },
    meta: { ...envelope(), "io.modelcontextprotocol/protocolVersion": requested },
  };
}

function nested(levels: number): Message[string] {
  let value: Message[string] = [];
  for (let level = 1; level < levels; level++) value = [value];
  return value;
}

function errorOf(reply: ModernReply): { code: number; message: string; data?: unknown } {
  const { error } = reply.response;
  assert(error, `expected an error, got ${reply.status} ${reply.text.slice(0, 300)}`);
  return error as { code: number; message: string; data?: unknown };
}

function checkNoInternals(reply: RawReply): void {
  assert.doesNotMatch(reply.text, /<html|file:\/\/|\bat .*:\d+:\d+|\.ts\b|node:/i);
}

function describe({ status, codes }: Row): string {
  return [[status].flat().join(" or "), ...codes ? [codes.join(" or ")] : []].join(", ");
}
