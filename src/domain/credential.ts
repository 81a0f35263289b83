/**
 * What a caller has presented, once it is proven to be genuine. What it may do is settled with every
 * message: memberships, roles and revocations change while a credential lives.
 *
 * @module
 * @see contract.md, section 5
 */

/**
 * How callers prove who they are. Two kinds are two principals, even with one subject; two external
 * issuers are two kinds, since each has its own subjects.
 */
export type CredentialKind =
  | "anonymous"
  | "gateway_jwt"
  | "api_token"
  | "proxy"
  | `oidc_jwt ${string}`;

export interface Credential {
  readonly kind: CredentialKind;
  /** E-mail, or what the issuer calls the caller; empty only for `anonymous`. 1–255 characters. */
  readonly subject: string;
  /** An `is_admin` claim of the gateway's own issuer; false for every other. */
  readonly claimsAdmin: boolean;
  /**
   * Ids or slugs of teams; `undefined` where none are named; `stored` stands for those that the
   * subject has at the time of use.
   */
  readonly teams: readonly string[] | "stored" | undefined;
  /** `undefined` is no restriction; an empty list permits nothing. */
  readonly permissions: readonly string[] | undefined;
  /** Slug or id of the only server that this credential may use. */
  readonly onlyServer: string | undefined;
  /** `jti` of a JWT, id of an API token; for audit and revocation. */
  readonly tokenId: string | undefined;
  /** Milliseconds since the epoch; `undefined` where it is not known. */
  readonly issuedAtMs: number | undefined;
  /** Milliseconds since the epoch, the skew of clocks included; `Infinity` without an end. */
  readonly expiresAtMs: number;
}

export const NO_CREDENTIAL: Credential = Object.freeze({
  kind: "anonymous",
  subject: "",
  claimsAdmin: false,
  teams: undefined,
  permissions: undefined,
  onlyServer: undefined,
  tokenId: undefined,
  issuedAtMs: undefined,
  expiresAtMs: Infinity,
});
