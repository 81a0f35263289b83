/**
 * The caller after authentication. Everything behind the edge takes a `Principal` as an argument;
 * nobody reads identity from surroundings.
 *
 * @module
 */
import type { CredentialKind } from "./credential.ts";

export interface Principal {
  readonly kind: CredentialKind;
  /** E-mail of the caller, or what its issuer calls it; empty only for `anonymous`. 1–255 characters otherwise. */
  readonly subject: string;
  readonly isAdmin: boolean;
  /** Slugs or ids of teams; `undefined` when the credential names none: public items only. */
  readonly teams: readonly string[] | undefined;
  /** `undefined` is no restriction; an empty list permits nothing. */
  readonly permissions: readonly string[] | undefined;
  /** Slug or id of the only server that this credential may use. */
  readonly onlyServer: string | undefined;
  /** `jti` of the token, for audit and revocation. */
  readonly tokenId: string | undefined;
  /** Milliseconds since the epoch; `Infinity` when the credential does not expire. */
  readonly expiresAtMs: number;
}

/** What tells principals apart: everything that is kept for one is kept under this. */
export function callerOf({ kind, subject }: Pick<Principal, "kind" | "subject">): string {
  return `${kind} ${subject}`;
}

export const ANONYMOUS: Principal = Object.freeze({
  kind: "anonymous",
  subject: "",
  isAdmin: false,
  teams: undefined,
  permissions: undefined,
  onlyServer: undefined,
  tokenId: undefined,
  expiresAtMs: Infinity,
});
