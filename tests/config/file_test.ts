/**
 * The config file: what MCP clients write works as it is, and what does not is said, all of it.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { parseConfigFile } from "../../src/config/file.ts";

const ENV: Readonly<Record<string, string>> = {
  TOKEN: "hidden-token",
  HOST_NAME: "tools.example.com",
  EMPTY: "",
};

Deno.test("an entry with a url becomes an upstream server", () => {
  const { upstreams } = read(entry({ url: "https://example.com/mcp?a=b" }, "My Server!"));
  const { url, ...others } = upstreams[0]!;
  assertEquals([url.href, others], ["https://example.com/mcp?a=b", {
    name: "My Server!",
    slug: "my-server",
    title: undefined,
    transport: "http",
    headers: {},
    visibility: "public",
    team: undefined,
    owner: undefined,
    timeoutMs: undefined,
  }]);
});

Deno.test("comments, trailing commas and a byte order mark are fine", () => {
  const text = `\ufeff{ // a comment
    "mcpServers": { /* another */ "a": { "url": "http://127.0.0.1:1/mcp", }, },
  }`;
  assertEquals(read(text).upstreams.map(({ slug }) => slug), ["a"]);
});

for (
  const [type, transport] of [
    [undefined, "http"],
    ["http", "http"],
    ["streamable-http", "http"],
    ["streamableHttp", "http"],
  ] as const
) {
  Deno.test(`the type ${type} is served as ${transport}`, () => {
    assertEquals(only({ url: "http://a.example/mcp", type }).transport, transport);
  });
}

Deno.test("title, visibility and timeout are taken over", () => {
  const { title, visibility, team, timeoutMs } = only({
    url: "http://a.example/mcp",
    title: "A",
    visibility: "team",
    team: "red",
    timeout: "90s",
  });
  assertEquals({ title, visibility, team, timeoutMs }, {
    title: "A",
    visibility: "team",
    team: "red",
    timeoutMs: 90_000,
  });
});

Deno.test("a timeout may be a number of seconds", () => {
  assertEquals(only({ url: "http://a.example/mcp", timeout: 90 }).timeoutMs, 90_000);
});

Deno.test("${NAME} in a url takes the variable", () => {
  assertEquals(only({ url: "https://${HOST_NAME}/mcp" }).url.href, "https://tools.example.com/mcp");
});

Deno.test("${NAME} in a header takes the variable", () => {
  const { headers } = only({
    url: "http://a.example/mcp",
    headers: { Authorization: "Bearer ${TOKEN}" },
  });
  assertEquals(headers, { Authorization: "Bearer hidden-token" });
});

Deno.test("a variable that is empty is there", () => {
  assertEquals(only({ url: "http://a.example/mcp", headers: { A: "x${EMPTY}y" } }).headers.A, "xy");
});

Deno.test("a value of a variable is not searched for further variables", () => {
  const text = entry({ url: "http://a.example/mcp", headers: { A: "${NESTED}" } });
  const { upstreams } = read(text, { NESTED: "${TOKEN}" });
  assertEquals(upstreams[0]!.headers.A, "${TOKEN}");
});

Deno.test("the variables that are referred to are listed once each", () => {
  const text = JSON.stringify({
    mcpServers: {
      a: { url: "http://${HOST_NAME}/mcp", headers: { A: "${TOKEN}${TOKEN}" } },
      b: { url: "http://${HOST_NAME}/mcp" },
    },
  });
  assertEquals([...read(text).variables].sort(), ["HOST_NAME", "TOKEN"]);
});

Deno.test("a missing variable is named with its place", () => {
  const text = entry({ url: "http://a.example/mcp", headers: { Authorization: "${NOPE}" } });
  assertEquals(problemsOf(text), [
    "mcpServers.a.headers.Authorization: the environment has no NOPE",
  ]);
});

Deno.test("a missing variable of a disabled entry is no problem", () => {
  assertEquals(problemsOf(entry({ url: "http://${NOPE}/mcp", disabled: true })), []);
});

Deno.test("the variables of a disabled entry are not asked for", () => {
  assertEquals(read(entry({ url: "http://${TOKEN}/mcp", disabled: true })).variables, []);
});

Deno.test("a disabled entry is not served", () => {
  assertEquals(read(entry({ url: "http://a.example/mcp", disabled: true })).upstreams, []);
});

Deno.test("a stdio entry is skipped, and noted", () => {
  const { upstreams, notes } = read(entry({ command: "npx", args: ["-y"], env: { A: "b" } }));
  assertEquals([upstreams, notes], [[], [
    "mcpServers.a is a stdio server: not served yet, skipped",
  ]]);
});

for (const type of ["sse", "SSE"]) {
  Deno.test(`an entry of the type ${type} is skipped, and noted`, () => {
    const { upstreams, notes } = read(entry({ url: "http://a.example/sse", type }));
    assertEquals([upstreams, notes], [[], [
      "mcpServers.a is a server of the 2024-11-05 transport: not served yet, skipped",
    ]]);
  });
}

Deno.test("unknown fields are noted, not refused", () => {
  const { notes } = read(entry({ url: "http://a.example/mcp", autoApprove: [] }));
  assertEquals(notes, ["mcpServers.a.autoApprove is not known and was skipped"]);
});

Deno.test("unknown members of the file are noted, not refused", () => {
  assertEquals(read('{"inputs":[],"$schema":"a"}').notes, [
    '"inputs" is not known and was skipped',
  ]);
});

for (const field of ["args", "env", "expose", "passthroughHeaders"]) {
  Deno.test(`the field ${field} is known`, () => {
    assertEquals(read(entry({ url: "http://a.example/mcp", [field]: [] })).notes, []);
  });
}

for (const foreign of [{ url: "http://a.example" }, { command: "npx" }]) {
  Deno.test(`"servers" with a ${Object.keys(foreign)} is refused with the hint to rename it`, () => {
    assertEquals(problemsOf(JSON.stringify({ servers: { a: foreign } })), [
      'servers.a: has a command or url; rename "servers" to "mcpServers"',
    ]);
  });
}

Deno.test("settings are given as they would stand in the environment", () => {
  const { settings } = read('{"settings":{"A":"x","B":5,"C":true,"D":["a","b"]}}');
  assertEquals(settings, { A: "x", B: "5", C: "true", D: '["a","b"]' });
});

for (
  const [text, problem] of [
    ["{", "the file is not JSON: CloseBraceExpected at line 1, column 2"],
    ['{\n  "a": x\n}', "the file is not JSON: InvalidSymbol at line 2, column 8"],
    ["", "the file is not JSON: ValueExpected at line 1, column 1"],
    ["[]", "the file must hold an object"],
    ['{"mcpServers":[]}', "mcpServers: must be an object"],
    ['{"settings":"a"}', "settings: must be an object"],
    [entry({}), 'mcpServers.a: needs a "url" (or a "command")'],
    [entry({ url: "a.example" }), "mcpServers.a.url: must be an http or https URL"],
    [entry({ url: "ftp://a.example" }), "mcpServers.a.url: must be an http or https URL"],
    [
      entry({ url: "http://u:hidden@a.example" }),
      'mcpServers.a.url: must not hold credentials or a fragment; use "headers"',
    ],
    [
      entry({ url: "http://a.example", type: "ws" }),
      'mcpServers.a.type: must be http, sse, or absent with a command; got "ws"',
    ],
    [
      entry({ url: "http://a.example", type: "constructor" }),
      'mcpServers.a.type: must be http, sse, or absent with a command; got "constructor"',
    ],
    [
      entry({ url: "http://a.example", visibility: "team" }),
      'mcpServers.a.team: needed with "team"',
    ],
    [
      entry({ url: "http://a.example", visibility: "private" }),
      'mcpServers.a.owner: needed with "private"',
    ],
    [
      entry({ url: "http://a.example", timeout: "soon" }),
      'mcpServers.a.timeout: must be a duration such as "30s" or "5m"',
    ],
    [
      entry({ url: "http://a.example", headers: { "A B": "c" } }),
      "mcpServers.a.headers.A B: the header cannot be set here",
    ],
    [
      entry({ url: "http://a.example", headers: { Host: "b" } }),
      "mcpServers.a.headers.Host: the header cannot be set here",
    ],
    [
      entry({ url: "http://a.example", headers: { A: "b\r\nC: d" } }),
      "mcpServers.a.headers.A: must be printable ASCII",
    ],
    [
      entry({ url: "http://a.example" }, "!!!"),
      "mcpServers.!!!: the name needs letters or digits, at most 128",
    ],
  ] as const
) {
  Deno.test(`"${problem}"`, () => assertEquals(problemsOf(text), [problem]));
}

for (
  const wrong of [
    { url: 1 },
    { url: "http://a.example", headers: { A: 1 } },
    { url: "http://a.example", visibility: "secret" },
    { url: "http://a.example", disabled: "no" },
    "http://a.example",
    null,
  ]
) {
  Deno.test(`${JSON.stringify(wrong)} is a problem with its path`, () => {
    const found = problemsOf(JSON.stringify({ mcpServers: { a: wrong } }));
    assertEquals(found.map((problem) => problem.startsWith("mcpServers.a")), [true]);
  });
}

Deno.test("two names with one slug are a problem that names both", () => {
  const url = "http://a.example/mcp";
  assertEquals(
    problemsOf(JSON.stringify({ mcpServers: { "My Tools": { url }, "my-tools": { url } } })),
    [
      'mcpServers.my-tools: has the same URL name as "My Tools" (my-tools)',
    ],
  );
});

Deno.test("a header value is not broken in two by a variable", () => {
  const text = entry({ url: "http://a.example/mcp", headers: { A: "${EVIL}" } });
  const problems: string[] = [];
  parseConfigFile(text, () => "a\r\nB: c", problems);
  assertEquals(problems, ["mcpServers.a.headers.A: must be printable ASCII"]);
});

Deno.test("all problems of the file are found at once", () => {
  const text = JSON.stringify({
    mcpServers: {
      a: { url: "nope", type: "ws", visibility: "team", timeout: "soon" },
      b: {},
      c: { url: "http://${NOPE}/" },
    },
    servers: { d: { command: "npx" } },
  });
  const places = problemsOf(text).map((problem) => problem.split(":")[0]).sort();
  assertEquals([...new Set(places)], [
    "mcpServers.a.team",
    "mcpServers.a.timeout",
    "mcpServers.a.type",
    "mcpServers.a.url",
    "mcpServers.b",
    "mcpServers.c.url",
    "servers.d",
  ]);
});

Deno.test("no problem shows the value of a variable", () => {
  const text = JSON.stringify({
    mcpServers: {
      a: { url: "${TOKEN}" },
      b: { url: "http://${TOKEN}:x/" },
      c: { url: "http://a.example", headers: { "A B": "${TOKEN}", C: "${TOKEN}\n" } },
    },
  });
  const { notes, problems } = readAll(text);
  assertEquals(JSON.stringify([notes, problems]).includes("hidden"), false);
});

function entry(fields: Readonly<Record<string, unknown>>, name = "a"): string {
  return JSON.stringify({ mcpServers: { [name]: fields } });
}

function readAll(text: string, env: Readonly<Record<string, string>> = ENV) {
  const problems: string[] = [];
  return { ...parseConfigFile(text, (name) => env[name], problems), problems };
}

/** For a file without problems. */
function read(text: string, env?: Readonly<Record<string, string>>) {
  const { problems, ...file } = readAll(text, env);
  assertEquals(problems, []);
  return file;
}

function problemsOf(text: string): string[] {
  return readAll(text).problems;
}

function only(fields: Readonly<Record<string, unknown>>) {
  return read(entry(fields)).upstreams[0]!;
}
