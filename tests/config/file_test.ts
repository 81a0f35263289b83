/**
 * The config file as a whole: its form, its names, its variables, and that what is wrong is said,
 * all of it.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { parseConfigFile } from "../../src/config/file.ts";
import { entry, only, problemsOf, read, readAll, server, URL_FIELD } from "./read_file.ts";

Deno.test("comments, trailing commas and a byte order mark are fine", () => {
  const text = `\ufeff{ // a comment
    "mcpServers": { /* another */ "a": { "url": "http://127.0.0.1:1/mcp", }, },
  }`;
  assertEquals(read(text).declarations.upstreams.map(({ slug }) => slug), ["a"]);
});

Deno.test("servers stand in the order of the file", () => {
  const mcpServers = { zebra: URL_FIELD, ape: { command: "x" }, mole: URL_FIELD };
  const { upstreams } = read(JSON.stringify({ mcpServers })).declarations;
  assertEquals(upstreams.map(({ slug }) => slug), ["zebra", "ape", "mole"]);
});

Deno.test("a file without servers declares none", () => {
  assertEquals(read("{}").declarations, { upstreams: [], servers: [] });
});

Deno.test("${NAME} in a url takes the variable", () => {
  assertEquals(only({ url: "https://${HOST_NAME}/mcp" }).url.href, "https://tools.example.com/mcp");
});

Deno.test("${NAME} in a header takes the variable", () => {
  const { headers } = only({ ...URL_FIELD, headers: { Authorization: "Bearer ${TOKEN}" } });
  assertEquals(headers, { Authorization: "Bearer hidden-token" });
});

Deno.test("a variable that is empty is there", () => {
  assertEquals(only({ ...URL_FIELD, headers: { A: "x${EMPTY}y" } }).headers.A, "xy");
});

Deno.test("a value of a variable is not searched for further variables", () => {
  const { headers } = only({ ...URL_FIELD, headers: { A: "${NESTED}" } }, { NESTED: "${TOKEN}" });
  assertEquals(headers.A, "${TOKEN}");
});

Deno.test("the variables that are referred to are listed once each", () => {
  const text = JSON.stringify({
    mcpServers: {
      a: { url: "http://${HOST_NAME}/mcp", headers: { A: "${TOKEN}${TOKEN}" } },
      b: { command: "x", args: ["${HOST_NAME}"], env: { A: "${EMPTY}" } },
    },
  });
  assertEquals([...read(text).variables].sort(), ["EMPTY", "HOST_NAME", "TOKEN"]);
});

Deno.test("a missing variable is named with its place", () => {
  assertEquals(problemsOf(entry({ ...URL_FIELD, headers: { Authorization: "${NOPE}" } })), [
    "mcpServers.a.headers.Authorization: the environment has no NOPE",
  ]);
});

Deno.test("a variable that may not be read is a problem that says why", () => {
  const problems: string[] = [];
  const lookup = () => {
    throw new Error("not for you");
  };
  parseConfigFile(entry({ command: "x", args: ["${TOKEN}"] }), lookup, problems);
  assertEquals(problems, ["mcpServers.a.args.0: not for you"]);
});

for (
  const fields of [
    { url: "http://${NOPE}/mcp" },
    { url: "${NOPE}" },
    { ...URL_FIELD, headers: { A: "${NOPE}" } },
    { ...URL_FIELD, auth: { type: "bearer", token: "${NOPE}" } },
    { ...URL_FIELD, auth: { type: "header", name: "${NOPE}", value: "${NOPE}" } },
    { command: "${NOPE}", args: ["${NOPE}"], env: { A: "${NOPE}" }, cwd: "${NOPE}" },
  ]
) {
  Deno.test(`a disabled entry may lack its variables: ${JSON.stringify(fields)}`, () => {
    assertEquals(problemsOf(entry({ ...fields, disabled: true })), []);
  });
}

Deno.test("the variables of a disabled entry are not asked for", () => {
  assertEquals(read(entry({ url: "http://${TOKEN}/mcp", disabled: true })).variables, []);
});

Deno.test("a disabled entry holds no value of a variable", () => {
  const { declarations } = read(
    entry({ url: "http://${HOST_NAME}/", headers: { A: "${TOKEN}" }, disabled: true }),
  );
  assertEquals(/hidden|tools\.example/.test(JSON.stringify(declarations)), false);
});

Deno.test("what is wrong with a disabled entry besides its variables is said", () => {
  assertEquals(problemsOf(entry({ url: "nope", disabled: true })), [
    "mcpServers.a.url: must be an http or https URL",
  ]);
});

for (const form of ["${env:TOKEN}", "${TOKEN:-hidden}", "${}", "${1A}", "${TOKEN"]) {
  Deno.test(`${form} is no variable: it is left as it stands, and noted without being shown`, () => {
    const { notes, declarations } = read(entry({ command: "x", args: [form] }));
    const [declaration] = declarations.upstreams;
    assertEquals([declaration?.transport === "stdio" && declaration.args, notes], [[form], [
      'mcpServers.a.args.0 holds a "${" that is not ${NAME}: taken as it stands',
    ]]);
  });
}

Deno.test("unknown members of the file are noted, not refused", () => {
  assertEquals(read('{"inputs":[],"$schema":"a"}').notes, [
    '"inputs" is not known and was skipped',
  ]);
});

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
    ['{"servers":[]}', "servers: must be an object"],
    ['{"servers":null}', "servers: must be an object"],
    ['{"settings":"a"}', "settings: must be an object"],
  ] as const
) {
  Deno.test(`"${problem}" is what ${JSON.stringify(text)} gets`, () => {
    assertEquals(problemsOf(text), [problem]);
  });
}

Deno.test("a file that would exhaust its reader is a problem, not a crash", () => {
  const depth = 200_000;
  const text = `{"settings":{"A":${"[".repeat(depth)}${"]".repeat(depth)}}}`;
  assertEquals(problemsOf(text), ["the file is nested too deeply"]);
});

Deno.test("names that objects have by nature are names like others", () => {
  const text = '{"mcpServers":{"constructor":{"url":"http://a.example/"}}}';
  assertEquals(read(text).declarations.upstreams.map(({ slug }) => slug), ["constructor"]);
});

for (
  const [servers, problem] of [
    [
      { mcpServers: { "My Tools": URL_FIELD, "my-tools": URL_FIELD } },
      'mcpServers.my-tools: has the same URL name as "mcpServers.My Tools" (my-tools)',
    ],
    [
      { servers: { "My Tools": {}, "my-tools": {} } },
      'servers.my-tools: has the same URL name as "servers.My Tools" (my-tools)',
    ],
    [
      { servers: { Ops: {} }, mcpServers: { ops: URL_FIELD } },
      'servers.Ops: has the same URL name as "mcpServers.ops" (ops)',
    ],
    [
      { mcpServers: { a: { ...URL_FIELD, disabled: true }, A: URL_FIELD } },
      'mcpServers.A: has the same URL name as "mcpServers.a" (a)',
    ],
  ] as const
) {
  Deno.test(`"${problem}"`, () => assertEquals(problemsOf(JSON.stringify(servers)), [problem]));
}

for (const text of [entry(URL_FIELD, "!!!"), entry(URL_FIELD, "a".repeat(129)), server({}, "…")]) {
  Deno.test(`${text.slice(0, 40)} has a name that no URL can have`, () => {
    const [problem] = problemsOf(text);
    assertEquals(/: the name needs letters or digits, at most 128$/.test(problem!), true);
  });
}

Deno.test("all problems of the file are found at once", () => {
  const text = JSON.stringify({
    mcpServers: {
      a: { url: "nope", type: "ws", visibility: "team", timeout: "soon" },
      b: {},
      c: { url: "http://${NOPE}/" },
      d: { command: "x", args: ["${NOPE}"], env: { "": "x" }, passthroughHeaders: [] },
      e: { ...URL_FIELD, auth: { type: "bearer", token: "" }, passthroughHeaders: ["cookie"] },
    },
    servers: {
      f: { command: "npx" },
      g: { naming: "short", visibility: "team" },
      h: { visibility: "private" },
    },
  });
  const places = problemsOf(text).map((problem) => problem.split(":")[0]).sort();
  assertEquals(places, [
    "mcpServers.a.team",
    "mcpServers.a.timeout",
    "mcpServers.a.type",
    "mcpServers.a.url",
    "mcpServers.b",
    "mcpServers.c.url",
    "mcpServers.d.args.0",
    "mcpServers.d.env.",
    "mcpServers.e.auth.token",
    "mcpServers.e.passthroughHeaders",
    "servers.f",
    "servers.g.naming",
    "servers.h.owner",
  ]);
});

Deno.test("no problem and no note shows the value of a variable", () => {
  const text = JSON.stringify({
    mcpServers: {
      a: { url: "${TOKEN}" },
      b: { url: "http://${TOKEN}:x/" },
      c: { ...URL_FIELD, headers: { "A B": "${TOKEN}", C: "${TOKEN}\n" } },
      d: { ...URL_FIELD, auth: { type: "bearer", token: "${TOKEN} x" } },
      e: { ...URL_FIELD, auth: { type: "basic", username: "${TOKEN}:", password: "${TOKEN}\n" } },
      f: { ...URL_FIELD, auth: { type: "header", name: "${TOKEN} ", value: "${TOKEN}\n" } },
      g: {
        ...URL_FIELD,
        auth: {
          type: "oauth_client_credentials",
          tokenUrl: "${TOKEN}",
          clientId: "${TOKEN}\n",
          clientSecret: "${TOKEN}\n",
          scope: "${TOKEN}\n",
          resource: "${TOKEN}",
        },
      },
      h: { command: "${TOKEN}\0", args: ["${TOKEN}\0"], env: { A: "${TOKEN}\0" } },
    },
  });
  const { notes, problems } = readAll(text);
  assertEquals(JSON.stringify([notes, problems]).includes("hidden"), false);
});
