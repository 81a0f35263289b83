/**
 * Relaying changes ids and nothing else, and lets nothing through that is not this client's.
 *
 * @module
 */
import assert, {
  deepStrictEqual as assertEquals,
  throws as assertThrows,
} from "node:assert/strict";
import { GatewayError } from "../../src/domain/errors.ts";
import { decodeClientMessage } from "../../src/mcp/message.ts";
import { type Inbound, inbound, outbound, withUnknownId } from "../../src/mcp/relay.ts";
import { bytesOf, textOf } from "../support/bytes.ts";

const UPSTREAM_ID = 7;
const SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId";

const CALL = '{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{"name":"a",' +
  '"_meta":{"progressToken":"my token"}}}';
const PLAIN_CALL = '{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"a"}}';
const LISTEN = '{"jsonrpc":"2.0","id":"sub","method":"subscriptions/listen","params":{}}';
const DISCOVER = '{"jsonrpc":"2.0","id":3,"method":"server/discover","params":{}}';

Deno.test("outbound() gives the request the upstream id", () => {
  assertEquals(sent(PLAIN_CALL), PLAIN_CALL.replace('"id":3', '"id":7'));
});

Deno.test("outbound() gives the progress token the upstream id", () => {
  assertEquals(sent(CALL), CALL.replace('"mine"', "7").replace('"my token"', "7"));
});

Deno.test("outbound() changes the members wherever they stand", () => {
  const text = '{"params":{"_meta":{"a":1,"progressToken":4},"name":"a"},' +
    '"method":"tools/call","id":3,"jsonrpc":"2.0"}';
  assertEquals(
    sent(text),
    text.replace('"progressToken":4', '"progressToken":7').replace(":3", ":7"),
  );
});

Deno.test("outbound() knows members whose names are spelled with escapes", () => {
  const text = '{"jsonrpc":"2.0","\\u0069d":3,"method":"a","params":{"\\u005fmeta":' +
    '{"progress\\u0054oken":4}}}';
  assertEquals(sent(text), text.replace(":3", ":7").replace(":4", ":7"));
});

for (
  const text of [
    '{ "jsonrpc" : "2.0",\n\t"id":7, "method":"tools/call", "params":{"name":"a","arguments":' +
    '{"big":9007199254740993,"float":1.0,"exp":1E5,"esc":"\\u00e9\\/","id":3,"progressToken":3}} }',
    '{"jsonrpc":"2.0","id":7,"method":"a","params":{"progressToken":3},"more":{"id":3}}',
    '{"jsonrpc":"2.0","id":7,"method":"a","params":{"_meta":{"nested":{"progressToken":3}}}}',
  ]
) {
  Deno.test(`outbound() leaves every other byte: ${text.slice(0, 60)}`, () => {
    assertEquals(sent(text), text);
  });
}

Deno.test("outbound() does not change the client's bytes", () => {
  const message = decodeClientMessage(bytesOf(CALL));
  outbound(message, UPSTREAM_ID);
  assertEquals(textOf(message.bytes), CALL);
});

Deno.test("inbound() gives the result the id exactly as the client wrote it", () => {
  const call = PLAIN_CALL.replace(":3", ":90071992547409931234");
  const { message } = receive('{"jsonrpc":"2.0","id":7,"result":{}}', call);
  assertEquals(message, '{"jsonrpc":"2.0","id":90071992547409931234,"result":{}}');
});

Deno.test("inbound() leaves every other byte of a result", () => {
  const reply = '\n{ "result" : {"id":7,"n":1.0,"big":9007199254740993,"t":"\\u00e9\\/ é",' +
    '"_meta":{"progressToken":7,"new":[]}},\r\n"unknown":null, "id":7 ,"jsonrpc":"2.0" } ';
  assertEquals(receive(reply, PLAIN_CALL).message, reply.replace('"id":7 ', '"id":3 '));
});

Deno.test("inbound() says that a result is the last message and no error", () => {
  const { isFinal, isError } = receive('{"jsonrpc":"2.0","id":7,"result":{}}');
  assertEquals({ isFinal, isError }, { isFinal: true, isError: false });
});

Deno.test("inbound() relays an error with code, message and data", () => {
  const reply = '{"jsonrpc":"2.0","id":7,"error":{"code":-32050,"message":"no","data":{"a":[1]}}}';
  assertEquals(receive(reply, PLAIN_CALL).message, reply.replace('"id":7', '"id":3'));
});

