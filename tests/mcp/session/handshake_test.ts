/**
 * `initialize`: what goes upstream, what is kept of it, and what the client is answered.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import { GatewayError, ProtocolError } from "../../../src/domain/errors.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import { decodeClientMessage, type JsonObject } from "../../../src/mcp/message.ts";
import { greeting, type Hello, helloOf } from "../../../src/mcp/session/handshake.ts";
import { bytesOf, textOf } from "../../support/bytes.ts";

const REST = '"capabilities":{"sampling":{ },"x":1.0},"clientInfo":{"name":"größe","version":"1"}';
const NEWEST = "2025-11-25";

// ── What the client asks for ────────────────────────────────────────────────────────────────────

for (const revision of ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]) {
  Deno.test(`an initialize for ${revision} goes upstream byte for byte`, () => {
    const text = initialize(JSON.stringify(revision));
    assertEquals(hello(text), {
      id: "1",
      upstreamId: "1",
      revision,
      params: `{"protocolVersion":"${revision}", ${REST}}`,
      body: text,
    });
  });
}

for (
  const asked of [
    '"1999-01-01"',
    '"2099-01-01"',
    '"2026-07-28"',
    '"2025-11-25 "',
    '""',
    "7",
    "null",
    "{}",
  ]
) {
  Deno.test(`an initialize for ${asked} goes upstream, and is kept, as one for ${NEWEST}`, () => {
    const { revision, params, body } = hello(initialize(asked));
    const expected = initialize(JSON.stringify(NEWEST));
    assertEquals({ revision, body }, { revision: NEWEST, body: expected });
    assertEquals(params, `{"protocolVersion":"${NEWEST}", ${REST}}`);
  });
}

Deno.test("a revision that is spelled with escapes is known", () => {
  const text = initialize('"2025-06-1\\u0038"').replace("protocolVersion", "protocol\\u0056ersion");
  const { revision, body } = hello(text);
  assertEquals({ revision, body }, { revision: "2025-06-18", body: text });
});

Deno.test("a revision that is unknown is replaced where it stands, however its name is spelled", () => {
  const text = initialize('"1999-01-01"').replace("protocolVersion", "protocol\\u0056ersion");
  assertEquals(hello(text).body, text.replace("1999-01-01", NEWEST));
});

Deno.test("only the revision of the params themselves is replaced", () => {
  const deep = '"_meta":{"protocolVersion":"a"},"protocolVersion":"b"';
  const text =
    `{"jsonrpc":"2.0","protocolVersion":"c","id":1,"method":"initialize","params":{${deep}}}`;
  assertEquals(hello(text).body, text.replace('"b"', `"${NEWEST}"`));
});

Deno.test("an initialize without a revision goes upstream as it is: the server says what is wrong", () => {
  const text = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{${REST}}}`;
  const { revision, params, body } = hello(text);
  assertEquals({ revision, params, body }, { revision: NEWEST, params: `{${REST}}`, body: text });
});

for (
  const [id, upstreamId] of [
    ['"sallyport:initialize"', '"sallyport:~sallyport:initialize"'],
    ["9007199254740993", '"sallyport:~9007199254740993"'],
  ] as const
) {
  Deno.test(`the id ${id} goes upstream as ${upstreamId}, and is kept for the answer`, () => {
    const text = initialize('"1999-01-01"', id);
    const expected = initialize(JSON.stringify(NEWEST), upstreamId);
    const { id: kept, upstreamId: sent, body } = hello(text);
    assertEquals({ kept, sent, body }, { kept: id, sent: upstreamId, body: expected });
  });
}

Deno.test("the id is replaced where it stands, before or behind the params", () => {
  const text = (id: string, version: string) =>
    `{"params":{"protocolVersion":"${version}"},"method":"initialize","id":${id},"jsonrpc":"2.0"}`;
  assertEquals(
    hello(text('"sallyport:x"', "1999-01-01")).body,
    text('"sallyport:~sallyport:x"', NEWEST),
  );
});

Deno.test("params of the greatest size are kept", () => {
  const text = withParamsOf(LIMITS.initializeBytes);
  assertEquals(hello(text).params.length, LIMITS.initializeBytes);
});

for (
  const [what, text] of [
    ["an initialize without params", '{"jsonrpc":"2.0","id":1,"method":"initialize"}'],
    ["params that are too large to be kept", withParamsOf(LIMITS.initializeBytes + 1)],
  ] as const
) {
  Deno.test(`${what} is -32602`, () => {
    assertThrows(() => hello(text), (error) => {
      return error instanceof ProtocolError && error.rpcCode === -32602;
    });
  });
}

// ── What the client is answered ─────────────────────────────────────────────────────────────────

for (
  const [asked, spoken, answered] of [
    ["2025-11-25", "2025-11-25", "2025-11-25"],
    ["2025-11-25", "2025-06-18", "2025-06-18"],
    ["2025-11-25", "2024-11-05", "2024-11-05"],
    ["2024-11-05", "2024-11-05", "2024-11-05"],
    ["2024-11-05", "2025-11-25", "2024-11-05"],
    ["2025-03-26", "2025-06-18", "2025-03-26"],
    ["1999-01-01", "2025-11-25", "2025-11-25"],
    ["1999-01-01", "2025-03-26", "2025-03-26"],
  ] as const
) {
  Deno.test(`asked for ${asked} where ${spoken} is spoken, the answer is ${answered}`, () => {
    assertEquals(
      answer(initialize(JSON.stringify(asked)), result(spoken), spoken),
      result(answered),
    );
  });
}

Deno.test("the answer has the id of the client, and is otherwise as the server wrote it", () => {
  const upstream = result("2025-11-25", '"sallyport:~sallyport:x"');
  assertEquals(
    answer(initialize('"2025-11-25"', '"sallyport:x"'), upstream, "2025-11-25"),
    result("2025-11-25", '"sallyport:x"'),
  );
});

Deno.test("only the revision of the result itself is replaced", () => {
  const text = (version: string) =>
    `{"result":{"_meta":{"protocolVersion":"2025-11-25"},"protocolVersion":"${version}"},` +
    '"protocolVersion":"2025-11-25","id":1,"jsonrpc":"2.0"}';
  assertEquals(
    answer(initialize('"2025-03-26"'), text("2025-11-25"), "2025-11-25"),
    text("2025-03-26"),
  );
});

for (const id of ["1", "null"]) {
  Deno.test(`an error under the id ${id} keeps code, message and data, and has the client's id`, () => {
    const error = '"error":{"code":-32099,"message":"No","data":{"protocolVersion":"2025-11-25"}}';
    const text = (id: string) => `{"jsonrpc":"2.0","id":${id},${error}}`;
    assertEquals(answer(initialize('"2025-03-26"', '"mine"'), text(id), undefined), text('"mine"'));
  });
}

Deno.test("an error without an id gets that of the client", () => {
  const error = '{"jsonrpc":"2.0","error":{"code":-32099,"message":"No","data":{"a":1}}}';
  const answered = JSON.parse(answer(initialize('"2025-11-25"', '"mine"'), error, undefined));
  assertEquals(answered, { ...JSON.parse(error), id: "mine" });
});

for (
  const [what, text] of [
    ["no JSON-RPC", '{"id":1,"result":{"protocolVersion":"2025-11-25"}}'],
    ["an id twice", '{"jsonrpc":"2.0","id":1,"id":2,"result":{"protocolVersion":"2025-11-25"}}'],
    ["a result twice", '{"jsonrpc":"2.0","id":1,"result":{},"result":{}}'],
    ["no id beside a result", '{"jsonrpc":"2.0","result":{"protocolVersion":"2025-11-25"}}'],
  ] as const
) {
  Deno.test(`an answer with ${what} is the server's mistake`, () => {
    assertThrows(() => answer(initialize('"2025-11-25"'), text, "2025-11-25"), (error) => {
      return error instanceof GatewayError && error.code === "upstream_protocol";
    });
  });
}

function initialize(version: string, id = "1"): string {
  return `{"jsonrpc":"2.0","id":${id},"method":"initialize",` +
    `"params":{"protocolVersion":${version}, ${REST}}}`;
}

/** An initialize with so many bytes of params. */
function withParamsOf(bytes: number): string {
  const params = (filler: string) => `{"protocolVersion":"${NEWEST}","filler":"${filler}"}`;
  const filler = "f".repeat(bytes - params("").length);
  return `{"jsonrpc":"2.0","id":1,"method":"initialize","params":${params(filler)}}`;
}

function result(version: string, id = "1"): string {
  return `{"jsonrpc":"2.0","id":${id},"result":{"protocolVersion":"${version}","capabilities":{},` +
    `"serverInfo":{"name":"größe","version":"1.0"},"instructions":"2025-11-25","x":1.0 }}`;
}

/** What the gateway takes from the request, as texts. */
function hello(text: string) {
  const { id, upstreamId, body, ...rest } = helloTo(text);
  return { id: textOf(id), upstreamId: textOf(upstreamId), ...rest, body: textOf(body)! };
}

/** @param revision that was agreed on; `undefined` when the server answered with an error */
function answer(request: string, text: string, revision: string | undefined): string {
  const answered = {
    answer: bytesOf(text),
    message: JSON.parse(text) as JsonObject,
    status: 200,
    state: revision === undefined ? undefined : {
      sessionId: "s",
      revision,
      subscriptions: [],
      logLevel: undefined,
      epoch: 1,
      isWatched: false,
      isHeard: false,
      place: "",
    },
  };
  return textOf(greeting(answered, helloTo(request)))!;
}

function helloTo(text: string): Hello {
  return helloOf(decodeClientMessage(bytesOf(text)));
}
