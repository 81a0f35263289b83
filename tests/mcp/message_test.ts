/**
 * Decoding of client messages: three kinds and batches of them are told apart, everything else is
 * refused.
 *
 * @module
 */
import assert, {
  deepStrictEqual as assertEquals,
  throws as assertThrows,
} from "node:assert/strict";
import { ProtocolError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import {
  type Batch,
  type ClientMessage,
  decodeClientBody,
  decodeClientMessage,
  InvalidMessage,
} from "../../src/mcp/message.ts";
import { bytesOf, textOf } from "../support/bytes.ts";

const REQUEST = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}';

for (
  const [text, kind] of [
    [REQUEST, "request"],
    ['{"jsonrpc":"2.0","id":"a","method":"ping"}', "request"],
    ['{"jsonrpc":"2.0","method":"notifications/cancelled"}', "notification"],
    ['{"jsonrpc":"2.0","id":1,"result":{}}', "response"],
    ['{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"a"}}', "response"],
  ] as const
) {
  Deno.test(`decodeClientMessage() takes ${text} for a ${kind}`, () => {
    assertEquals(decode(text).kind, kind);
  });
}

Deno.test("a decoded message keeps its bytes", () => {
  const bytes = bytesOf(REQUEST);
  assert(decodeClientMessage(bytes).bytes === bytes);
});

Deno.test("a decoded request has its method and its params", () => {
  const { method, params } = decode(REQUEST);
  assertEquals({ method, params }, { method: "tools/call", params: { name: "echo" } });
});

Deno.test("a notification has the id null", () => {
  assertEquals(textOf(decode('{"jsonrpc":"2.0","method":"a"}').id), "null");
});

for (
  const id of ["0", "-1", "9007199254740993", "123456789012345678901234567890", '""', '"\\u00e9"']
) {
  Deno.test(`the id ${id} is kept exactly as it was written`, () => {
    assertEquals(textOf(decode(`{"jsonrpc":"2.0","id":${id},"method":"a"}`).id), id);
  });
}

Deno.test("an id of 256 characters is accepted, whatever their encoding", () => {
  decode(`{"jsonrpc":"2.0","id":"${"\\u00e9".repeat(256)}","method":"a"}`);
});

for (
  const id of ["null", "true", "1.0", "1e3", "[1]", "{}", `"${"a".repeat(257)}"`, "9".repeat(257)]
) {
  Deno.test(`the id ${id.slice(0, 12)} is refused`, () => {
    assertRefused(`{"jsonrpc":"2.0","id":${id},"method":"a"}`, -32600);
  });
}

for (
  const [what, text] of [
    ["an empty body", ""],
    ["half a message", REQUEST.slice(0, -1)],
    ["two messages", REQUEST + REQUEST],
    ["a byte order mark", "\ufeff" + REQUEST],
    ["a single quote", "{'a':1}"],
  ] as const
) {
  Deno.test(`${what} is -32700`, () => assertRefused(text, -32700));
}

Deno.test("bytes that are not UTF-8 are -32700", () => {
  const bytes = bytesOf('{"jsonrpc":"2.0","id":"é","method":"a"}');
  assertCode(() => decodeClientMessage(bytes.with(25, 0xff)), -32700);
});

