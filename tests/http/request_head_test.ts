/**
 * The head of a request is read once, and refused where two readers could disagree.
 *
 * @module
 * @see security.md, LIM-06, LIM-15
 */
import { deepStrictEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import { LIMITS } from "../../src/domain/limits.ts";
import { isNormalPath, readHead } from "../../src/http/request_head.ts";
import { type HeaderList, requestWith } from "../support/requests.ts";

Deno.test("method, path and host are taken apart, the query left off", () => {
  const { method, path, host } = read("http://gateway:4444/servers/a/mcp?q=/x", []);
  assertEquals({ method, path, host }, {
    method: "POST",
    path: "/servers/a/mcp",
    host: "gateway:4444",
  });
});

Deno.test("the host is given in lower case", () => {
  assertEquals(read("http://GateWay:4444/mcp", [["host", "gAteway:4444"]]).host, "gateway:4444");
});

Deno.test("headers are found by their lower-case names", () => {
  assertEquals(read("http://a/mcp", [["Mcp-Method", "ping"]]).headers.get("mcp-method"), "ping");
});

Deno.test("Mcp-Param headers are listed", () => {
  const { mcpParams } = read("http://a/mcp", [["Mcp-Param-Region", "eu"], ["Mcp-Name", "a"]]);
  assertEquals(mcpParams, [["mcp-param-region", "eu"]]);
});

Deno.test("the size of the head is told", () => {
  const { wireBytes } = read("http://a/mcp?b", [["X", "yz"]]);
  assertEquals(wireBytes, "POST /mcp?b HTTP/1.1\r\nhost: a\r\nx: yz\r\n\r\n".length);
});

for (
  const [what, url, headers] of [
    ["no Host", "http://a/mcp", [["host", undefined]]],
    ["an empty Host", "http://a/mcp", [["host", ""]]],
    ["two Hosts", "http://a/mcp", [["host", "a"], ["host", "b"]]],
    ["a target of another host", "http://b/mcp", [["host", "a"]]],
    ["a target of another port", "http://a:1/mcp", [["host", "a:2"]]],
    ["a target without the port", "http://a/mcp", [["host", "a:80"]]],
    ["credentials in the target", "http://u@a/mcp", [["host", "a"]]],
    ["two Authorization headers", "http://a/mcp", [["authorization", "x"], ["authorization", "y"]]],
    ["two Content-Types", "http://a/mcp", [["content-type", "x"], ["content-type", "x"]]],
    ["two Content-Lengths", "http://a/mcp", [["content-length", "1"], ["content-length", "1"]]],
    ["two session ids", "http://a/mcp", [["mcp-session-id", "x"], ["mcp-session-id", "y"]]],
    ["two Last-Event-IDs", "http://a/mcp", [["last-event-id", "x"], ["last-event-id", "y"]]],
    ["a path out of form", "http://a/mcp/../x", []],
  ] satisfies [string, string, HeaderList][]
) {
  Deno.test(`${what} is an invalid request`, () => {
    assertThrows(() => read(url, headers), { code: "invalid_request" });
  });
}

Deno.test("other headers may come twice", () => {
  assertEquals(read("http://a/mcp", [["x", "1"], ["x", "2"]]).headers.get("x"), "1, 2");
});

Deno.test("LIM-06: a URI of the allowed size is read", () => {
  read(`http://a/${"a".repeat(LIMITS.requestUriBytes - 1)}`, []);
});

Deno.test("LIM-06: a longer URI is too long", () => {
  assertThrows(() => read(`http://a/${"a".repeat(LIMITS.requestUriBytes)}`, []), {
    code: "uri_too_long",
  });
});

Deno.test("LIM-06: headers over 16 KiB are too large, in all", () => {
  const headers = Array.from(
    { length: 17 },
    (_, at): [string, string] => [`x-${at}`, "a".repeat(1024)],
  );
  assertThrows(() => read("http://a/mcp", headers), { code: "headers_too_large" });
});

Deno.test("LIM-06: headers of 15 KiB are read", () => {
  const headers = Array.from(
    { length: 15 },
    (_, at): [string, string] => [`x-${at}`, "a".repeat(1000)],
  );
  read("http://a/mcp", headers);
});

for (
  const path of [
    "/",
    "/mcp",
    "/servers/a-b_c/mcp",
    "/a.b",
    "/..a",
    "/a..",
    "/.../b",
    "/a~b",
    "/a;b=c,d",
    "/a:b@c",
    "/a!$&'()*+",
    "/%C3%A9",
    "/a%20b",
    "/a%25b",
    "/mcp/",
  ]
) {
  Deno.test(`LIM-15: the path ${path} is in normal form`, () =>
    assertEquals(isNormalPath(path), true));
}

for (
  const path of [
    "",
    "mcp",
    "*",
    "//mcp",
    "/a//b",
    "/.",
    "/..",
    "/./a",
    "/a/./b",
    "/a/../b",
    "/a/..",
    "/%2e%2e/b",
    "/%2E",
    "/a%2fb",
    "/a%2Fb",
    "/a%5cb",
    "/a\\b",
    "/a%00",
    "/a%0a",
    "/a%1F",
    "/a%7f",
    "/%6dcp",
    "/%4dcp",
    "/a%30",
    "/a%2d",
    "/a%5f",
    "/a%7e",
    "/a%",
    "/a%2",
    "/a%zz",
    "/a b",
    "/a\0",
    "/a\n",
    "/é",
    "/a#b",
    "/a|b",
    '/a"b',
    "/a<b>",
    "/a^b",
    "/a`b",
    "/a{b}",
    "/a[b]",
  ]
) {
  Deno.test(`LIM-15: the path ${JSON.stringify(path)} is not in normal form`, () => {
    assertEquals(isNormalPath(path), false);
  });
}

function read(url: string, headers: HeaderList) {
  return readHead(requestWith({ url, headers }));
}
