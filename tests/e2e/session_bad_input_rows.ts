/**
 * Bad messages and headers in a session, one row each, with the answer they must get.
 *
 * @module
 */
import { sessionBody, type SessionCall, toolCall } from "../support/session_client.ts";

export interface SessionRow {
  readonly input: string;
  /** What differs from a correct call in a session. */
  readonly call: SessionCall;
  readonly status: number | readonly number[];
  readonly codes?: readonly number[];
  /** Of the session, 2025-11-25 unless given. */
  readonly revision?: string;
}

const PARSE = -32700;
const REQUEST = -32600;
const PARAMS = -32602;

const DEPTH = 100_000;
const BATCH_MAX = 50;
/** The one revision with batches. */
const BATCHING = "2025-03-26";

const GOOD = sessionBody(toolCall("test_simple_text"));
const INITIALIZE = sessionBody({
  method: "initialize",
  idText: "2",
  params: {
    protocolVersion: BATCHING,
    capabilities: {},
    clientInfo: { name: "another", version: "1" },
  },
});
const PING = ping(1);

export const MESSAGE_ROWS: readonly SessionRow[] = [
  body("broken JSON", '{"jsonrpc":"2.0",', [PARSE]),
  body("an empty body", "", [PARSE, REQUEST]),
  body("two messages, one per line", `${GOOD}\n${GOOD}`, [PARSE]),
  body("a NUL after the message", `${GOOD}\0`, [PARSE]),
  body("bytes that are not UTF-8", invalidUtf8(GOOD.replace("simple", "s@mple")), [PARSE]),
  body("a number as body", "1", [REQUEST]),
  body("null as body", "null", [REQUEST]),
  body("an object that is not JSON-RPC", '{"hello":1}', [REQUEST]),
  body("LIM-03: 100,000 brackets", "[".repeat(DEPTH) + "]".repeat(DEPTH)),
  body("LIM-03: 65 levels", withArguments(`{"a":${"[".repeat(62)}${"]".repeat(62)}}`)),
  body("LIM-04: a key of 2 KiB", withArguments(`{"${"k".repeat(2048)}":1}`)),
  body("LIM-07: `id` twice", GOOD.replace('"id"', '"id":2,"id"')),
  body("LIM-07: `method` twice", GOOD.replace('"method"', '"method":"tools/list","method"')),
  body("LIM-07: `Method` for `method`", GOOD.replace('"method"', '"Method"'), [REQUEST]),
  body("LIM-07: a key twice in the arguments", withArguments('{"a":{"b":1,"b":2}}')),
  body("`jsonrpc` missing", GOOD.replace('"jsonrpc":"2.0",', ""), [REQUEST]),
  body("`jsonrpc` 1.0", GOOD.replace('"2.0"', '"1.0"'), [REQUEST]),
  body("`method` missing", '{"jsonrpc":"2.0","id":1,"params":{}}', [REQUEST]),
  body("`method` a number", GOOD.replace('"tools/call"', "1"), [REQUEST]),
  body("`params` an array", '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}', [
    REQUEST,
    PARAMS,
  ]),
  body("`params` a string", '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"x"}', [
    REQUEST,
    PARAMS,
  ]),
  body("a result beside the method", GOOD.replace('"method"', '"result":{},"method"'), [REQUEST]),
  body("a response with result and error", response('"result":{},"error":{"code":1,"message":""}')),
  body("a response without either", response('"x":1'), [REQUEST]),
  ...["null", "1.5", "true", "{}", "[]", "1e400"].map((idText): SessionRow => ({
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
];

export const BATCH_ROWS: readonly SessionRow[] = [
  ...["2024-11-05", "2025-06-18", "2025-11-25"].flatMap((revision) => [
    batch("LIM-05: a batch of two", [PING, ping(2)], revision),
    batch("LIM-05: a batch of one", [PING], revision),
    batch("an empty batch", [], revision),
  ]),
  batch("an empty batch", []),
  batch("LIM-05: a batch of 51", Array.from({ length: BATCH_MAX + 1 }, (_, at) => ping(at))),
  batch("LIM-05: a batch with initialize in it", [PING, INITIALIZE]),
  batch("LIM-05: a batch with the same id twice", [PING, PING]),
  {
    ...batch("LIM-05: a batch of 50", Array.from({ length: BATCH_MAX }, (_, at) => ping(at))),
    status: 200,
    codes: [],
  },
];

export const HEADER_ROWS: readonly SessionRow[] = [
  ...["application/json", "text/event-stream", "*/*", "application/*, text/*", "text/html"]
    .map((accept) => header(`Accept ${accept}`, { "Accept": accept }, 406)),
  header("no Accept", { "Accept": undefined }, 406),
  header(
    "Accept with both types, weights and other case",
    { "Accept": "text/Event-Stream;q=0.1 , Application/JSON" },
    200,
  ),
  header("text/plain", { "Content-Type": "text/plain" }, 415),
  header("no Content-Type", { "Content-Type": undefined }, 415),
  header("a type that only begins like JSON", { "Content-Type": "application/jsonx" }, 415),
  header("a charset", { "Content-Type": "application/json; charset=utf-8" }, 200),
  header("LIM-02: Content-Encoding gzip", { "Content-Encoding": "gzip" }, 415),
  header("the version 1999-01-01", { "MCP-Protocol-Version": "1999-01-01" }, 400),
  header("an empty version", { "MCP-Protocol-Version": "" }, 400),
  header("the version twice", { "MCP-Protocol-Version": ["2025-11-25", "2025-11-25"] }, 400),
  header("no version", { "MCP-Protocol-Version": undefined }, 200),
  {
    ...header("the version 2026-07-28 without its envelope", {
      "MCP-Protocol-Version": "2026-07-28",
    }, 400),
    codes: [PARAMS],
  },
  header("no session id", { "Mcp-Session-Id": undefined }, 400),
  header("an empty session id", { "Mcp-Session-Id": "" }, [400, 404]),
  header("a session id with a space in it", { "Mcp-Session-Id": "a b" }, [400, 404]),
  header("a session id outside ASCII", { "Mcp-Session-Id": "sitzungsschlüssel" }, [400, 404]),
  header("a session id of 4 KiB", { "Mcp-Session-Id": "a".repeat(4096) }, [400, 404]),
  header("a session id of 64 KiB", { "Mcp-Session-Id": "a".repeat(65_536) }, [400, 431]),
  header("another Origin", { "Origin": "http://evil.example" }, 403),
  header("an Origin that is not one", { "Origin": "null" }, 403),
];

function body(input: string, body: string | Uint8Array, codes?: readonly number[]): SessionRow {
  return { input, call: { body }, status: 400, ...codes ? { codes } : {} };
}

function batch(input: string, members: readonly string[], revision = BATCHING): SessionRow {
  return {
    input: `${input} in a session of ${revision}`,
    call: { body: `[${members.join(",")}]` },
    status: 400,
    codes: [REQUEST],
    revision,
  };
}

function header(
  input: string,
  headers: NonNullable<SessionCall["headers"]>,
  status: SessionRow["status"],
): SessionRow {
  return { input, call: { headers }, status };
}

function ping(id: number): string {
  return `{"jsonrpc":"2.0","id":${id},"method":"ping"}`;
}

function response(members: string): string {
  return `{"jsonrpc":"2.0","id":1,${members}}`;
}

function withArguments(text: string): string {
  return GOOD.replace('"arguments":{}', `"arguments":${text}`);
}

/** The same text with each `@` replaced by a byte that UTF-8 does not know. */
function invalidUtf8(text: string): Uint8Array {
  return new TextEncoder().encode(text).map((byte) => byte === 0x40 ? 0xff : byte);
}
