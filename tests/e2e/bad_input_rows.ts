/**
 * Bad messages and headers, one row each, with the answer they must get.
 *
 * @module
 */

import {
  envelope,
  type Json,
  MODERN_REVISION,
  modernBody,
  type ModernCall,
} from "../support/modern.ts";

export interface Row {
  readonly input: string;
  /** What differs from a correct call of the tool `ok`. */
  readonly call: ModernCall;
  readonly status: number | readonly number[];
  readonly codes?: readonly number[];
}

const PARSE = -32700;
const REQUEST = -32600;
const METHOD = -32601;
const PARAMS = -32602;
const HEADER = -32020;
const VERSION = -32022;
/** What SDKs answer to a message that needs a session and names none. */
const NO_SESSION = -32000;

const DEPTH = 100_000;
const META = "io.modelcontextprotocol/";

const PARAMS_TEXT = JSON.stringify({ name: "ok", arguments: {}, _meta: envelope() });
const GOOD = modernBody({ params: { name: "ok", arguments: {} } });
/** Of the session era, because it does not say otherwise. */
const UNCLAIMED = JSON.stringify({
  jsonrpc: "2.0",
  id: 2,
  method: "tools/call",
  params: { name: "ok", arguments: {} },
});

export const JSON_ROWS: readonly Row[] = [
  body("broken JSON", '{"jsonrpc":"2.0",', [PARSE]),
  body("an empty body", "", [PARSE, REQUEST]),
  body("two messages, one per line", `${GOOD}\n${GOOD}`, [PARSE]),
  body("a NUL after the message", `${GOOD}\0`, [PARSE]),
  body("a NUL inside a string", GOOD.replace('"ok"', '"o\0k"'), [PARSE]),
  body("bytes that are not UTF-8", invalidUtf8(GOOD.replace('"ok"', '"@"')), [PARSE]),
  body("a number as body", "1", [REQUEST]),
  body("null as body", "null", [REQUEST]),
  body("an object that is not JSON-RPC", '{"hello":1}', [REQUEST]),
  body("LIM-05: an empty batch", "[]", [REQUEST]),
  body("LIM-05: a batch of one", `[${GOOD}]`, [REQUEST]),
  body("LIM-05: a batch of two", `[${GOOD},${GOOD}]`, [REQUEST]),
  body("LIM-05: a batch of which one member claims 2026-07-28", `[${UNCLAIMED},${GOOD}]`, [
    REQUEST,
  ]),
  bare("LIM-05: a batch that claims 2026-07-28, without headers", `[${GOOD}]`, [REQUEST]),
  bare("LIM-05: a batch of which one member does, without headers", `[${UNCLAIMED},${GOOD}]`, [
    REQUEST,
  ]),
  bare("a batch of the session era without a session", `[${UNCLAIMED}]`, [NO_SESSION]),
  bare("a message of the session era without a session", UNCLAIMED, [NO_SESSION]),
  bare("an answer of the session era without a session", '{"jsonrpc":"2.0","id":1,"result":{}}', [
    NO_SESSION,
  ]),
  body("LIM-03: 100,000 brackets", "[".repeat(DEPTH) + "]".repeat(DEPTH)),
  body("LIM-03: 1,000,000 brackets", "[".repeat(10 * DEPTH) + "]".repeat(10 * DEPTH)),
  body("LIM-03: 100,000 brackets in the arguments", withArguments(`{"a":${brackets(DEPTH)}}`)),
  body("LIM-03: 65 levels", withArguments(`{"a":${brackets(62)}}`)),
  body("LIM-04: 60,000 values", withArguments(`{"a":[${"0,".repeat(59_999)}0]}`)),
  body("LIM-04: an array of zeros of almost 4 MiB", `[${"0,".repeat(2_000_000)}0]`),
  body("LIM-04: a key of 2 KiB", withArguments(`{"${"k".repeat(2048)}":1}`)),
  body("LIM-07: `method` twice", GOOD.replace('"method"', '"method":"tools/list","method"')),
  body("LIM-07: `id` twice", GOOD.replace('"id"', '"id":2,"id"')),
  body("LIM-07: `name` twice", GOOD.replace('"name"', '"name":"other","name"')),
  body("LIM-07: a key twice in the arguments", withArguments('{"a":{"b":1,"b":2}}')),
  body("LIM-07: a key twice, once with an escape", withArguments('{"b":1,"\\u0062":2}')),
  body("LIM-07: `Method` for `method`", GOOD.replace('"method"', '"Method"'), [REQUEST]),
  body(
    "LIM-07: `Method` beside `method`",
    GOOD.replace('"method"', '"Method":"tools/list","method"'),
  ),
  body("LIM-07: `ID` beside `id`", GOOD.replace('"id"', '"ID":2,"id"')),
  body("`jsonrpc` missing", GOOD.replace('"jsonrpc":"2.0",', ""), [REQUEST]),
  body("`jsonrpc` 1.0", GOOD.replace('"2.0"', '"1.0"'), [REQUEST]),
  body("`jsonrpc` a number", GOOD.replace('"2.0"', "2.0"), [REQUEST]),
  body("`method` missing", `{"jsonrpc":"2.0","id":1,"params":${PARAMS_TEXT}}`, [REQUEST]),
  body("`method` a number", GOOD.replace('"tools/call"', "1"), [REQUEST, HEADER]),
  body("`method` empty", GOOD.replace('"tools/call"', '""')),
  body("`params` an array", GOOD.replace(PARAMS_TEXT, "[]"), [REQUEST, PARAMS]),
  body("`params` a string", GOOD.replace(PARAMS_TEXT, '"x"'), [REQUEST, PARAMS]),
  body("`params` null", GOOD.replace(PARAMS_TEXT, "null"), [REQUEST, PARAMS]),
  body("`params` missing", GOOD.replace(`,"params":${PARAMS_TEXT}`, ""), [REQUEST, PARAMS]),
  body("a result beside the method", GOOD.replace('"method"', '"result":{},"method"'), [REQUEST]),
  body("a response to nothing", '{"jsonrpc":"2.0","id":1,"result":{}}'),
  ...["null", "1.5", "true", "{}", "[]", "[1]", "1e400", "1E400", "-1.5e-3"].map((idText): Row => ({
    input: `LIM-07: the id ${idText}`,
    call: { idText },
    status: 400,
    codes: [REQUEST],
  })),
  {
    input: "LIM-07: an id of 257 characters",
    call: { idText: JSON.stringify("i".repeat(257)) },
    status: 400,
    codes: [REQUEST],
  },
  {
    input: "a subscription to 100,000 URIs",
    call: {
      method: "subscriptions/listen",
      params: {
        notifications: {
          resourceSubscriptions: Array.from({ length: 100_000 }, (_, at) => `a:${at}`),
        },
      },
    },
    status: 400,
  },
];