Deno.test("inbound() says that an error is one", () => {
  const reply = '{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"no"}}';
  assertEquals(receive(reply).isError, true);
});

Deno.test("inbound() tells of raw line breaks", () => {
  assertEquals(receive('{"jsonrpc":"2.0",\n"id":7,"result":{}}').hasLineBreaks, true);
});

Deno.test("inbound() gives progress back under the client's own token", () => {
  const { message, isFinal } = receive(progress("7"));
  assertEquals({ message, isFinal }, { message: progress('"my token"'), isFinal: false });
});

for (const token of ["8", '"7"', '"my token"', "7.0", "null"]) {
  Deno.test(`inbound() drops progress for the token ${token}: it is not this client's`, () => {
    assertEquals(receive(progress(token)).message, undefined);
  });
}

Deno.test("inbound() drops progress when the client asked for none", () => {
  assertEquals(receive(progress("7"), PLAIN_CALL).message, undefined);
});

Deno.test("inbound() drops a cancellation: over HTTP only clients cancel", () => {
  const reply = '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}';
  assertEquals(receive(reply).message, undefined);
});

for (
  const reply of [
    '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"a"}}',
    '{"jsonrpc":"2.0","method":"notifications/unknown","params":{"progressToken":7,"id":7}}',
    '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}',
  ]
) {
  Deno.test(`inbound() relays ${reply.slice(17, 60)} unchanged`, () => {
    assertEquals(receive(reply).message, reply);
  });
}

// Encoders of some languages write a slash as "\/" unless they are told otherwise.
Deno.test("inbound() knows progress whose method is spelled with escapes", () => {
  const escaped = (token: string) => progress(token).replace("/", "\\/");
  assertEquals(receive(escaped("7")).message, escaped('"my token"'));
});

Deno.test("inbound() knows a cancellation whose method is spelled with escapes", () => {
  const reply = '{"jsonrpc":"2.0","method":"notifications\\/cancelled","params":{"requestId":7}}';
  assertEquals(receive(reply).message, undefined);
});

Deno.test("inbound() knows a subscription id whose name is spelled with escapes", () => {
  const reply = (id: string) => acknowledged(id).replaceAll("/", "\\/");
  assertEquals(receive(reply("7"), LISTEN).message, reply('"sub"'));
});

Deno.test("inbound() gives notifications of a subscription the client's id", () => {
  assertEquals(receive(acknowledged("7"), LISTEN).message, acknowledged('"sub"'));
});

Deno.test("inbound() gives the result of a subscription the client's id in both places", () => {
  const reply = (id: string) =>
    `{"jsonrpc":"2.0","id":${id},"result":{"_meta":{"${SUBSCRIPTION_ID}":${id}}}}`;
  assertEquals(receive(reply("7"), LISTEN).message, reply('"sub"'));
});

Deno.test("inbound() does so when the id stands last", () => {
  const reply = (id: string) =>
    `{"result":{"_meta":{"${SUBSCRIPTION_ID}":${id}}},"id":${id},"jsonrpc":"2.0"}`;
  assertEquals(receive(reply("7"), LISTEN).message, reply('"sub"'));
});

Deno.test("inbound() leaves a subscription id on other calls alone", () => {
  assertEquals(receive(acknowledged("7")).message, acknowledged("7"));
});

Deno.test("inbound() names the gateway's revisions in server/discover", () => {
  const reply = '{"jsonrpc":"2.0","id":7,"result":{"supportedVersions":["2099-01-01","x"],"a":1}}';
  const expected = '{"jsonrpc":"2.0","id":3,"result":{"supportedVersions":["2026-07-28"],"a":1}}';
  assertEquals(receive(reply, DISCOVER).message, expected);
});

