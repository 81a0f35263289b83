/**
 * What the answers of an API become.
 *
 * @module
 * @see contract.md, section 8, "REST tools"
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { LIMITS } from "../../../src/domain/limits.ts";
import type { RestTool } from "../../../src/domain/rest_tool.ts";
import { openRestWorld } from "./rest_world.ts";

async function resultOf(reply: string, tool: Partial<RestTool> = {}, isModern = true) {
  await using world = openRestWorld(() => reply);
  return await world.call(tool, {}, { isModern });
}

function http(status: number, type: string, body = ""): string {
  const bytes = new TextEncoder().encode(body).length;
  return `HTTP/1.1 ${status} X\r\n${type === "" ? "" : `Content-Type: ${type}\r\n`}` +
    `Content-Length: ${bytes}\r\n\r\n${body}`;
}

const text = (value: string) => ({ content: [{ type: "text", text: value }] });

for (
  const [what, type, body, isModern, structured] of [
    ["an object", "application/json", '{ "a": 1 }', false, { a: 1 }],
    ["an empty object", "application/json", "{}", false, {}],
    ["an object of another type", "application/problem+json; charset=utf-8", "{}", false, {}],
    ["an object without a type", "", '{"a":1}', false, { a: 1 }],
    ["a list, to a modern client", "application/json", "[1]", true, [1]],
    ["null, to a modern client", "application/json", "null", true, null],
    ["text, to a modern client", "application/json", '"a"', true, "a"],
  ] as const
) {
  Deno.test(`JSON becomes structured content and text: ${what}`, async () => {
    assertEquals(await resultOf(http(200, type, body), {}, isModern), {
      ...text(body),
      structuredContent: structured,
    });
  });
}

for (const body of ["[1]", "null", "7", '"a"']) {
  Deno.test(`${body} is text alone to a client of the session era`, async () => {
    assertEquals(await resultOf(http(200, "application/json", body), {}, false), text(body));
  });
}

Deno.test("what is said to be JSON and is not is an error", async () => {
  assertEquals(await resultOf(http(200, "application/json", '{"a":')), {
    content: [
      { type: "text", text: "The reply is said to be JSON, and is not" },
      { type: "text", text: '{"a":' },
    ],
    isError: true,
  });
});

Deno.test("JSON that is nested too deep is text alone", async () => {
  const body = "[".repeat(100) + "]".repeat(100);
  assertEquals(await resultOf(http(200, "application/json", body)), text(body));
});

for (
  const [type, body] of [
    ["text/plain", "hello"],
    ["text/html; charset=utf-8", "<b>ü</b>"],
    ["application/xml", "<a/>"],
    ["application/atom+xml", "<a/>"],
    ["application/x-ndjson", "{}\n{}"],
    ["", "hello"],
  ] as const
) {
  Deno.test(`${type || "text without a type"} is text`, async () => {
    assertEquals(await resultOf(http(200, type, body)), text(body));
  });
}

Deno.test("text is read in the encoding that it is said to have", async () => {
  const head = "HTTP/1.1 200 X\r\nContent-Type: text/plain; charset=iso-8859-1\r\n";
  await using world = openRestWorld(() => `${head}Content-Length: 2\r\n\r\nü`);
  assertEquals(await world.call({}), text("Ã¼"));
});

for (
  const [type, content] of [
    ["image/png", { type: "image", data: "aGVsbG8=", mimeType: "image/png" }],
    ["image/svg+xml", { type: "image", data: "aGVsbG8=", mimeType: "image/svg+xml" }],
    ["Audio/WAV", { type: "audio", data: "aGVsbG8=", mimeType: "audio/wav" }],
    ["application/pdf", binary("application/pdf")],
    ["no type at all", binary("application/octet-stream")],
  ] as const
) {
  Deno.test(`${type} is content of type ${content.type}`, async () => {
    assertEquals(await resultOf(http(200, type, "hello")), { content: [content] });
  });
}

function binary(mimeType: string) {
  const uri = "sallyport://tools/a_tool/reply";
  return { type: "resource", resource: { uri, mimeType, blob: "aGVsbG8=" } } as const;
}

for (const reply of [http(204, ""), http(200, ""), http(202, "application/json")]) {
  Deno.test(`no content is said: ${reply.slice(9, 12)}`, async () => {
    const said = `The request was carried out; the reply (HTTP ${
      reply.slice(9, 12)
    }) has no content`;
    assertEquals(await resultOf(reply), text(said));
  });
}

Deno.test("HEAD gives what it says of the content", async () => {
  const reply = 'HTTP/1.1 200 X\r\nContent-Length: 12345\r\nETag: "a"\r\nX-Other: 1\r\n\r\n';
  await using world = openRestWorld(() => reply);
  const value = { status: 200, headers: { "content-length": "12345", etag: '"a"' } };
  const expected = { ...text(JSON.stringify(value)), structuredContent: value };
  assertEquals([await world.call({ method: "HEAD" }), await world.call({ method: "HEAD" })], [
    expected,
    expected,
  ]);
  assertEquals(world.server.connections(), 1);
});

for (
  const [status, type, body, shown] of [
    [404, "application/json", '{"error":"no such pet"}', ': {"error":"no such pet"}'],
    [500, "text/html", "<h1>Oh&nbsp;no</h1><script>x</script> <p>bad", ": Oh&nbsp;no bad"],
    [418, "", "", ""],
    [400, "image/png", "\0\u0001", ""],
    [304, "", "", ", a redirect that is not followed"],
    [302, "", "", ", a redirect that is not followed"],
  ] as const
) {
  Deno.test(`${status} ${type} is an error with its text`, async () => {
    assertEquals(await resultOf(http(status, type, body)), {
      ...text(`The API answered HTTP ${status}${shown}`),
      isError: true,
    });
  });
}

for (
  const [what, body, shown] of [
    ["control characters", "a\u001b[31mb\u0007\u202e\r\nc", "a[31mb\nc"],
    ["the address of the API", "at 127.0.0.1:9 failed", "at [address] failed"],
    ["a URL", "see https://user:pw@10.0.0.1/x?y=1 now", "see [address] now"],
    ["an IPv6 address", "from fe80::1%eth0 or [::1]:80", "from [address]%eth0 or [address]:80"],
    ["a host with its port", "db.internal:5432 is away", "[address] is away"],
    ["a time of day", "at 12:30:45 or 12:30", "at 12:30:45 or 12:30"],
    ["a comparison", "a < b > c", "a < b > c"],
    ["a tag made of tags", "<<b>script>alert(1)<</b>/script>", "< script>alert(1)< /script>"],
    ["a comment", "a<!-- secret -->b", "ab"],
  ] as const
) {
  Deno.test(`an error shows no markup, control characters or addresses: ${what}`, async () => {
    const { content } = await resultOf(http(500, "text/plain", body));
    assertEquals(content, text(`The API answered HTTP 500: ${shown}`).content);
  });
}

Deno.test("an error never shows the name of the API's host", async () => {
  await using world = openRestWorld(() => http(500, "text/plain", "API.example.COM fell over"), {
    resolve: () => Promise.resolve(["127.0.0.1"]),
  });
  const { port } = world.server;
  const { content } = await world.call({ url: `http://api.example.com:${port}/` });
  assertEquals(content, text("The API answered HTTP 500: [address] fell over").content);
});

for (const char of ["x", "ü", "🦊"]) {
  Deno.test(`an error is cut to 64 KiB, however much there is of ${char}`, async () => {
    const { content } = await resultOf(http(500, "text/plain", char.repeat(250_000)));
    const [first] = content;
    const bytes = first?.type === "text" ? new TextEncoder().encode(first.text).length : 0;
    assert.ok(bytes > 60_000 && bytes <= LIMITS.restErrorShownBytes, String(bytes));
    assertEquals(JSON.stringify(content).includes("\ufffd"), false);
  });
}

for (
  const piece of ["<script", "<!-- -", "a.", "a:", "1.", "<", "x://", "[:", "</script><script>"]
) {
  Deno.test(`LIM-12: an error full of ${JSON.stringify(piece)} is cleaned in linear time`, async () => {
    const body = piece.repeat(250_000 / piece.length);
    const { isError } = await resultOf(http(500, "text/html", `<${body}`));
    assertEquals(isError, true);
  });
}

const NAMES = { type: "object", required: ["name"], properties: { name: { type: "string" } } };

Deno.test("OUT-08: a reply that fits the output schema is as any other", async () => {
  const reply = http(200, "application/json", '{"name":"a"}');
  assertEquals(await resultOf(reply, { outputSchema: NAMES }), {
    ...text('{"name":"a"}'),
    structuredContent: { name: "a" },
  });
});

for (
  const [what, type, body, said] of [
    [
      "JSON of another form",
      "application/json",
      '{"name":1}',
      'The reply does not fit the output schema of the tool: its values: "/name" must be string.',
    ],
    [
      "text",
      "text/plain",
      '{"name":1}',
      "The tool has an output schema, and the reply (HTTP 200) is no JSON",
    ],
  ] as const
) {
  Deno.test(`OUT-08: ${what} that does not fit the output schema is told, and shown`, async () => {
    assertEquals(await resultOf(http(200, type, body), { outputSchema: NAMES }), {
      content: [{ type: "text", text: said }, { type: "text", text: body }],
      isError: true,
    });
  });
}

Deno.test("OUT-08: an error of the API is not held against the output schema", async () => {
  assertEquals(await resultOf(http(404, "application/json", "{}"), { outputSchema: NAMES }), {
    ...text("The API answered HTTP 404: {}"),
    isError: true,
  });
});

const PETS = http(200, "application/json", '{"pets":[{"id":1,"n":"a"},{"id":2,"n":"b"}]}');

for (
  const [filter, value] of [
    ["$.pets[*].id", [1, 2]],
    ["$.nothing", []],
    ['$.pets[?search(@.n, "^b")].id', [2]],
    ["pets[0]", { id: 1, n: "a" }],
    ["pets[].id", [1, 2]],
    ["nothing", null],
  ] as const
) {
  Deno.test(`the filter ${filter} gives ${JSON.stringify(value)}`, async () => {
    assertEquals(await resultOf(PETS, { filter }), {
      ...text(JSON.stringify(value)),
      structuredContent: value,
    });
  });
}

Deno.test("errors are not filtered", async () => {
  assertEquals(await resultOf(http(400, "application/json", '{"a":1}'), { filter: "$.b" }), {
    ...text('The API answered HTTP 400: {"a":1}'),
    isError: true,
  });
});

Deno.test("what cannot be filtered is not shown", async () => {
  const result = await resultOf(http(200, "text/plain", "secret"), { filter: "a" });
  assertEquals([result.isError, JSON.stringify(result).includes("secret")], [true, false]);
});

Deno.test("what came of the filter has to fit the output schema", async () => {
  const outputSchema = { type: "object" };
  const { isError } = await resultOf(PETS, { filter: "$.pets", outputSchema });
  assertEquals(isError, true);
});
