/**
 * A credential's own word as a principal.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { claimedPrincipal, createClaimedPrincipals } from "../../src/auth/claimed_principal.ts";
import { type Credential, NO_CREDENTIAL } from "../../src/domain/credential.ts";
import { ANONYMOUS } from "../../src/domain/principal.ts";

const ALICE: Credential = {
  kind: "gateway_jwt",
  subject: "alice@example.com",
  claimsAdmin: true,
  teams: ["red"],
  permissions: ["tools.read"],
  onlyServer: "ops",
  tokenId: "1",
  issuedAtMs: 1,
  expiresAtMs: 2,
};

Deno.test("a principal is what its credential says", () => {
  assertEquals(claimedPrincipal(ALICE), {
    kind: "gateway_jwt",
    subject: "alice@example.com",
    isAdmin: true,
    teams: ["red"],
    permissions: ["tools.read"],
    onlyServer: "ops",
    tokenId: "1",
    expiresAtMs: 2,
  });
});

Deno.test("no credential is the anonymous principal", () => {
  assertEquals(claimedPrincipal(NO_CREDENTIAL), ANONYMOUS);
});

Deno.test("memberships that only the store knows are none", () => {
  assertEquals(claimedPrincipal({ ...ALICE, teams: "stored" }).teams, undefined);
});

Deno.test("one credential is one principal", () => {
  const principalOf = createClaimedPrincipals();
  assertEquals(principalOf(ALICE) === principalOf(ALICE), true);
});