for (
  const [what, reply] of [
    ["text that is not JSON", "hello"],
    ["half a message", '{"jsonrpc":"2.0","id":7,"result":{}'],
    ["two messages", '{"jsonrpc":"2.0","id":7,"result":{}}{}'],
    ["a batch", '[{"jsonrpc":"2.0","id":7,"result":{}}]'],
    ["no jsonrpc", '{"id":7,"result":{}}'],
    ["another jsonrpc", '{"jsonrpc":"1.0","id":7,"result":{}}'],
    ["a doubled id", '{"jsonrpc":"2.0","id":7,"id":7,"result":{}}'],
    ["an id doubled by escape", '{"jsonrpc":"2.0","id":7,"\\u0069d":8,"result":{}}'],
    ["a doubled result", '{"jsonrpc":"2.0","id":7,"result":{},"result":{}}'],
    ["no id", '{"jsonrpc":"2.0","result":{}}'],
    ["another id", '{"jsonrpc":"2.0","id":8,"result":{}}'],
    ["the id as a text", '{"jsonrpc":"2.0","id":"7","result":{}}'],
    ["the id as a float", '{"jsonrpc":"2.0","id":7.0,"result":{}}'],
    ["the client's own id", '{"jsonrpc":"2.0","id":"mine","result":{}}'],
    ["neither result nor error", '{"jsonrpc":"2.0","id":7}'],
    [
      "both result and error",
      '{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1,"message":""}}',
    ],
    ["result null", '{"jsonrpc":"2.0","id":7,"result":null}'],
    ["a result that is a text", '{"jsonrpc":"2.0","id":7,"result":"{}"}'],
    ["an error without message", '{"jsonrpc":"2.0","id":7,"error":{"code":1}}'],
    ["an error without code", '{"jsonrpc":"2.0","id":7,"error":{"message":"a"}}'],
    ["an error with a text as code", '{"jsonrpc":"2.0","id":7,"error":{"code":"1","message":"a"}}'],
    ["an error that is a text", '{"jsonrpc":"2.0","id":7,"error":"a"}'],
    ["a request", '{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}'],
    ["a request with our id", '{"jsonrpc":"2.0","id":7,"method":"ping"}'],
    ["65 levels", `{"jsonrpc":"2.0","id":7,"result":{"a":${"[".repeat(63)}${"]".repeat(63)}}}`],
  ] as const
) {
  Deno.test(`inbound() refuses ${what}`, () => {
    assertThrows(
      () => receive(reply),
      (error) => error instanceof GatewayError && error.code === "upstream_protocol",
    );
  });
}

Deno.test("inbound() never shows what it refuses", () => {
  assertThrows(
    () => receive("secret-7f3a"),
    (error) => !String((error as Error).message).includes("secret"),
  );
});

Deno.test("withUnknownId() gives an error without an id the client's", () => {
  const reply = ' {"jsonrpc":"2.0","error":{"code":1,"message":"a"}}';
  const expected = ' {"id":"mine","jsonrpc":"2.0","error":{"code":1,"message":"a"}}';
  assertEquals(unknown(reply)?.message, expected);
});

Deno.test("withUnknownId() gives an error with the id null the client's", () => {
  const reply = '{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"a"}}';
  assertEquals(unknown(reply)?.message, reply.replace("null", '"mine"'));
});

for (
  const reply of [
    '{"jsonrpc":"2.0","id":8,"error":{"code":1,"message":"a"}}',
    '{"jsonrpc":"2.0","id":null,"result":{}}',
    '{"jsonrpc":"2.0","error":{"code":"1","message":"a"}}',
    '{"jsonrpc":"2.0","method":"a"}',
  ]
) {
  Deno.test(`withUnknownId() takes nothing else for the answer: ${reply}`, () => {
    assertEquals(unknown(reply), undefined);
  });
}

function sent(text: string): string | undefined {
  return textOf(outbound(decodeClientMessage(bytesOf(text)), UPSTREAM_ID).body);
}

function receive(reply: string, call = CALL) {
  const request = decodeClientMessage(bytesOf(call));
  return shown(inbound(bytesOf(reply), request, outbound(request, UPSTREAM_ID).ids));
}

function unknown(reply: string) {
  const { ids } = outbound(decodeClientMessage(bytesOf(CALL)), UPSTREAM_ID);
  const found = withUnknownId(bytesOf(reply), ids.client);
  assert(found === undefined || (found.isFinal && found.isError));
  return found && shown(found);
}

function shown(message: Inbound) {
  return { ...message, message: textOf(message.message) };
}

function progress(token: string): string {
  return '{"jsonrpc":"2.0","method":"notifications/progress",' +
    `"params":{"progress":0.50,"progressToken":${token},"message":"half"}}`;
}

function acknowledged(id: string): string {
  return '{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged",' +
    `"params":{"notifications":{},"_meta":{"${SUBSCRIPTION_ID}":${id}}}}`;
}
