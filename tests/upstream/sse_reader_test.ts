/**
 * Reading server-sent events: the same messages, however lines end and wherever the network cuts.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import { createSseReader } from "../../src/upstream/sse_reader.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { seeded } from "../support/seeded.ts";

const MAX = 1_000;

const STREAM = [
  ": a comment",
  "",
  "event: message",
  'data: {"a":1}',
  "",
  "id: 7",
  "data:no space",
  "",
  "data: two",
  "data:  lines",
  "",
  "retry: 10",
  "",
  "event: ping",
  "data: for others",
  "",
  "data: größe ☃ 𝄞",
  "",
  "data",
  "",
  "data: last",
  "",
  "",
];
const MESSAGES = ['{"a":1}', "no space", "two\n lines", "größe ☃ 𝄞", "last"];

const LINE_ENDS = { "LF": "\n", "CR LF": "\r\n", "CR": "\r" };

for (const [name, end] of Object.entries(LINE_ENDS)) {
  const bytes = bytesOf(STREAM.join(end));

  Deno.test(`lines that end with ${name} give the same messages`, () => {
    assertEquals(read([bytes]), MESSAGES);
  });

  Deno.test(`lines that end with ${name} may be cut at every byte`, () => {
    for (let at = 0; at <= bytes.length; at++) {
      assertEquals(read([bytes.subarray(0, at), bytes.subarray(at)]), MESSAGES, `cut at ${at}`);
    }
  });

  Deno.test(`lines that end with ${name} may come byte by byte`, () => {
    assertEquals(read([...bytes].map((byte) => new Uint8Array([byte]))), MESSAGES);
  });
}

Deno.test("line ends may be mixed", () => {
  assertEquals(read(["data: a\r\n\rdata: b\n\r\ndata: c\r\r\n"]), ["a", "b", "c"]);
});

Deno.test("random line ends and cuts give the same messages", () => {
  const { below, pick } = seeded("sse reader");
  for (let i = 0; i < 2_000; i++) {
    // A lone CR before an empty line that ends with LF would be one line end.
    const ends = STREAM.map(() => pick(["\n", "\r\n", "\r"]));
    const text = STREAM.map((line, at) => {
      const isAmbiguous = ends[at] === "\r" && STREAM[at + 1] === "" && ends[at + 1] === "\n";
      return line + (isAmbiguous ? "\n" : ends[at]);
    }).join("");
    const bytes = bytesOf(text);
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) pieces.push(bytes.subarray(at, at += 1 + below(40)));
    assertEquals(read(pieces), MESSAGES, JSON.stringify(text));
  }
});

for (const cut of [0, 1, 2, 3, 4]) {
  Deno.test(`a byte order mark is skipped, cut after ${cut} bytes`, () => {
    const bytes = bytesOf("\ufeffdata: a\n\n");
    assertEquals(read([bytes.subarray(0, cut), bytes.subarray(cut)]), ["a"]);
  });
}

Deno.test("a byte order mark is only one at the start", () => {
  assertEquals(read(["data: a\n\n\ufeffdata: b\n\ndata: c\n\n"]), ["a", "c"]);
});

Deno.test("only one byte order mark is skipped", () => {
  assertEquals(read(["\ufeff\ufeffdata: a\n\ndata: b\n\n"]), ["b"]);
});

for (
  const [what, stream, messages] of [
    ["an event type of its own is for nobody", "event: x\ndata: a\n\n", []],
    ["the type counts when it follows the data", "data: a\nevent: x\n\n", []],
    ["the last type of an event counts", "event: x\nevent: message\ndata: a\n\n", ["a"]],
    ["an empty type is none", "event:\ndata: a\n\n", ["a"]],
    ["a bare event line is an empty type", "event\ndata: a\n\n", ["a"]],
    ["a type without a space is one", "event:message\ndata: a\n\n", ["a"]],
    ["a type is compared exactly", "event: Message\ndata: a\n\n", []],
    ["a type does not outlast its event", "event: x\n\ndata: a\n\n", ["a"]],
    ["a long type is another type", `event: message${"e".repeat(100)}\ndata: a\n\n`, []],
    ["an event without data is none", "id: 1\n\n", []],
    ["empty data is no message: it primes a stream", "id: 1\ndata:\n\n", []],
    ["one space after the colon is dropped", "data:  a \n\n", [" a "]],
    ["a field name is compared exactly", "Data: a\ndatas: b\n data: c\n\n", []],
    ["a line of data without a colon is empty", "data\ndata: a\n\n", ["\na"]],
    ["an event that does not end is none", "data: a\n\ndata: b\n", ["a"]],
    ["a colon may stand in the data", "data: a: b\n\n", ["a: b"]],
    ["NUL and control characters stay", "data: a\0b\x1f\n\n", ["a\0b\x1f"]],
    ["comments may stand between data lines", "data: a\n:c\ndata: b\n\n", ["a\nb"]],
  ] satisfies [string, string, string[]][]
) {
  Deno.test(what, () => assertEquals(read([stream]), messages));
}

Deno.test("a message is a buffer of its own", () => {
  const reader = createSseReader(MAX);
  reader.push(bytesOf("data: first\n\n"));
  const first = reader.take();
  reader.push(bytesOf("data: other\n\n"));
  reader.take();
  assertEquals(textOf(first), "first");
});

Deno.test("the piece that was pushed may change afterwards", () => {
  const reader = createSseReader(MAX);
  const piece = bytesOf("data: a\n");
  reader.push(piece);
  piece.fill(0x58);
  reader.push(bytesOf("\n"));
  assertEquals(textOf(reader.take()), "a");
});

Deno.test("bytes of an event that has arrived in part are told", () => {
  const reader = createSseReader(MAX);
  reader.push(bytesOf(`data: ${"a".repeat(500)}\ndata: ${"b".repeat(300)}`));
  reader.take();
  assertEquals(reader.heldBytes() >= 800 && reader.heldBytes() < 900, true);
});

Deno.test("when all has been taken nothing is held", () => {
  const reader = createSseReader(MAX);
  reader.push(bytesOf("data: a\n\n: b\n"));
  reader.take();
  reader.take();
  assertEquals(reader.heldBytes(), 0);
});

Deno.test("many events larger than the first buffer all arrive", () => {
  const reader = createSseReader(1e6);
  const events = Array.from({ length: 50 }, (_, at) => `${at}`.repeat(3_000));
  reader.push(bytesOf(events.map((data) => `data: ${data}\n\n`).join("")));
  const taken = events.map(() => textOf(reader.take()));
  assertEquals(taken, events);
});

Deno.test("an event just under the cap is read", () => {
  assertEquals(read([`data: ${"a".repeat(MAX - 10)}\n\n`])[0]?.length, MAX - 10);
});

Deno.test("an event of exactly the cap is read, like a body of that size", () => {
  assertEquals(read([`data: ${"a".repeat(MAX)}\n\n`])[0]?.length, MAX);
});

Deno.test("whether an event fits does not depend on where the network cuts it", () => {
  const bytes = bytesOf(`data: ${"a".repeat(MAX - 3)}\n\n`);
  const cuts = [bytes.length - 3, bytes.length - 2, bytes.length - 1, bytes.length];
  const lengths = cuts.map((at) => {
    try {
      return read([bytes.subarray(0, at), bytes.subarray(at)])[0]?.length;
    } catch {
      return "refused";
    }
  });
  assertEquals(new Set(lengths).size, 1, lengths.join(", "));
});

for (
  const [what, pieces] of [
    ["a line", [`data: ${"a".repeat(MAX + 1)}\n`]],
    ["a line that does not end", ["data: ", ..."a".repeat(20).split("").map((a) => a.repeat(60))]],
    ["a comment that does not end", [`:${"c".repeat(MAX + 10)}`]],
    ["many lines", Array.from({ length: 30 }, () => `data: ${"a".repeat(50)}\n`)],
    ["many empty lines", Array.from({ length: MAX + 2 }, () => "data\n")],
  ] satisfies [string, string[]][]
) {
  Deno.test(`${what} over the cap is refused`, () => {
    assertThrows(() => read(pieces), { name: "GatewayError", code: "upstream_protocol" });
  });
}

Deno.test("comments without end that stay on their lines are no event: nothing is held", () => {
  const reader = createSseReader(MAX);
  for (let i = 0; i < 1_000; i++) {
    reader.push(bytesOf(`: ${"c".repeat(100)}\n`));
    reader.take();
  }
  assertEquals(reader.heldBytes(), 0);
});

/** The messages of a stream that arrives in these pieces. */
function read(pieces: readonly (string | Uint8Array)[]): string[] {
  const reader = createSseReader(MAX);
  const messages: string[] = [];
  for (const piece of pieces) {
    reader.push(typeof piece === "string" ? bytesOf(piece) : piece);
    for (let data = reader.take(); data !== undefined; data = reader.take()) {
      messages.push(textOf(data)!);
    }
  }
  return messages;
}