for (
  const [what, text] of [
    ["a batch", `[${REQUEST}]`],
    ["an empty batch", "[]"],
    ["a text", '"a"'],
    ["a number", "1"],
    ["null", "null"],
    ["no jsonrpc", '{"id":1,"method":"a"}'],
    ["another jsonrpc", '{"jsonrpc":"1.0","id":1,"method":"a"}'],
    ["jsonrpc as a number", '{"jsonrpc":2.0,"id":1,"method":"a"}'],
    ["no method", '{"jsonrpc":"2.0","id":1}'],
    ["an empty method", '{"jsonrpc":"2.0","id":1,"method":""}'],
    ["a method that is no text", '{"jsonrpc":"2.0","id":1,"method":1}'],
    ["method null beside a result", '{"jsonrpc":"2.0","id":1,"method":null,"result":{}}'],
    ["params as a list", '{"jsonrpc":"2.0","id":1,"method":"a","params":[]}'],
    ["params null", '{"jsonrpc":"2.0","id":1,"method":"a","params":null}'],
    ["both method and result", '{"jsonrpc":"2.0","id":1,"method":"a","result":{}}'],
    ["both result and error", '{"jsonrpc":"2.0","id":1,"result":{},"error":{}}'],
    ["a response without id", '{"jsonrpc":"2.0","result":{}}'],
    ["a doubled member", '{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}'],
    ["a doubled argument", '{"jsonrpc":"2.0","id":1,"method":"a","params":{"a":{"b":1,"b":2}}}'],
    ["a double spelled by escape", '{"jsonrpc":"2.0","id":1,"method":"a","m\\u0065thod":"b"}'],
    ["a name of 1025 bytes", `{"jsonrpc":"2.0","id":1,"method":"a","${"k".repeat(1025)}":1}`],
    ["65 levels", `{"jsonrpc":"2.0","id":1,"method":"a","params":{"a":${nested(63)}}}`],
    ["50,001 values", `{"jsonrpc":"2.0","id":1,"method":"a","params":{"a":[${zeros(50_000)}]}}`],
  ] as const
) {
  Deno.test(`${what} is -32600`, () => assertRefused(text, -32600));
}

Deno.test("64 levels are accepted", () => {
  decode(`{"jsonrpc":"2.0","id":1,"method":"a","params":{"a":${nested(62)}}}`);
});

for (
  const member of [
    '"Method":"b"',
    '"ID":2',
    '"PARAMS":{}',
    '"Result":{}',
    '"JsonRpc":"2.0"',
    '"params":{"Name":"a"}',
    '"params":{"_Meta":{}}',
    '"params":{"Arguments":{}}',
    '"params":{"URI":"a"}',
    '"params":{"requeststate":"a"}',
    '"params":{"_meta":{"progresstoken":1}}',
    '"params":{"_meta":{"io.modelcontextprotocol/ProtocolVersion":"a"}}',
  ]
) {
  Deno.test(`the spelling of ${member} is refused: readers disagree on what it says`, () => {
    assertRefused(`{"jsonrpc":"2.0","id":1,"method":"a",${member}}`, -32600);
  });
}

Deno.test("capitals are free where the protocol has no name", () => {
  decode('{"jsonrpc":"2.0","id":1,"method":"a","params":{"arguments":{"Name":1,"_META":2}}}');
});

for (const text of ['{"jsonrpc":"2.0","id":"mine","method":""}', '{"id":"mine","method":"a"}']) {
  Deno.test(`the refusal of ${text} carries its id`, () => {
    const error = assertCode(() => decode(text), -32600) as InvalidMessage;
    assertEquals(textOf(error.id), '"mine"');
  });
}

Deno.test("a refusal without a usable id carries null", () => {
  const error = assertCode(() => decode('{"jsonrpc":"2.0","id":[],"method":"a"}'), -32600);
  assertEquals(textOf((error as InvalidMessage).id), "null");
});

// ── Batches ─────────────────────────────────────────────────────────────────────────────────────

const NOTIFICATION = '{"jsonrpc":"2.0","method":"notifications/initialized"}';
const RESPONSE = '{"jsonrpc":"2.0","id":"q","result":{}}';

Deno.test("decodeClientBody() takes a single message for what decodeClientMessage() does", () => {
  const bytes = bytesOf(REQUEST);
  assertEquals(decodeClientBody(bytes), decodeClientMessage(bytes));
});

Deno.test("a batch has its messages in order, of every kind", () => {
  const kinds = decodeBatch([REQUEST, NOTIFICATION, RESPONSE]).messages.map(({ kind }) => kind);
  assertEquals(kinds, ["request", "notification", "response"]);
});

