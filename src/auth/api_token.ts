/**
 * API tokens: opaque, shown once, kept as a hash.
 *
 * @module
 * @see security.md, AUTHN-20
 */
import { hash } from "node:crypto";
import type { Credential } from "../domain/credential.ts";
import { randomText } from "../platform/random.ts";
import type { Clock } from "../platform/clock.ts";
import type { ApiTokenRow } from "../storage/account_tables.ts";
import type { Accounts } from "./accounts.ts";

/** So that it is recognised wherever it turns up. */
export const API_TOKEN_PREFIX = "spt_";
/** 256 random bits. */
const SECRET_BYTES = 32;

export function newApiToken(): string {
  return API_TOKEN_PREFIX + randomText(SECRET_BYTES);
}

export function hashOfToken(token: string): string {
  return hash("sha256", token, "hex");
}

/** Finds the credential of a token; `undefined` for one that is not, or not any more. */
export type FindApiToken = (token: string) => Credential | undefined;

export function createFindApiToken(
  { accounts, clock }: { readonly accounts: Accounts; readonly clock: Clock },
): FindApiToken {
  // The same for as long as the record is: what is known of a credential is known by it.
  const known = new WeakMap<ApiTokenRow, Credential>();
  return (token) => {
    const row = accounts.tokenByHash(hashOfToken(token));
    if (row === undefined || row.expiresMs <= clock.now()) return undefined;
    let credential = known.get(row);
    if (credential === undefined) known.set(row, credential = credentialOf(row));
    return credential;
  };
}

function credentialOf(row: ApiTokenRow): Credential {
  const { id, owner, teams, permissions, onlyServer, createdMs, expiresMs } = row;
  return {
    kind: "api_token",
    subject: owner,
    claimsAdmin: false,
    // None means public items only, for an administrator too.
    teams: teams ?? [],
    permissions,
    onlyServer,
    tokenId: id,
    issuedAtMs: createdMs,
    expiresAtMs: expiresMs,
  };
}
