/**
 * What request a call of a REST tool becomes: places, styles, bodies.
 *
 * @module
 * @see OpenAPI 3.1.1, "Style Examples"
 */
import assert, {
  deepStrictEqual as assertEquals,
  throws as assertThrows,
} from "node:assert/strict";
import type { RestParameter, RestTool } from "../../../src/domain/rest_tool.ts";
import { compileRequest } from "../../../src/upstream/rest/request.ts";
import { aTool } from "./rest_world.ts";

const LIST = ["blue", "black", "brown"];
const OBJECT = { R: 100, G: 200, B: 150 };

function requestOf(tool: Partial<RestTool>, args: Readonly<Record<string, unknown>>) {
  const { target, headers, body } = compileRequest(
    aTool({ ...tool, url: `https://api.example.com${tool.url ?? "/"}` }),
    new Set(),
  )(args);
  return { target, headers, body: body && new TextDecoder().decode(body) };
}

function targetOf(parameter: Omit<RestParameter, "name">, value: unknown): string {
  const url = parameter.in === "path" ? "/p/{color}" : "/p";
  return requestOf({ url, parameters: [{ name: "color", ...parameter }] }, { color: value }).target;
}

for (
  const [style, explode, ofText, ofList, ofObject] of [
    ["simple", false, "blue", "blue,black,brown", "R,100,G,200,B,150"],
    ["simple", true, "blue", "blue,black,brown", "R=100,G=200,B=150"],
    ["label", false, ".blue", ".blue,black,brown", ".R,100,G,200,B,150"],
    ["label", true, ".blue", ".blue.black.brown", ".R=100.G=200.B=150"],
    ["matrix", false, ";color=blue", ";color=blue,black,brown", ";color=R,100,G,200,B,150"],
    [
      "matrix",
      true,
      ";color=blue",
      ";color=blue;color=black;color=brown",
      ";R=100;G=200;B=150",
    ],
  ] as const
) {
  Deno.test(`in a path, ${style}${explode ? ", exploded" : ""}`, () => {
    const parameter = { in: "path", style, explode } as const;
    assertEquals([
      targetOf(parameter, "blue"),
      targetOf(parameter, LIST),
      targetOf(parameter, OBJECT),
    ], [
      `/p/${ofText}`,
      `/p/${ofList}`,
      `/p/${ofObject}`,
    ]);
  });
}

for (
  const [style, explode, ofList, ofObject] of [
    ["form", false, "color=blue,black,brown", "color=R,100,G,200,B,150"],
    ["form", true, "color=blue&color=black&color=brown", "R=100&G=200&B=150"],
    ["spaceDelimited", false, "color=blue%20black%20brown", "color=R%20100%20G%20200%20B%20150"],
    ["pipeDelimited", false, "color=blue%7Cblack%7Cbrown", "color=R%7C100%7CG%7C200%7CB%7C150"],
    [
      "deepObject",
      true,
      "color=blue&color=black&color=brown",
      "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150",
    ],
  ] as const
) {
  Deno.test(`in a query, ${style}${explode ? ", exploded" : ""}`, () => {
    const parameter = { in: "query", style, explode } as const;
    assertEquals([targetOf(parameter, LIST), targetOf(parameter, OBJECT)], [
      `/p?${ofList}`,
      `/p?${ofObject}`,
    ]);
  });
}

Deno.test("deep objects may be deeper", () => {
  const value = { price: { min: 1, tags: ["a", "b"] } };
  const inQuery = targetOf({ in: "query", style: "deepObject" }, value);
  assertEquals(
    decodeURIComponent(inQuery),
    "/p?color[price][min]=1&color[price][tags]=a&color[price][tags]=b",
  );
});

for (
  const [what, value, target] of [
    ["null", null, "/p"],
    ["an empty list", [], "/p"],
    ["an empty object", {}, "/p"],
    ["empty text", "", "/p?color="],
    ["a list of objects", [{ a: 1 }], "/p?color=%7B%22a%22%3A1%7D"],
    ["an object with nothing in it", { a: null }, "/p"],
  ] as const
) {
  Deno.test(`in a query, ${what} is ${target}`, () => {
    assertEquals(targetOf({ in: "query" }, value), target);
  });
}