export const HEADER_ROWS: readonly Row[] = [
  header("no MCP-Protocol-Version", { "MCP-Protocol-Version": undefined }),
  header("another MCP-Protocol-Version", { "MCP-Protocol-Version": "2025-11-25" }),
  doubled("MCP-Protocol-Version", MODERN_REVISION),
  doubled("Mcp-Method", "tools/call"),
  doubled("Mcp-Name", "ok"),
  doubled("Content-Type", "application/json"),
  header("no Mcp-Method", { "Mcp-Method": undefined }),
  header("another Mcp-Method", { "Mcp-Method": "tools/list" }),
  header("Mcp-Method in other case", { "Mcp-Method": "Tools/Call" }),
  header("an empty Mcp-Method", { "Mcp-Method": "" }),
  header("no Mcp-Name", { "Mcp-Name": undefined }),
  header("another Mcp-Name", { "Mcp-Name": "echo" }),
  header("Mcp-Name in other case", { "Mcp-Name": "OK" }),
  header("Mcp-Name with two values in one", { "Mcp-Name": "ok, ok" }),
  header("Mcp-Name as Base64 of another name", { "Mcp-Name": "=?base64?ZWNobw==?=" }),
  header("Mcp-Name as Base64 with bad padding", { "Mcp-Name": "=?base64?b2s?=" }),
  header("Mcp-Name as Base64 with bad characters", { "Mcp-Name": "=?base64?b2s!?=" }),
  header("Mcp-Name as Base64 of bad UTF-8", { "Mcp-Name": "=?base64?/w==?=" }),
  header("Mcp-Name as Base64 with CR LF behind the name", {
    "Mcp-Name": `=?base64?${btoa("ok\r\nX-Evil: 1")}?=`,
  }),
  {
    input: "Mcp-Name of a resource that is not its URI",
    call: {
      method: "resources/read",
      params: { uri: "fault://ok" },
      headers: { "Mcp-Name": "fault://other" },
    },
    status: 400,
    codes: [HEADER],
  },
  fine("Mcp-Name as Base64", { "Mcp-Name": "=?base64?b2s=?=" }),
  fine("header names in other case", {
    "Mcp-Method": undefined,
    "mCP-mETHOD": "tools/call",
    "Mcp-Name": undefined,
    "MCP-NAME": "ok",
  }),
  fine("spaces around a value", { "Mcp-Name": "  ok \t" }),
  fine("only JSON in Accept", { "Accept": "application/json" }),
  fine("a charset in Content-Type", { "Content-Type": "application/json; charset=utf-8" }),
  fine("an unknown Mcp-Param header", { "Mcp-Param-Region": "eu" }),
  unsupported("text/plain", { "Content-Type": "text/plain" }),
  unsupported("no Content-Type", { "Content-Type": undefined }),
  unsupported("a type that only begins like JSON", { "Content-Type": "application/jsonx" }),
  unsupported("a form", { "Content-Type": "application/x-www-form-urlencoded" }),
  unsupported("LIM-02: Content-Encoding gzip", { "Content-Encoding": "gzip" }),
  unsupported("LIM-02: Content-Encoding br", { "Content-Encoding": "br" }),
  {
    input: "LIM-06: headers of 20 KiB",
    call: { headers: { "X-Filler": "f".repeat(20 * 1024) } },
    status: [431, 400],
  },
  {
    input: "two Authorization headers",
    call: { headers: { "Authorization": ["Bearer a", "Bearer b"] } },
    status: 400,
  },
  credential("a bad bearer", "Bearer nonsense"),
  credential("an empty bearer", "Bearer"),
  credential("another scheme", "Basic YTpi"),
  credential("a bearer over 8 KiB", `Bearer ${"t".repeat(9 * 1024)}`),
  credential("an API token that does not exist", `Bearer spt_${"0".repeat(40)}`),
];

