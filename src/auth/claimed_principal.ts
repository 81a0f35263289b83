/**
 * A credential's own word as a `Principal`, without asking the store.
 *
 * @module
 */
import type { Credential } from "../domain/credential.ts";
import type { Principal } from "../domain/principal.ts";

/** Memberships that stand in the store are none here: such a caller sees public items. */
export function claimedPrincipal(credential: Credential): Principal {
  const { claimsAdmin, teams, issuedAtMs: _issuedAtMs, ...same } = credential;
  return { ...same, isAdmin: claimsAdmin, teams: teams === "stored" ? undefined : teams };
}

/** One principal for each credential: what is kept for a principal is found again by it. */
export function createClaimedPrincipals(): (credential: Credential) => Principal {
  const known = new WeakMap<Credential, Principal>();
  return (credential) => {
    let principal = known.get(credential);
    if (principal === undefined) known.set(credential, principal = claimedPrincipal(credential));
    return principal;
  };
}
