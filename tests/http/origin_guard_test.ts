/**
 * Which Host and Origin values are ours: exact lists, by default the listener's own.
 *
 * @module
 * @see security.md, WEB; contract.md, section 8, "Limits" and "Readiness"
 */
import { deepStrictEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import { createOriginGuard, type OriginGuardOptions } from "../../src/http/origin_guard.ts";
import { headOf } from "../support/requests.ts";

const LOOPBACK = { hostname: "127.0.0.1", port: 4444, secure: false };
const OPEN = { ...LOOPBACK, hostname: "0.0.0.0" };
const NAMED = { ...LOOPBACK, hostname: "gateway" };
const PUBLIC_URL = "https://mcp.example.com";

for (
  const [where, more, hosts] of [
    ["on loopback", {}, ["127.0.0.1:4444", "localhost:4444", "[::1]:4444", "LocalHost:4444"]],
    ["on IPv6 loopback", { listener: { ...LOOPBACK, hostname: "::1" } }, [
      "[::1]:4444",
      "localhost:4444",
    ]],
    ["on port 80", { listener: { ...LOOPBACK, port: 80 } }, ["127.0.0.1", "localhost"]],
    ["on all addresses", { listener: OPEN }, ["127.0.0.1:4444", "localhost:4444", "0.0.0.0:4444"]],
    ["on a name", { listener: NAMED }, ["gateway:4444", "GATEWAY:4444"]],
    ["with a public URL", { publicUrl: PUBLIC_URL }, ["mcp.example.com", "127.0.0.1:4444"]],
    ["with allowed hosts", { allowedHosts: ["a.example", "b:81"] }, ["a.example", "b:81"]],
  ] satisfies [string, Partial<OriginGuardOptions>, string[]][]
) {
  for (const host of hosts) {
    Deno.test(`${where} the Host ${host} is ours`, () => checkHost(more, host));
  }
}

for (
  const [where, more, hosts] of [
    ["on loopback", {}, [
      "evil.example",
      "127.0.0.1",
      "127.0.0.1:4445",
      "localhost.evil.example:4444",
    ]],
    ["on all addresses", { listener: OPEN }, ["evil.example:4444", "10.0.0.1:4444"]],
    ["on a name", { listener: NAMED }, ["localhost:4444", "127.0.0.1:4444", "gateway"]],
    ["with a public URL", { publicUrl: PUBLIC_URL }, [
      "example.com",
      "xmcp.example.com",
      "mcp.example.com:4444",
      "mcp.example.com.",
    ]],
    ["with allowed hosts", { allowedHosts: ["a.example"] }, ["b.a.example", "a.example:80"]],
  ] satisfies [string, Partial<OriginGuardOptions>, string[]][]
) {
  for (const host of hosts) {
    Deno.test(`${where} the Host ${host} is not ours`, () => {
      assertThrows(() => checkHost(more, host), { code: "forbidden" });
    });
  }
}

for (
  const [where, more, origins] of [
    ["on loopback", {}, [
      undefined,
      "http://127.0.0.1:4444",
      "http://localhost:6274",
      "https://localhost",
      "http://[::1]:1",
    ]],
    ["on all addresses", { listener: OPEN }, [undefined, "http://localhost:4444"]],
    ["with a public URL", { publicUrl: PUBLIC_URL, listener: NAMED }, [
      PUBLIC_URL,
      "http://gateway:4444",
    ]],
    ["with allowed origins", { allowedOrigins: ["https://app.example"] }, ["https://app.example"]],
  ] satisfies [string, Partial<OriginGuardOptions>, (string | undefined)[]][]
) {
  for (const origin of origins) {
    Deno.test(`${where} the Origin ${origin} is allowed`, () => checkOrigin(more, origin));
  }
}

for (
  const [where, more, origins] of [
    ["on loopback", {}, [
      "https://evil.example",
      "null",
      "",
      "http://localhost.evil.example",
      "http://127.0.0.1.evil.example",
      "http://127.0.0.2:4444",
      "http://localhost:4444/path",
      "http://user@localhost:4444",
      "file://",
      "http://localhost:4444, http://localhost:4444",
      "chrome-extension://abc",
    ]],
    ["on all addresses", { listener: OPEN }, ["http://localhost:6274", "https://evil.example"]],
    ["on a name", { listener: NAMED }, ["http://localhost:6274"]],
    ["with a public URL", { publicUrl: PUBLIC_URL, listener: NAMED }, [
      "http://mcp.example.com",
      "https://mcp.example.com:8443",
      "https://a.mcp.example.com",
      "https://mcp.example.com.evil.example",
    ]],
    ["with allowed origins", { allowedOrigins: ["https://app.example"] }, [
      "http://app.example",
      "https://app.example:444",
      "https://x.app.example",
    ]],
  ] satisfies [string, Partial<OriginGuardOptions>, string[]][]
) {
  for (const origin of origins) {
    Deno.test(`${where} the Origin "${origin}" is not allowed`, () => {
      assertThrows(() => checkOrigin(more, origin), { code: "forbidden" });
    });
  }
}

for (
  const [what, more, host, base] of [
    ["the listener's", {}, "127.0.0.1:4444", "http://127.0.0.1:4444"],
    ["the name that was used", {}, "localhost:4444", "http://localhost:4444"],
    ["the public one", { publicUrl: PUBLIC_URL }, "mcp.example.com", PUBLIC_URL],
    [
      "the listener's beside a public one",
      { publicUrl: PUBLIC_URL },
      "localhost:4444",
      "http://localhost:4444",
    ],
    [
      "secure",
      { listener: { ...LOOPBACK, secure: true } },
      "localhost:4444",
      "https://localhost:4444",
    ],
  ] satisfies [string, Partial<OriginGuardOptions>, string, string][]
) {
  Deno.test(`the base URL is ${what}`, () => {
    assertEquals(guard(more).baseUrl(headOf({ url: `http://${host}/mcp` })), base);
  });
}

function guard(more: Partial<OriginGuardOptions>) {
  return createOriginGuard({
    listener: LOOPBACK,
    publicUrl: undefined,
    allowedHosts: [],
    allowedOrigins: [],
    ...more,
  });
}

function checkHost(more: Partial<OriginGuardOptions>, host: string): void {
  guard(more).checkHost(headOf({ url: `http://${host}/mcp` }));
}

function checkOrigin(more: Partial<OriginGuardOptions>, origin: string | undefined): void {
  guard(more).checkOrigin(headOf({ url: "http://a/mcp", headers: [["origin", origin]] }));
}
