/**
 * Reading what a stdio server writes: lines, envelopes, and whom a message is for.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, ok as assert, throws } from "node:assert/strict";
import { LIMITS } from "../../src/domain/limits.ts";
import { createByteBudget } from "../../src/platform/byte_budget.ts";
import { readEnvelope } from "../../src/upstream/channel/envelope.ts";
import { createGate, createInbox } from "../../src/upstream/channel/inbox.ts";
import { createLineReader } from "../../src/upstream/stdio/lines.ts";
import { createRouter, type OpenRequest } from "../../src/upstream/channel/router.ts";
import { createRedaction } from "../../src/upstream/stdio/secrets.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { seeded } from "../support/seeded.ts";
import { aStdioServer } from "../support/stdio.ts";

function linesOf(pieces: readonly string[], max = 1_000): { lines: string[]; tooLong: number } {
  let tooLong = 0;
  const reader = createLineReader(max, () => tooLong++);
  const lines: string[] = [];
  for (const piece of pieces) {
    reader.push(bytesOf(piece));
    for (let line = reader.take(); line; line = reader.take()) lines.push(textOf(line)!);
  }
  return { lines, tooLong };
}

Deno.test("lines are the same however the output is cut into pieces", () => {
  const random = seeded("stdio lines");
  const text = Array.from({ length: 300 }, (_, i) => "é".repeat(random.below(40)) + i).join("\n");
  const bytes = bytesOf(`${text}\n`);
  for (let round = 0; round < 50; round++) {
    const reader = createLineReader(1_000);
    const lines: string[] = [];
    for (let at = 0; at < bytes.length;) {
      const size = 1 + random.below(200);
      reader.push(bytes.subarray(at, at + size));
      at += size;
      for (let line = reader.take(); line; line = reader.take()) lines.push(textOf(line)!);
    }
    assertEquals(lines, text.split("\n"));
    assertEquals(reader.heldBytes(), 0);
  }
});

Deno.test("a carriage return belongs to the end of a line", () => {
  assertEquals(linesOf(["a\r\nb\rc\r", "\nd\n"]).lines, ["a", "b\rc", "d"]);
});

Deno.test("a line that is too long is cut, told once, and the next one is whole", () => {
  const { lines, tooLong } = linesOf(["x".repeat(15), "x".repeat(15), "x\ny\n"], 10);
  assertEquals(lines, ["x".repeat(10), "y"]);
  assertEquals(tooLong, 1);
});

Deno.test("a line of exactly the largest size passes", () => {
  assertEquals(linesOf([`${"x".repeat(10)}\n`], 10), { lines: ["x".repeat(10)], tooLong: 0 });
});

Deno.test("what is skipped of a long line is not held", () => {
  const reader = createLineReader(10);
  for (let i = 0; i < 1_000; i++) {
    reader.push(new Uint8Array(64 * 1024).fill(0x78));
    while (reader.take() !== undefined);
    assertEquals(reader.heldBytes(), 0);
  }
});

Deno.test("each line is a buffer of its own", () => {
  const reader = createLineReader(100);
  reader.push(bytesOf("one\ntwo\n"));
  const one = reader.take()!;
  assertEquals(one.buffer.byteLength, 3);
  one.fill(0);
  assertEquals(textOf(reader.take()), "two");
});

for (
  const [what, text] of [
    ["a text", '"x"'],
    ["an array", "[{}]"],
    ["an empty object", "{}"],
    ["an object that does not end", '{"jsonrpc":"2.0","method":"a"'],
    ["two objects", '{"method":"a"}{"method":"b"}'],
    ["text behind the object", '{"method":"a"} x'],
    ["a method that is no text", '{"method":1}'],
    ["a method twice", '{"method":"a","method":"b"}'],
    ["an id twice", '{"id":1,"result":{},"id":2}'],
    ["the same name spelled differently", '{"id":1,"result":{},"\\u0069d":2}'],
    ["an id and nothing else", '{"id":1}'],
    ["an id that is no JSON", '{"id":abc,"result":{}}'],
    ["a comma too many", '{"method":"a",}'],
    ["no colon", '{"method" "a"}'],
    ["a string that does not end", '{"method":"a'],
    ["a backslash at the end", '{"method":"a\\'],
    ["brackets that do not end", '{"id":1,"result":[[[['],
    ["bytes that are not text", '{"method":"\xff"'],
    ["nothing", ""],
  ] as const
) {
  Deno.test(`${what} is no message`, () => {
    assertEquals(readEnvelope(bytesOf(text)), undefined);
  });
}

Deno.test("an envelope says what a message is", () => {
  const response = readEnvelope(bytesOf(' { "result" : {"id":5,"a":"}]\\""} , "id" : 7 } '));
  assertEquals([response?.key, response?.method, response?.isResult], ["7", undefined, true]);
  const error = readEnvelope(bytesOf('{"id":"a","error":{"data":[{}],"code":-32601}}'));
  assertEquals([error?.key, error?.isResult, error?.errorCode], ['"a"', false, -32601]);
  const request = readEnvelope(bytesOf('{"id":1,"method":"ping","params":[1]}'));
  assertEquals([request?.method, request?.params], ["ping", {}]);
});

Deno.test("two spellings of one id are one key, and a text is not a number", () => {
  const keyOf = (id: string) => readEnvelope(bytesOf(`{"id":${id},"result":{}}`))?.key;
  assertEquals(keyOf("1"), keyOf("1.0"));
  assertEquals(keyOf('"a"'), keyOf('"\\u0061"'));
  assert(keyOf("1") !== keyOf('"1"'));
  assertEquals(keyOf("null"), undefined);
});

Deno.test("members inside of others do not decide where a message goes", () => {
  const text = '{"id":1,"result":{"method":"x","id":2,"params":{"_meta":{"progressToken":9}}}}';
  const envelope = readEnvelope(bytesOf(text));
  assertEquals([envelope?.key, envelope?.method], ["1", undefined]);
});

Deno.test("random changes of a message never throw, whatever becomes of it", () => {
  const random = seeded("stdio envelopes");
  const text =
    '{"jsonrpc":"2.0","id":12,"method":"notifications/progress","params":{"progress":1,' +
    '"progressToken":"a\\"b","_meta":{"io.modelcontextprotocol/subscriptionId":3}}}';
  for (let round = 0; round < 20_000; round++) {
    const bytes = bytesOf(text);
    for (let i = 0; i < 3; i++) bytes[random.below(bytes.length)] = random.below(256);
    readEnvelope(bytes.subarray(0, 1 + random.below(bytes.length)));
  }
});

Deno.test("a message that nests deeply is read without exhausting the stack", () => {
  const deep = `{"id":1,"result":${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}}`;
  assertEquals(readEnvelope(bytesOf(deep))?.key, "1");
});

function openOf(key: string, method: string, token?: string): OpenRequest {
  const gate = createGate(() => {});
  const inbox = createInbox(gate, createByteBudget(Infinity), 1_000);
  return { id: key, key, method, token, wantsLog: false, inbox };
}

function routed(text: string, requests: readonly OpenRequest[], isStateless = false) {
  const router = createRouter(() => isStateless);
  for (const request of requests) router.open(request);
  const to = router.destinationOf(readEnvelope(bytesOf(text))!);
  return "request" in to ? `${to.kind} ${to.request.key}` : to.kind;
}

const CALLS = [openOf("1", "tools/call", "7"), openOf("2", "tools/call"), openOf("3", "ping")];

for (
  const [what, text, expected] of [
    ["an answer", '{"id":2,"result":{}}', "answer 2"],
    ["an answer to nothing", '{"id":9,"result":{}}', "nobody"],
    ["an error without an id", '{"id":null,"error":{}}', "nobody"],
    ["progress", '{"method":"notifications/progress","params":{"progressToken":7}}', "request 1"],
    [
      "progress of a text",
      '{"method":"notifications/progress","params":{"progressToken":"7"}}',
      "nobody",
    ],
    ["progress of nothing", '{"method":"notifications/progress"}', "nobody"],
    ["a log message", '{"method":"notifications/message","params":{}}', "request 2"],
    ["a question", '{"id":1,"method":"sampling/createMessage"}', "request 2"],
    ["a list change", '{"method":"notifications/tools/list_changed"}', "own stream"],
    ["a cancellation", '{"method":"notifications/cancelled","params":{"requestId":2}}', "nobody"],
    ["anything else", '{"method":"x/y","params":[]}', "own stream"],
  ] as const
) {
  Deno.test(`of a session, ${what} goes to: ${expected}`, () => {
    assertEquals(routed(text, CALLS), expected);
  });
}

Deno.test("a question outside of calls goes to the session's own stream", () => {
  const requests = [openOf("1", "initialize"), openOf("2", "logging/setLevel")];
  assertEquals(routed('{"id":1,"method":"roots/list"}', requests), "own stream");
});

Deno.test("without a session, what belongs to no request goes nowhere", () => {
  assertEquals(routed('{"method":"notifications/message"}', CALLS, true), "nobody");
  assertEquals(routed('{"method":"notifications/tools/list_changed"}', CALLS, true), "nobody");
  assertEquals(routed('{"id":1,"method":"roots/list"}', CALLS, true), "refused");
});

Deno.test("a question that is taken back is told where it was asked, once", () => {
  const router = createRouter(() => false);
  const [first, second] = [openOf("1", "tools/call"), openOf("2", "tools/call")];
  router.open(first);
  router.destinationOf(readEnvelope(bytesOf('{"id":"q","method":"roots/list"}'))!);
  router.open(second);
  const back = readEnvelope(
    bytesOf('{"method":"notifications/cancelled","params":{"requestId":"q"}}'),
  )!;
  assertEquals(router.destinationOf(back), { kind: "request", request: first });
  assertEquals(router.destinationOf(back), { kind: "nobody" });
});

Deno.test("a question whose call is over is taken back on the session's own stream", () => {
  const router = createRouter(() => false);
  const call = openOf("1", "tools/call");
  router.open(call);
  router.destinationOf(readEnvelope(bytesOf('{"id":"q","method":"roots/list"}'))!);
  router.close(call);
  const back = '{"method":"notifications/cancelled","params":{"requestId":"q"}}';
  assertEquals(router.destinationOf(readEnvelope(bytesOf(back))!), { kind: "own stream" });
});

Deno.test("open requests of one process are bounded", () => {
  const router = createRouter(() => false);
  for (let i = 0; i < LIMITS.channelRequestsOpen; i++) router.open(openOf(String(i), "ping"));
  throws(() => router.open(openOf("one more", "ping")), { code: "upstream_unavailable" });
});

Deno.test("an inbox that is dropped gives everything back and opens the gate", async () => {
  let held = 0;
  const budget = {
    hold: (bytes: number) => void (held += bytes),
    release: (bytes: number) => void (held -= bytes),
    isSpent: () => false,
  };
  const gate = createGate(() => {});
  const inbox = createInbox(gate, budget, 10);
  inbox.put(bytesOf("x".repeat(11)));
  assert(gate.isShut());
  inbox.drop();
  await gate.opened();
  assertEquals([held, gate.isShut()], [0, false]);
});

Deno.test("values of secret arguments are removed, other arguments are not", () => {
  const redact = createRedaction(aStdioServer({
    args: ["--api-key=abcdefgh1", "--token", "abcdefgh2", "./documents", "--mode=readonly1"],
    env: { SHORT: "ro", KEY: "abcdefgh3" },
  }));
  assertEquals(
    redact("abcdefgh1 abcdefgh2 ./documents readonly1 ro abcdefgh3"),
    "[secret] [secret] ./documents readonly1 ro [secret]",
  );
});