Deno.test("a parameter of type JSON is JSON text", () => {
  const target = targetOf({ in: "query", contentType: "application/json" }, { a: [1] });
  assertEquals(target, "/p?color=%7B%22a%22%3A%5B1%5D%7D");
});

for (const value of [null, undefined, "", [], {}, ["."], ".", ".."]) {
  Deno.test(`${JSON.stringify(value)} is refused in a path`, () => {
    assertThrows(() => targetOf({ in: "path" }, value), { code: "invalid_params" });
  });
}

for (
  const [what, url, args] of [
    ["two parts of a segment", "/{a}{b}/x", { a: ".", b: "." }],
    ["what is around it", "/.{a}/x", { a: "." }],
    ["its style", "/{a}", { a: "." }],
  ] as const
) {
  Deno.test(`TOOL-09: ${what} cannot make it a step up`, () => {
    const parameters = what === "its style"
      ? [{ name: "a", in: "path", style: "label" }] as const
      : [];
    assertThrows(() => requestOf({ url, parameters }, args), { code: "invalid_params" });
  });
}

Deno.test("a member of an exploded object cannot set what the URL fixes", () => {
  const tool = { url: "/p?tenant=1" };
  assertThrows(() => requestOf(tool, { more: { tenant: 2 } }), { code: "invalid_params" });
});

Deno.test("a member of an exploded object cannot set another parameter", () => {
  const tool = { parameters: [{ name: "a", in: "query" }, { name: "b", in: "query" }] } as const;
  assertThrows(() => requestOf(tool, { a: { b: 2 } }), { code: "invalid_params" });
});

Deno.test("an argument that the schema does not name cannot set what the URL fixes", () => {
  assertThrows(() => requestOf({ url: "/p?t%65nant=1" }, { tenant: 2 }), {
    code: "invalid_params",
  });
});

for (const method of ["GET", "HEAD", "DELETE"] as const) {
  Deno.test(`${method} puts arguments into the query`, () => {
    const { target, body } = requestOf({ method, url: "/u/{id}" }, { id: 7, a: 1 });
    assertEquals([target, body], ["/u/7?a=1", method === "DELETE" ? "" : undefined]);
  });
}

for (const method of ["POST", "PUT", "PATCH"] as const) {
  Deno.test(`${method} puts arguments into a JSON body`, () => {
    assertEquals(requestOf({ method, url: "/u/{id}" }, { id: 7, a: [1], b: null }), {
      target: "/u/7",
      headers: "Content-Type: application/json\r\n",
      body: '{"a":[1],"b":null}',
    });
  });
}

Deno.test("a request without arguments for its body has none", () => {
  assertEquals(requestOf({ method: "POST", url: "/u/{id}" }, { id: 7 }), {
    target: "/u/7",
    headers: "",
    body: "",
  });
});

Deno.test("a body whose members are all left out is an empty object", () => {
  const inputSchema = { type: "object", properties: { a: {} } };
  assertEquals(requestOf({ method: "POST", inputSchema }, {}).body, "{}");
});

Deno.test("parameters override names and places", () => {
  const parameters = [
    { name: "user", in: "path", as: "id" },
    { name: "dry", in: "query", as: "dry-run" },
    { name: "trace", in: "header", as: "X-Trace" },
  ] as const;
  assertEquals(
    requestOf({ method: "PUT", url: "/u/{id}", parameters }, {
      user: "a b",
      dry: true,
      trace: [1, 2],
      name: "n",
    }),
    {
      target: "/u/a%20b?dry-run=true",
      headers: "X-Trace: 1,2\r\nContent-Type: application/json\r\n",
      body: '{"name":"n"}',
    },
  );
});

Deno.test("one argument may be the whole body", () => {
  const parameters = [{ name: "body", in: "body", whole: true }] as const;
  assertEquals(requestOf({ method: "POST", parameters }, { body: [1, 2] }).body, "[1,2]");
});

