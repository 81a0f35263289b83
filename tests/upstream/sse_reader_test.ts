/**
 * Reading server-sent events: the same messages, however lines end and wherever the network cuts;
 * and from where a stream can be resumed, and when.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import { LIMITS } from "../../src/domain/limits.ts";
import { createSseReader } from "../../src/upstream/sse_reader.ts";
import { bytesOf, textOf } from "../support/bytes.ts";
import { seeded } from "../support/seeded.ts";

const MAX = 1_000;
const LONG_MAX = 10_000;

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

// ── Ids ─────────────────────────────────────────────────────────────────────────────────────────

Deno.test("before the first event there is no id", () => {
  assertEquals(createSseReader(MAX).lastEventId(), undefined);
});

Deno.test("with each message that is taken its id is the last", () => {
  const reader = createSseReader(MAX);
  reader.push(bytesOf("id: 1\ndata: a\n\ndata: b\nid: 2\n\nid: 3\ndata: c\n\n"));
  const ids = ["a", "b", "c"].map((data) => {
    assertEquals(textOf(reader.take()), data);
    return reader.lastEventId();
  });
  assertEquals(ids, ["1", "2", "3"]);
});

for (
  const [what, stream, id] of [
    ["an event without an id leaves the last one", "id: 1\ndata: a\n\ndata: b\n\n", "1"],
    ["many events without an id leave it", `id: 1\ndata: a\n\n${"data: b\n\n".repeat(50)}`, "1"],
    ["comments leave it", "id: 1\ndata: a\n\n: comment\n\n:\n\n", "1"],
    ["the id of an event that primes a stream counts", "id: 1\ndata:\n\n", "1"],
    ["the id of an event without data counts", "id: 1\n\n", "1"],
    ["the id of an event for others counts", "id: 1\nevent: ping\ndata: a\n\n", "1"],
    ["the id of an event that has not ended does not count yet", "id: 1\ndata: a\n", undefined],
    ["it leaves the one before", "id: 1\ndata: a\n\nid: 2\ndata: b\n", "1"],
    ["the last id of an event counts", "id: 1\nid: 2\ndata: a\n\n", "2"],
    ["one space after the colon is dropped", "id:1\ndata: a\n\n", "1"],
    ["an id may have spaces and colons inside", "id: a b: c\ndata: a\n\n", "a b: c"],
    [
      "an id may have any printable ASCII",
      'id: !"#$%&()*+,-./:;<=>?@[]^_`{|}~\n\n',
      '!"#$%&()*+,-./:;<=>?@[]^_`{|}~',
    ],
    ["a field name is compared exactly", "Id: 1\nids: 2\n id: 3\nid : 4\ndata: a\n\n", undefined],
  ] satisfies [string, string, string | undefined][]
) {
  Deno.test(what, () => assertEquals(after([stream]).lastEventId(), id));
}

for (
  const [what, id] of [
    ["is empty", ""],
    ["is a space", " "],
    ["begins with a space", " 1"],
    ["ends with a space", "1 "],
    ["has a NUL", "a\0b"],
    ["has a tab", "a\tb"],
    ["has a control character", "a\x1fb"],
    ["has a DEL", "a\x7fb"],
    ["is not ASCII", "größe"],
    ["is too long", "1".repeat(LIMITS.upstreamEventIdChars + 1)],
    ["is far too long", "1".repeat(LONG_MAX - 10)],
  ] as const
) {
  const stream = `id: 1\ndata: a\n\nid: ${id}\ndata: b\n\n`;

  Deno.test(`an id that ${what} cannot be sent back: there is none to resume from`, () => {
    assertEquals(after([stream], LONG_MAX).lastEventId(), undefined);
  });

  Deno.test(`after one that ${what} a good one counts again`, () => {
    assertEquals(after([`${stream}id: 3\n\n`], LONG_MAX).lastEventId(), "3");
  });
}

Deno.test("a bare id line is an empty id", () => {
  assertEquals(after(["id: 1\n\nid\n\n"]).lastEventId(), undefined);
});

Deno.test("an event whose id cannot be sent back is a message like others", () => {
  assertEquals(read(["id: \0\ndata: a\n\n"]), ["a"]);
});

Deno.test("an id of the greatest length counts", () => {
  const id = "1".repeat(LIMITS.upstreamEventIdChars);
  assertEquals(after([`id: ${id}\n\n`], LONG_MAX).lastEventId(), id);
});

for (const [name, end] of Object.entries(LINE_ENDS)) {
  Deno.test(`ids and times to wait may be cut at every byte, with lines that end with ${name}`, () => {
    const lines = [
      "retry: 250",
      "id: one",
      "data: a",
      "",
      "id: two",
      "data:",
      "",
      "data: b",
      "",
      "",
    ];
    const bytes = bytesOf(lines.join(end));
    for (let at = 0; at <= bytes.length; at++) {
      const reader = after([bytes.subarray(0, at), bytes.subarray(at)]);
      assertEquals([reader.lastEventId(), reader.retryMs()], ["two", 250], `cut at ${at}`);
    }
  });
}

// ── The time to wait ────────────────────────────────────────────────────────────────────────────

for (
  const [what, stream, ms] of [
    ["a server that says nothing", "data: a\n\n", undefined],
    ["digits", "retry: 1500\n\n", 1_500],
    ["digits without a space", "retry:1500\n\n", 1_500],
    ["zero", "retry: 0\n\n", 0],
    ["leading zeros", "retry: 007\n\n", 7],
    ["nine digits", "retry: 999999999\n\n", 999_999_999],
    ["an event that has not ended", "retry: 5\n", 5],
    ["the last of two", "retry: 5\n\ndata: a\n\nretry: 6\n\n", 6],
    ["a sign", "retry: -5\n\n", undefined],
    ["a plus", "retry: +5\n\n", undefined],
    ["a fraction", "retry: 1.5\n\n", undefined],
    ["an exponent", "retry: 1e3\n\n", undefined],
    ["hexadecimal digits", "retry: 0x10\n\n", undefined],
    ["digits of other scripts", "retry: ٣\n\n", undefined],
    ["a unit", "retry: 5s\n\n", undefined],
    ["two spaces", "retry:  5\n\n", undefined],
    ["a space behind", "retry: 5 \n\n", undefined],
    ["nothing", "retry:\n\n", undefined],
    ["a bare line", "retry\n\n", undefined],
    ["more digits than anybody waits", `retry: ${"9".repeat(400)}\n\n`, undefined],
    ["nonsense after digits", "retry: 5\nretry: soon\n\n", 5],
    ["another name", "Retry: 5\nretry-after: 5\n\n", undefined],
  ] satisfies [string, string, number | undefined][]
) {
  Deno.test(`${what} as a time to wait: ${ms === undefined ? "none" : `${ms} ms`}`, () => {
    assertEquals(after([stream]).retryMs(), ms);
  });
}

/** A reader from which all messages have been taken. */
function after(pieces: readonly (string | Uint8Array)[], maxBytes = MAX) {
  const reader = createSseReader(maxBytes);
  for (const piece of pieces) {
    reader.push(typeof piece === "string" ? bytesOf(piece) : piece);
    while (reader.take() !== undefined);
  }
  return reader;
}

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

for (const [name, end] of Object.entries(LINE_ENDS)) {
  Deno.test(`events of another type are told with their data when lines end with ${name}`, () => {
    const others: string[] = [];
    const note = (type: string, data: Uint8Array) => void others.push(`${type}: ${textOf(data)}`);
    const reader = createSseReader(MAX, false, note);
    reader.push(bytesOf(
      ["event: endpoint", "data: /a", "data: b", "", "data: m", "", "event: x", "data", "", ""]
        .join(end),
    ));
    assertEquals([textOf(reader.take()), reader.take(), others], [
      "m",
      undefined,
      ["endpoint: /a\nb"],
    ]);
  });
}