export const ENVELOPE_ROWS: readonly Row[] = [
  {
    input: "a version that nobody knows",
    call: {
      headers: { "MCP-Protocol-Version": "2099-01-01" },
      meta: { [`${META}protocolVersion`]: "2099-01-01" },
    },
    status: 400,
    codes: [VERSION],
  },
  meta("no protocolVersion in the envelope", { [`${META}protocolVersion`]: undefined }),
  meta("a protocolVersion that is a number", { [`${META}protocolVersion`]: 20260728 }, [HEADER]),
  meta("no clientCapabilities", { [`${META}clientCapabilities`]: undefined }),
  meta("clientCapabilities null", { [`${META}clientCapabilities`]: null }),
  meta("clientCapabilities an array", { [`${META}clientCapabilities`]: [] }),
  meta("clientCapabilities a string", { [`${META}clientCapabilities`]: "all" }),
  meta("clientInfo a string", { [`${META}clientInfo`]: "me" }),
  meta("an unknown logLevel", { [`${META}logLevel`]: "shout" }),
  {
    input: "the modern header without an envelope",
    call: {
      body: UNCLAIMED,
    },
    status: 400,
    codes: [PARAMS],
  },
  {
    input: "an envelope that is not an object",
    call: {
      body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ok","_meta":[]}}',
    },
    status: 400,
    codes: [PARAMS, REQUEST],
  },
  ...["foo/bar", "ping", "initialize", "logging/setLevel", "resources/subscribe", "TOOLS/CALL"]
    .map((method): Row => ({
      input: `the modern method ${method}`,
      call: { method, params: {} },
      status: 404,
      codes: [METHOD],
    })),
];

function body(input: string, body: string | Uint8Array, codes?: readonly number[]): Row {
  return { input, call: { body }, status: 400, ...codes ? { codes } : {} };
}

/** Without the headers that mirror a body. */
function bare(input: string, body: string, codes: readonly number[]): Row {
  const headers = {
    "MCP-Protocol-Version": undefined,
    "Mcp-Method": undefined,
    "Mcp-Name": undefined,
  };
  return { input, call: { body, headers }, status: 400, codes };
}

function header(input: string, headers: NonNullable<ModernCall["headers"]>): Row {
  return { input, call: { headers }, status: 400, codes: [HEADER] };
}

/** The header may be refused as such, before it is compared with the body. */
function doubled(name: string, value: string): Row {
  return { input: `${name} twice`, call: { headers: { [name]: [value, value] } }, status: 400 };
}

function fine(input: string, headers: NonNullable<ModernCall["headers"]>): Row {
  return { input, call: { headers }, status: 200 };
}

function unsupported(input: string, headers: NonNullable<ModernCall["headers"]>): Row {
  return { input, call: { headers }, status: 415 };
}

function credential(input: string, value: string): Row {
  return { input, call: { headers: { "Authorization": value } }, status: 401 };
}

function meta(
  input: string,
  meta: Readonly<Record<string, Json | undefined>>,
  codes: readonly number[] = [],
): Row {
  return { input, call: { meta }, status: 400, codes: [PARAMS, ...codes] };
}

function withArguments(text: string): string {
  return GOOD.replace('"arguments":{}', `"arguments":${text}`);
}

function brackets(levels: number): string {
  return "[".repeat(levels) + "]".repeat(levels);
}

/** The same text with each `@` replaced by a byte that UTF-8 does not know. */
function invalidUtf8(text: string): Uint8Array {
  return new TextEncoder().encode(text).map((byte) => byte === 0x40 ? 0xff : byte);
}
