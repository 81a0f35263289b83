/**
 * Which proxies are believed, what they may say, and where a client behind them is.
 *
 * @module
 * @see security.md, PROXY-02, PROXY-04, PROXY-05, PROXY-08
 */
import { deepStrictEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import { createProxyCredentials, createTrustedProxies } from "../../src/auth/trusted_proxy.ts";
import { parseBlock } from "../../src/platform/addresses.ts";

for (
  const [peer, blocks, isTrusted] of [
    ["10.1.2.3", ["10.0.0.0/8"], true],
    ["11.1.2.3", ["10.0.0.0/8"], false],
    ["::ffff:10.1.2.3", ["10.0.0.0/8"], true],
    ["::ffff:a01:203", ["10.0.0.0/8"], true],
    ["10.1.2.3", ["::ffff:10.0.0.0/104"], true],
    ["10.1.2.3", ["0:0:0:0:0:ffff:a01:203"], true],
    ["fd00::1", ["fd00::/8"], true],
    ["FD00:0:0::1", ["fd00::/8"], true],
    ["fe00::1", ["fd00::/8"], false],
    ["::1", ["127.0.0.0/8"], false],
    ["10.1.2.3", ["2001:db8::/32", "10.1.2.3"], true],
    ["10.1.2.4", ["10.1.2.3"], false],
    ["010.1.2.3", ["10.0.0.0/8"], false],
    ["10.1.2", ["10.0.0.0/8"], false],
    ["localhost", ["127.0.0.0/8"], false],
    ["", ["0.0.0.0/0", "::/0"], false],
    ["10.1.2.3", [], false],
  ] satisfies [string, string[], boolean][]
) {
  Deno.test(`PROXY-04: ${JSON.stringify(peer)} is ${isTrusted ? "" : "not "}in ${blocks}`, () => {
    assertEquals(proxies(...blocks).isTrusted(peer), isTrusted);
  });
}

for (
  const [what, peer, header, source] of [
    ["without the header, the peer", "10.0.0.1", undefined, "10.0.0.1"],
    ["of a stranger's header, the stranger", "192.0.2.1", "198.51.100.1", "192.0.2.1"],
    ["what the proxy says", "10.0.0.1", "198.51.100.1", "198.51.100.1"],
    ["the last of several", "10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"],
    ["the last that is no proxy", "10.0.0.1", "1.1.1.1, 198.51.100.1,10.0.0.2", "198.51.100.1"],
    ["a proxy where there is nobody else", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
    ["a mapped address too", "10.0.0.1", "1.1.1.1, ::ffff:10.0.0.2", "1.1.1.1"],
    ["behind what is no address, nobody", "10.0.0.1", "1.1.1.1, unknown", "10.0.0.1"],
    ["behind nothing, nobody", "10.0.0.1", "1.1.1.1, ", "10.0.0.1"],
    ["of an address with a port, the proxy", "10.0.0.1", "1.1.1.1:80", "10.0.0.1"],
  ] satisfies [string, string, string | undefined, string][]
) {
  Deno.test(`PROXY-04: the source is ${what}`, () => {
    assertEquals(proxies("10.0.0.0/8").sourceOf(peer, header), source);
  });
}

Deno.test("PROXY-08: a proxy names a user, and no right of that user", () => {
  assertEquals(createProxyCredentials()("admin@example.com"), {
    kind: "proxy",
    subject: "admin@example.com",
    claimsAdmin: false,
    teams: "stored",
    permissions: undefined,
    onlyServer: undefined,
    tokenId: undefined,
    issuedAtMs: undefined,
    expiresAtMs: Infinity,
  });
});

for (const header of ["a@b", `${"a".repeat(243)}@example.com`, "o'neil+x@example.com"]) {
  Deno.test(`PROXY-05: a user of ${header.length} characters is taken`, () => {
    assertEquals(createProxyCredentials()(header).subject, header);
  });
}

for (
  const header of [
    "",
    " ",
    "alice@example.com, bob@example.com",
    "alice@example.com,",
    ",alice@example.com",
    "alice@example.com bob@example.com",
    "alice@example.com\0",
    "alice@example.com\r\nX: y",
    "alice\t@example.com",
    "alice@example.com\x7f",
    "<alice@example.com>",
    '"alice"@example.com',
    "alice@example.com;x=y",
    "älice@example.com",
    "\u202ealice@example.com",
    `${"a".repeat(244)}@example.com`,
  ]
) {
  Deno.test(`PROXY-05: ${JSON.stringify(header).slice(0, 60)} is a bad request`, () => {
    assertThrows(() => createProxyCredentials()(header), { code: "invalid_request" });
  });
}

function proxies(...blocks: readonly string[]) {
  return createTrustedProxies(blocks.map((text) => parseBlock(text)!));
}
