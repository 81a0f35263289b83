/**
 * What a record of a REST tool must not hold.
 *
 * @module
 * @see contract.md, section 8, "REST tools"
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { RestTool } from "../../../src/domain/rest_tool.ts";
import { restToolFaults } from "../../../src/upstream/rest/tool_faults.ts";
import { aTool } from "./rest_world.ts";

const SCHEMA = { type: "object", properties: { a: {}, b: {} } };
const at = (url: string) => ({ url, inputSchema: SCHEMA });

for (
  const [what, tool, ...paths] of [
    ["a plain tool", {}],
    ["a tool with templates", at("https://api.example.com/{a}?x={b}")],
    ["a template in the scheme", at("{a}://api.example.com/"), "url"],
    ["a template in the host", at("https://{a}.example.com/"), "url"],
    ["a template as the host", at("https://{a}/x"), "url"],
    ["a template in the port", at("https://api.example.com:{a}/"), "url"],
    ["a template as the start of the path", at("https://api.example.com{a}"), "url"],
    ["a template as a user name", at("https://{a}@example.com/"), "url"],
    ["credentials", at("https://a:b@example.com/"), "url"],
    ["a fragment", at("https://example.com/#{a}"), "url"],
    ["another scheme", at("file:///etc/passwd"), "url"],
    ["a backslash", at("https://example.com\\@evil.example/"), "url"],
    ["a backslash in the path", at("https://example.com/a\\b"), "url"],
    ["a step up", at("https://example.com/a/../{a}"), "url"],
    ["an encoded step up", at("https://example.com/a/%2E%2e/{a}"), "url"],
    ["a brace without its pair", at("https://example.com/{a"), "url"],
    ["braces around nothing", at("https://example.com/{}"), "url"],
    ["no host", at("https:///a"), "url"],
    ["no URL", at("a"), "url"],
    ["a template that the schema lacks", at("https://example.com/{c}"), "url"],
    ["a query that is an argument too", at("https://example.com/?a=1"), "url"],
    [
      "a parameter that the schema lacks",
      { inputSchema: SCHEMA, parameters: [{ name: "c", in: "query" }] },
      "parameters.0.name",
    ],
    [
      "a path parameter that the URL lacks",
      { inputSchema: SCHEMA, parameters: [{ name: "a", in: "path" }] },
      "parameters.0.as",
    ],
    [
      "a parameter that stands there twice",
      { parameters: [{ name: "a", in: "query" }, { name: "a", in: "header" }] },
      "parameters.1.name",
    ],
    [
      "two parameters at one place",
      {
        parameters: [{ name: "a", in: "header", as: "X-A" }, {
          name: "b",
          in: "header",
          as: "x-a",
        }],
      },
      "parameters",
    ],
    ["a body of a GET", { parameters: [{ name: "a", in: "body" }] }, "parameters.0.in"],
    [
      "a form of a HEAD",
      { method: "HEAD", parameters: [{ name: "a", in: "form" }] },
      "parameters.0.in",
    ],
    [
      "a style of another place",
      { parameters: [{ name: "a", in: "query", style: "matrix" }] },
      "parameters.0.style",
    ],
    ["a JSONPath that is none", { filter: "$.a[" }, "filter"],
    ["a JMESPath that is none", { filter: "a[" }, "filter"],
    ["a JMESPath with an unknown function", { filter: "nope(@)" }, "filter"],
    ["an endless filter", { filter: "a".repeat(5_000) }, "filter"],
    ["a schema that is none", { inputSchema: { type: "string" } }, "inputSchema.type"],
    ["a header that frames", { headers: { "Content-Length": "1" } }, "headers.Content-Length"],
    ["a header that is no name", { headers: { "a b": "1" } }, "headers.a b"],
    ["a header with two lines", { headers: { "X-A": "1\r\nX-B: 2" } }, "headers.X-A"],
    ["its own media type", { headers: { Accept: "text/csv" } }],
    [
      "a header that auth sets",
      {
        auth: { type: "header", name: "X-Own", value: "k" },
        parameters: [{ name: "a", in: "header", as: "x-own" }],
      },
      "parameters.0.as",
    ],
    [
      "a header that it sets itself",
      { headers: { "X-Own": "1" }, parameters: [{ name: "a", in: "header", as: "x-own" }] },
      "parameters.0.as",
    ],
    ["a body that is no media type", { method: "POST", contentType: "a\r\nb" }, "contentType"],
    [
      "a body and a form",
      { method: "POST", parameters: [{ name: "a", in: "body" }, { name: "b", in: "form" }] },
      "parameters",
      "contentType",
    ],
    [
      "a whole body and more",
      {
        method: "POST",
        parameters: [{ name: "a", in: "body", whole: true }, { name: "b", in: "body" }],
      },
      "parameters",
    ],
    [
      "text made of members",
      { method: "POST", contentType: "text/plain", parameters: [{ name: "a", in: "body" }] },
      "contentType",
    ],
    [
      "many at once",
      { url: "https://{a}/", filter: "$[", headers: { Host: "a" }, inputSchema: SCHEMA },
      "headers.Host",
      "filter",
      "url",
    ],
  ] as [string, Partial<RestTool>, ...string[]][]
) {
  Deno.test(`${what}: ${paths.join(", ") || "nothing is wrong"}`, () => {
    assertEquals(restToolFaults(aTool(tool)).map(({ path }) => path), paths);
  });
}

for (
  const name of [
    ..."Host Content-Length Transfer-Encoding Connection TE Trailer Upgrade Expect".split(" "),
    ..."Authorization Proxy-Authorization Cookie X-API-Key X-Auth-Token Api-Key".split(" "),
    ..."Content-Type Accept Mcp-Session-Id X-Forwarded-For Forwarded Via a:b".split(" "),
    "X-HTTP-Method-Override",
  ]
) {
  Deno.test(`an argument sets no header ${name}`, () => {
    const parameters = [{ name: "a", in: "header", as: name }] as const;
    assertEquals(restToolFaults(aTool({ parameters })).map(({ path }) => path), [
      "parameters.0.as",
    ]);
  });
}

for (const name of "X-Request-Id Accept-Language If-Match Idempotency-Key X-Page".split(" ")) {
  Deno.test(`an argument may set the header ${name}`, () => {
    const parameters = [{ name: "a", in: "header", as: name }] as const;
    assertEquals(restToolFaults(aTool({ parameters })), []);
  });
}