Deno.test("beside a whole body, nothing else has a place", () => {
  const parameters = [{ name: "body", in: "body", whole: true }] as const;
  assertThrows(() => requestOf({ method: "POST", parameters }, { body: 1, more: 2 }), {
    code: "invalid_params",
  });
});

Deno.test("text is sent as it is", () => {
  const parameters = [{ name: "body", in: "body", whole: true }] as const;
  const tool = { method: "POST", contentType: "text/plain", parameters } as const;
  assertEquals(requestOf(tool, { body: "ä\r\n" }), {
    target: "/",
    headers: "Content-Type: text/plain\r\n",
    body: "ä\r\n",
  });
});

Deno.test("base64 is sent as the bytes that it stands for", () => {
  const parameters = [{ name: "body", in: "body", whole: true, encoding: "base64" }] as const;
  const tool = { method: "PUT", contentType: "image/png", parameters } as const;
  assertEquals(requestOf(tool, { body: "aGVsbG8=" }).body, "hello");
});

Deno.test("what is no base64 is refused", () => {
  const parameters = [{ name: "body", in: "body", whole: true, encoding: "base64" }] as const;
  const tool = { method: "PUT", contentType: "image/png", parameters } as const;
  for (const body of ["a*", 7, "=a"]) {
    assertThrows(() => requestOf(tool, { body }), { code: "invalid_params" });
  }
});

Deno.test("a form has lists as repeated pairs, and objects as their members", () => {
  const parameters = [{ name: "a", in: "form" }] as const;
  const { headers, body } = requestOf({ method: "POST", parameters }, {
    a: [1, "x y"],
    b: { c: "&" },
  });
  assertEquals([headers, body], [
    "Content-Type: application/x-www-form-urlencoded\r\n",
    "a=1&a=x%20y&c=%26",
  ]);
});

Deno.test("a multipart form has a part for each item, and nothing can end a part", () => {
  const tool = {
    method: "POST",
    contentType: "multipart/form-data",
    parameters: [
      { name: "file", in: "form", encoding: "base64", contentType: "image/png" },
      { name: "meta", in: "form" },
      { name: "tag", in: "form", as: 'a"\r\nb' },
    ],
  } as const;
  const { headers, body } = requestOf(tool, { file: "aGVsbG8=", meta: { a: 1 }, tag: ["x", "y"] });
  const boundary = /^Content-Type: multipart\/form-data; boundary=(\S+)\r\n$/.exec(headers)![1]!;
  assert.ok(boundary.length > 20);
  assertEquals(body!.split(`--${boundary}`).map((part) => part.split("\r\n")), [
    [""],
    [
      "",
      'Content-Disposition: form-data; name="file"; filename="file"',
      "Content-Type: image/png",
      "",
      "hello",
      "",
    ],
    [
      "",
      'Content-Disposition: form-data; name="meta"',
      "Content-Type: application/json",
      "",
      '{"a":1}',
      "",
    ],
    ["", 'Content-Disposition: form-data; name="a%22%0D%0Ab"', "", "x", ""],
    ["", 'Content-Disposition: form-data; name="a%22%0D%0Ab"', "", "y", ""],
    ["--", ""],
  ]);
});

Deno.test("an argument named as a member of every object is one like any other", () => {
  const args = JSON.parse('{"__proto__":1,"constructor":2}');
  assertEquals(requestOf({ method: "POST" }, args).body, '{"__proto__":1,"constructor":2}');
});

Deno.test("an argument in the URL is never taken from what all objects have", () => {
  assertThrows(() => requestOf({ url: "/{constructor}" }, {}), { code: "invalid_params" });
});

Deno.test("a request target has an end", () => {
  assertThrows(() => requestOf({ url: "/{a}" }, { a: "x".repeat(9_000) }), {
    code: "invalid_params",
  });
});

Deno.test("a refusal never shows the value", () => {
  assertThrows(() => requestOf({ url: "/{a}" }, { a: ".." }), {
    message: 'The argument "a" would make a path segment of "." or "..": nothing was sent',
  });
});
