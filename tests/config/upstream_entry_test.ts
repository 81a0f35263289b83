/**
 * Entries of `mcpServers`: what MCP clients write works as it is.
 *
 * @module
 */
import { PLAIN_UPSTREAM } from "../support/plain_upstream.ts";
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  entry,
  type Fields,
  notesOf,
  only,
  onlyStdio,
  problemsOf,
  read,
  URL_FIELD,
} from "./read_file.ts";

Deno.test("an entry with a url becomes an upstream server", () => {
  const text = entry({ url: "https://example.com/mcp?a=b" }, "My Server!");
  assertEquals(read(text).declarations.upstreams, [{
    name: "My Server!",
    slug: "my-server",
    transport: "http",
    url: new URL("https://example.com/mcp?a=b"),
    headers: {},
    auth: { type: "none" },
    ...PLAIN_UPSTREAM,
  }]);
});

Deno.test("an entry with a command becomes a stdio server", () => {
  const text = entry({
    command: "npx",
    args: ["-y", "some-server", "./docs"],
    env: { MODE: "ro" },
  }, "files");
  assertEquals(read(text).declarations.upstreams, [{
    name: "files",
    slug: "files",
    transport: "stdio",
    command: "npx",
    args: ["-y", "some-server", "./docs"],
    env: { MODE: "ro" },
    cwd: undefined,
    ...PLAIN_UPSTREAM,
  }]);
});

Deno.test("${NAME} takes the variable in command, args, env and cwd", () => {
  const { command, args, env, cwd } = onlyStdio(
    { command: "${DIR}/x", args: ["a", "b=${DIR}"], env: { A: "${DIR}" }, cwd: "${DIR}" },
    { DIR: "/opt/tools" },
  );
  assertEquals({ command, args, env, cwd }, {
    command: "/opt/tools/x",
    args: ["a", "b=/opt/tools"],
    env: { A: "/opt/tools" },
    cwd: "/opt/tools",
  });
});

Deno.test("an argument may be empty, and hold what a shell would read", () => {
  const args = ["", "$HOME", "a b", "; rm", "*"];
  assertEquals(onlyStdio({ command: "x", args }).args, args);
});

for (const type of ["stdio", "STDIO"]) {
  Deno.test(`the type ${type} may stand beside a command`, () => {
    assertEquals(onlyStdio({ command: "x", type }).transport, "stdio");
  });
}

for (
  const [type, transport] of [
    [undefined, "http"],
    ["http", "http"],
    ["streamable-http", "http"],
    ["streamableHttp", "http"],
    ["sse", "sse"],
    ["SSE", "sse"],
  ] as const
) {
  Deno.test(`the type ${type} is the transport ${transport}`, () => {
    assertEquals(only({ ...URL_FIELD, type }).transport, transport);
  });
}

for (
  const [fields, expected] of [
    [{ title: "A" }, { title: "A" }],
    [{ timeout: "90s" }, { timeoutMs: 90_000 }],
    [{ timeout: 90 }, { timeoutMs: 90_000 }],
    [{ visibility: "team", team: "red" }, { visibility: "team", team: "red", owner: undefined }],
    [{ visibility: "private", owner: "a@b.example" }, {
      visibility: "private",
      owner: "a@b.example",
    }],
    // Who may see it is said by `visibility`; what does not belong to that would only mislead.
    [{ team: "red", owner: "a@b.example" }, {
      visibility: "public",
      team: undefined,
      owner: undefined,
    }],
    [{ expose: false }, { expose: false }],
    [{ tags: ["a", "b"] }, { tags: ["a", "b"] }],
    [{ disabled: true }, { enabled: false }],
    [{ disabled: false }, { enabled: true }],
    [{ enabled: false }, { enabled: false }],
    [{ enabled: true, disabled: true }, { enabled: false }],
  ] satisfies [Fields, Fields][]
) {
  for (const kind of [URL_FIELD, { command: "x" }]) {
    const how = Object.keys(kind)[0];
    Deno.test(`with a ${how}, ${JSON.stringify(fields)} gives ${JSON.stringify(expected)}`, () => {
      const [declaration] = read(entry({ ...kind, ...fields })).declarations.upstreams;
      const read_ = Object.entries(declaration!).filter(([name]) => Object.hasOwn(expected, name));
      assertEquals(Object.fromEntries(read_), expected);
    });
  }
}

Deno.test("the url of a disabled entry that lacks a variable leads nowhere", () => {
  const { url } = only({ url: "https://${NOPE}/mcp", disabled: true });
  assertEquals(url.hostname.endsWith(".invalid"), true);
});

Deno.test("headers to pass on are given in lower case, once each", () => {
  const { passthroughHeaders } = only({
    ...URL_FIELD,
    passthroughHeaders: ["X-Tenant", "x-tenant", "Traceparent"],
  });
  assertEquals(passthroughHeaders, ["x-tenant", "traceparent"]);
});

for (
  const name of ("Authorization Proxy-Authorization Cookie Set-Cookie Host Connection TE " +
    "Transfer-Encoding Content-Length Content-Type Accept Forwarded X-Forwarded-For Origin " +
    "Mcp-Session-Id MCP-Protocol-Version Last-Event-ID").split(" ").concat("a b", "", "é")
) {
  Deno.test(`the header "${name}" cannot be passed on`, () => {
    assertEquals(problemsOf(entry({ ...URL_FIELD, passthroughHeaders: [name] })), [
      `mcpServers.a.passthroughHeaders: "${name}" is never passed on`,
    ]);
  });
}

Deno.test("unknown fields are noted, not refused", () => {
  assertEquals(notesOf(entry({ ...URL_FIELD, autoApprove: [] })), [
    "mcpServers.a.autoApprove is not known and was skipped",
  ]);
});

