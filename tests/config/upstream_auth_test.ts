/**
 * `auth` in the config file: the five kinds, and what none of them can be.
 *
 * @module
 * @see contract.md, section 6
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { entry, type Fields, notesOf, only, problemsOf, URL_FIELD } from "./read_file.ts";

const OAUTH = {
  type: "oauth_client_credentials",
  tokenUrl: "https://login.example/token",
  clientId: "gateway",
  clientSecret: "${TOKEN}",
};

for (
  const [auth, expected] of [
    [{ type: "none" }, { type: "none" }],
    [{ type: "bearer", token: "${TOKEN}" }, { type: "bearer", token: "hidden-token" }],
    [{ type: "basic", username: "${TOKEN}", password: "pä ss${EMPTY}" }, {
      type: "basic",
      username: "hidden-token",
      password: "pä ss",
    }],
    [{ type: "basic", username: "key", password: "" }, {
      type: "basic",
      username: "key",
      password: "",
    }],
    [{ type: "header", name: "X-Key", value: "k ${TOKEN}" }, {
      type: "header",
      name: "X-Key",
      value: "k hidden-token",
    }],
    [OAUTH, { ...OAUTH, clientSecret: "hidden-token" }],
    [{ ...OAUTH, scope: "a b", resource: "https://a.example/mcp" }, {
      ...OAUTH,
      clientSecret: "hidden-token",
      scope: "a b",
      resource: "https://a.example/mcp",
    }],
  ] satisfies [Fields, Fields][]
) {
  Deno.test(`${JSON.stringify(auth)} is taken over`, () => {
    assertEquals({ ...only({ ...URL_FIELD, auth }).auth }, expected);
  });
}

for (
  const [auth, member, problem] of [
    [{ type: "bearer", token: "" }, "token", "must be printable ASCII without spaces"],
    [{ type: "bearer", token: "a b" }, "token", "must be printable ASCII without spaces"],
    [{ type: "bearer", token: "a\r\nB: c" }, "token", "must be printable ASCII without spaces"],
    [{ type: "bearer", token: "${NOPE}" }, "token", "the environment has no NOPE"],
    [{ type: "basic", username: "a:b", password: "c" }, "username", "must not hold a colon"],
    [
      { type: "basic", username: "a", password: "c\n" },
      "password",
      "must not hold control characters",
    ],
    [{ type: "header", name: "Host", value: "a" }, "name", "the header cannot be set here"],
    [{ type: "header", name: "A: b\r\nC", value: "a" }, "name", "the header cannot be set here"],
    [
      { type: "header", name: "A", value: "a\r\nB: c" },
      "value",
      "must be printable ASCII, not empty",
    ],
    [{ ...OAUTH, tokenUrl: "file:///etc" }, "tokenUrl", "must be an http or https URL"],
    [
      { ...OAUTH, tokenUrl: "https://a:b@c.example" },
      "tokenUrl",
      "must not hold credentials or a fragment",
    ],
    [{ ...OAUTH, clientSecret: "${EMPTY}" }, "clientSecret", "must be printable ASCII, not empty"],
    [
      { ...OAUTH, resource: "https://a.example/#b" },
      "resource",
      "must be an absolute URI without a fragment",
    ],
    [{ ...OAUTH, resource: "mcp" }, "resource", "must be an absolute URI without a fragment"],
  ] satisfies [Fields, string, string][]
) {
  Deno.test(`${JSON.stringify(auth)}: ${member} ${problem}`, () => {
    assertEquals(problemsOf(entry({ ...URL_FIELD, auth })), [
      `mcpServers.a.auth.${member}: ${problem}`,
    ]);
  });
}

for (
  const auth of [
    "bearer",
    {},
    { type: "digest" },
    { type: "constructor" },
    { type: "bearer" },
    { type: "basic", username: "a" },
    { type: "bearer", token: 1 },
    { ...OAUTH, clientSecret: undefined },
  ]
) {
  Deno.test(`${JSON.stringify(auth)} is a problem with its path`, () => {
    const found = problemsOf(entry({ ...URL_FIELD, auth }));
    assertEquals(found.map((problem) => problem.startsWith("mcpServers.a.auth")), [true]);
  });
}

Deno.test("unknown members are noted", () => {
  assertEquals(notesOf(entry({ ...URL_FIELD, auth: { type: "none", realm: "a" } })), [
    "mcpServers.a.auth.realm is not known and was skipped",
  ]);
});

for (
  const [headers, auth, name] of [
    [{ AUTHORIZATION: "x" }, { type: "bearer", token: "a" }, "authorization"],
    [{ "x-key": "x" }, { type: "header", name: "X-Key", value: "a" }, "x-key"],
  ] as const
) {
  Deno.test(`that ${auth.type} takes the place of ${Object.keys(headers)} is noted`, () => {
    assertEquals(notesOf(entry({ ...URL_FIELD, headers, auth })), [
      `mcpServers.a.headers: the one of "auth" is sent in place of "${name}"`,
    ]);
  });
}
