/**
 * What browsers are told: preflights, and which headers of a reply they may read.
 *
 * @module
 * @see contract.md, section 8, "CORS"
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { addCorsHeaders, optionsReply } from "../../src/http/cors.ts";
import { type HeaderList, headOf } from "../support/requests.ts";

const ORIGIN = "https://app.example";
const ALLOW = "POST, OPTIONS";
const PREFLIGHT: HeaderList = [
  ["origin", ORIGIN],
  ["access-control-request-method", "POST"],
];

Deno.test("a preflight is 204 without a body", () => {
  const { status, body } = optionsReply(head(PREFLIGHT), ALLOW);
  assertEquals({ status, body }, { status: 204, body: null });
});

for (
  const [name, value] of [
    ["Access-Control-Allow-Origin", ORIGIN],
    ["Access-Control-Allow-Methods", ALLOW],
    ["Vary", "Origin"],
  ] as const
) {
  Deno.test(`a preflight is answered with ${name}: ${value}`, () => {
    assertEquals(optionsReply(head(PREFLIGHT), ALLOW).headers.get(name), value);
  });
}

Deno.test("a preflight lets no cookies through", () => {
  const { headers } = optionsReply(head(PREFLIGHT), ALLOW);
  assertEquals(headers.get("Access-Control-Allow-Credentials"), null);
});

for (
  const name of [
    "authorization",
    "content-type",
    "accept",
    "last-event-id",
    "mcp-session-id",
    "mcp-protocol-version",
    "mcp-method",
    "mcp-name",
  ]
) {
  Deno.test(`a preflight allows the header ${name}`, () => {
    assertEquals(allowed([]).includes(name), true);
  });
}

Deno.test("a preflight allows each header of the Mcp family that is asked for", () => {
  const names = allowed([["access-control-request-headers", "Mcp-Param-Region, mcp-x"]]);
  assertEquals(names.slice(-2), ["mcp-param-region", "mcp-x"]);
});

for (const asked of ["x-other", "mcp-", "mcp-a b", `mcp-${"a".repeat(101)}`, "cookie", "mcp-é"]) {
  Deno.test(`a preflight does not allow the header ${asked.slice(0, 20)}`, () => {
    assertEquals(allowed([["access-control-request-headers", asked]]), allowed([]));
  });
}

for (const headers of [[], [["origin", ORIGIN]]] satisfies HeaderList[]) {
  Deno.test(`another OPTIONS, with ${headers.length} origins, is 204 with Allow`, () => {
    const reply = optionsReply(head(headers), ALLOW);
    assertEquals([reply.status, reply.headers.get("Allow")], [204, ALLOW]);
  });
}

Deno.test("a reply to an origin may be read by it", () => {
  assertEquals(replyTo([["origin", ORIGIN]]).get("Access-Control-Allow-Origin"), ORIGIN);
});

for (const name of ["Mcp-Session-Id", "WWW-Authenticate", "Retry-After"]) {
  Deno.test(`a reply to an origin shows it ${name}`, () => {
    const exposed = replyTo([["origin", ORIGIN]]).get("Access-Control-Expose-Headers");
    assertEquals(exposed?.split(", ").includes(name), true);
  });
}

Deno.test("a reply to an origin varies with it", () => {
  assertEquals(replyTo([["origin", ORIGIN]], { Vary: "Accept" }).get("Vary"), "Accept, Origin");
});

Deno.test("a reply to a caller without an origin has no such headers", () => {
  assertEquals([...replyTo([]).keys()], []);
});

function head(headers: HeaderList) {
  return headOf({ method: "OPTIONS", url: "http://a/mcp", headers });
}

function allowed(more: HeaderList): string[] {
  const { headers } = optionsReply(head([...PREFLIGHT, ...more]), ALLOW);
  return headers.get("Access-Control-Allow-Headers")!.toLowerCase().split(", ");
}

function replyTo(headers: HeaderList, own: HeadersInit = {}): Headers {
  const response = new Response(null, { headers: own });
  addCorsHeaders(head(headers), response);
  return response.headers;
}
