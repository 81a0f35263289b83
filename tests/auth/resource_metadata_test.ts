/**
 * What OAuth clients are told: the document of each endpoint, and the challenge that names it.
 *
 * @module
 * @see RFC 9728
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { challenge, resourceMetadata } from "../../src/auth/resource_metadata.ts";

const BASE = "https://mcp.example.com";

Deno.test("the resource is the URL of the endpoint", () => {
  const { resource } = resourceMetadata(BASE, "/servers/ops/mcp");
  assertEquals(resource, "https://mcp.example.com/servers/ops/mcp");
});

Deno.test("tokens are taken in the header only", () => {
  assertEquals(resourceMetadata(BASE, "/mcp").bearer_methods_supported, ["header"]);
});

Deno.test("the challenge names the document of the endpoint", () => {
  const expected = 'Bearer resource_metadata="https://mcp.example.com' +
    '/.well-known/oauth-protected-resource/servers/ops/mcp"';
  assertEquals(challenge(BASE, "/servers/ops/mcp"), expected);
});

Deno.test("a missing permission is named as the scope that is needed", () => {
  const expected = 'Bearer error="insufficient_scope", scope="tools.execute", ' +
    'resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"';
  assertEquals(challenge(BASE, "/mcp", "tools.execute"), expected);
});

Deno.test("without external issuers no authorization server is named", () => {
  assertEquals("authorization_servers" in resourceMetadata(BASE, "/mcp"), false);
});

Deno.test("AUTHN-01: the authorization servers are the external issuers", () => {
  const issuers = ["https://login.example.com", "https://other.example.com/realm/"];
  assertEquals(resourceMetadata(BASE, "/mcp", issuers).authorization_servers, issuers);
});