for (
  const fields of [
    { ...URL_FIELD, args: ["a"] },
    { ...URL_FIELD, env: { A: "b" } },
    { ...URL_FIELD, cwd: "/" },
    { command: "x", headers: { A: "b" } },
    { command: "x", auth: { type: "none" } },
    { command: "x", passthroughHeaders: ["a"] },
  ]
) {
  Deno.test(`what has no effect is noted: ${JSON.stringify(fields)}`, () => {
    const field = Object.keys(fields)[1];
    assertEquals(notesOf(entry(fields)).map((note) => note.split(" on ")[0]), [
      `mcpServers.a.${field} has no effect`,
    ]);
  });
}

for (
  const [fields, problem] of [
    [{}, 'mcpServers.a: needs a "url" (or a "command")'],
    [{ type: "stdio" }, 'mcpServers.a: needs a "command"'],
    [{ url: "a.example" }, "mcpServers.a.url: must be an http or https URL"],
    [{ url: "ftp://a.example" }, "mcpServers.a.url: must be an http or https URL"],
    [
      { url: "http://u:hidden@a.example" },
      'mcpServers.a.url: must not hold credentials or a fragment; use "headers" or "auth"',
    ],
    [
      { ...URL_FIELD, type: "ws" },
      'mcpServers.a.type: must be http, sse, or absent with a command; got "ws"',
    ],
    [
      { ...URL_FIELD, type: "constructor" },
      'mcpServers.a.type: must be http, sse, or absent with a command; got "constructor"',
    ],
    [{ ...URL_FIELD, visibility: "team" }, 'mcpServers.a.team: needed with "team"'],
    [{ ...URL_FIELD, visibility: "private" }, 'mcpServers.a.owner: needed with "private"'],
    [
      { ...URL_FIELD, timeout: "soon" },
      'mcpServers.a.timeout: must be a duration such as "30s" or "5m"',
    ],
    [{ ...URL_FIELD, timeout: 0 }, "mcpServers.a.timeout: must be between 100ms and 24h"],
    [{ ...URL_FIELD, timeout: "9d" }, "mcpServers.a.timeout: must be between 100ms and 24h"],
    [
      { ...URL_FIELD, headers: { "A B": "c" } },
      "mcpServers.a.headers.A B: the header cannot be set here",
    ],
    [
      { ...URL_FIELD, headers: { Host: "b" } },
      "mcpServers.a.headers.Host: the header cannot be set here",
    ],
    [
      { ...URL_FIELD, headers: { A: "b\r\nC: d" } },
      "mcpServers.a.headers.A: must be printable ASCII",
    ],
    [{ ...URL_FIELD, headers: { A: "b", a: "c" } }, "mcpServers.a.headers.a: is there twice"],
    [{ command: "" }, "mcpServers.a.command: must not be empty"],
    [{ command: " " }, "mcpServers.a.command: must not be empty"],
    [
      { command: "~/bin/x" },
      'mcpServers.a.command: "~" means nothing without a shell; write "${HOME}"',
    ],
    [{ command: "x", cwd: "" }, "mcpServers.a.cwd: must not be empty"],
    [{ command: "x", ...URL_FIELD }, 'mcpServers.a: has both a "url" and a "command"'],
    [
      { command: "x", type: "http" },
      "mcpServers.a.type: must be stdio or absent with a command",
    ],
    [{ command: "x\0y" }, "mcpServers.a.command: must not hold a NUL"],
    [{ command: "x", args: ["a", "\0"] }, "mcpServers.a.args.1: must not hold a NUL"],
    [{ command: "x", env: { A: "\0" } }, "mcpServers.a.env.A: must not hold a NUL"],
    [{ command: "x", cwd: "a\0b" }, "mcpServers.a.cwd: must not hold a NUL"],
    [{ command: "x", env: { "A=B": "c" } }, "mcpServers.a.env.A=B: is no name of a variable"],
    [
      { command: "x", env: { LD_PRELOAD: "c" } },
      "mcpServers.a.env.LD_PRELOAD: variables of the dynamic linker cannot be set",
    ],
  ] satisfies [Fields, string][]
) {
  Deno.test(`"${problem}" is what ${JSON.stringify(fields)} gets`, () => {
    assertEquals(problemsOf(entry(fields)), [problem]);
  });
}

for (
  const wrong of [
    { url: 1 },
    { ...URL_FIELD, headers: { A: 1 } },
    { ...URL_FIELD, visibility: "secret" },
    { ...URL_FIELD, disabled: "no" },
    { ...URL_FIELD, expose: 1 },
    { ...URL_FIELD, tags: "a" },
    { ...URL_FIELD, passthroughHeaders: "a" },
    { command: ["npx"] },
    { command: "x", args: "-y" },
    { command: "x", args: [1] },
    { command: "x", env: { A: 1 } },
    "http://a.example",
    [],
    null,
  ]
) {
  Deno.test(`${JSON.stringify(wrong)} is a problem with its path`, () => {
    const found = problemsOf(JSON.stringify({ mcpServers: { a: wrong } }));
    assertEquals(found.map((problem) => problem.startsWith("mcpServers.a")), [true]);
  });
}

Deno.test("a header value is not broken in two by a variable", () => {
  const text = entry({ ...URL_FIELD, headers: { A: "${EVIL}" } });
  assertEquals(problemsOf(text, { EVIL: "a\r\nB: c" }), [
    "mcpServers.a.headers.A: must be printable ASCII",
  ]);
});

Deno.test("a variable does not put credentials into a url", () => {
  assertEquals(problemsOf(entry({ url: "http://${EVIL}a.example" }), { EVIL: "u:p@" }), [
    'mcpServers.a.url: must not hold credentials or a fragment; use "headers" or "auth"',
  ]);
});