Deno.test("a message of a batch is what it would be alone, whatever stands around it", () => {
  const text = ` [ ${REQUEST} ,\n\t${NOTIFICATION}\r\n, ${RESPONSE} ] `;
  const { messages } = decodeClientBody(bytesOf(text)) as Batch;
  assertEquals(messages, [REQUEST, NOTIFICATION, RESPONSE].map(decode));
});

Deno.test("changing a message of a batch changes no other", () => {
  const [first, second] = decodeBatch([REQUEST, RESPONSE]).messages;
  first!.bytes.fill(0x20);
  assertEquals(textOf(second!.bytes), RESPONSE);
});

for (const count of [1, 2, LIMITS.batchMembers]) {
  Deno.test(`a batch of ${count} is accepted`, () => {
    assertEquals(decodeBatch(Array.from({ length: count }, () => REQUEST)).messages.length, count);
  });
}

for (
  const [what, members] of [
    ["an empty batch", []],
    ["a batch of 51", Array.from({ length: LIMITS.batchMembers + 1 }, () => NOTIFICATION)],
    ["a batch in a batch", [REQUEST, `[${REQUEST}]`]],
    ["an empty batch in a batch", ["[]"]],
    ["a batch of null", ["null"]],
    ["a batch of numbers", ["1", "2"]],
    ["a batch of texts", ['"a"']],
    ["a batch with a member that is not JSON-RPC", [REQUEST, "{}"]],
    ["a batch with an id that is null", [REQUEST, '{"jsonrpc":"2.0","id":null,"method":"a"}']],
    ["a batch with a doubled member", [REQUEST, '{"jsonrpc":"2.0","method":"a","method":"b"}']],
    ["a batch with another spelling of a name", ['{"jsonrpc":"2.0","Method":"a","method":"b"}']],
    // The batch is a level, and its members are members.
    ["a batch of 65 levels", [withArgument(nested(62))]],
    ["a batch of more than 50,000 values", [
      withArgument(`[${zeros(49_000)}]`),
      withArgument(`[${zeros(1_000)}]`),
    ]],
  ] satisfies [string, string[]][]
) {
  Deno.test(`${what} is -32600`, () => {
    assertCode(() => decodeBatch(members), -32600);
  });
}

Deno.test("a batch of 64 levels is accepted", () => {
  decodeBatch([withArgument(nested(61))]);
});

for (
  const [what, text] of [
    ["a batch that does not end", `[${REQUEST}`],
    ["a batch with a comma too many", `[${REQUEST},]`],
    ["a batch without a comma", `[${REQUEST}${REQUEST}]`],
    ["two batches", `[${REQUEST}][${REQUEST}]`],
  ] as const
) {
  Deno.test(`${what} is -32700`, () => {
    assertCode(() => decodeClientBody(bytesOf(text)), -32700);
  });
}

function decodeBatch(members: readonly string[]): Batch {
  const batch = decodeClientBody(bytesOf(`[${members.join(",")}]`));
  assert(batch.kind === "batch", batch.kind);
  return batch;
}

function withArgument(text: string): string {
  return `{"jsonrpc":"2.0","id":1,"method":"a","params":{"a":${text}}}`;
}

function decode(text: string): ClientMessage {
  return decodeClientMessage(bytesOf(text));
}

function assertRefused(text: string, rpcCode: number): void {
  assertCode(() => decode(text), rpcCode);
}

function assertCode(act: () => unknown, rpcCode: number): ProtocolError {
  let thrown: unknown;
  assertThrows(act, (error) => {
    thrown = error;
    return error instanceof ProtocolError;
  });
  const { rpcCode: code, httpStatus } = thrown as ProtocolError;
  assertEquals({ code, httpStatus }, { code: rpcCode, httpStatus: 400 });
  return thrown as ProtocolError;
}

function nested(levels: number): string {
  return "[".repeat(levels) + "]".repeat(levels);
}

function zeros(count: number): string {
  return Array.from({ length: count }, () => 0).join(",");
}
