/**
 * Whose tokens are taken: the gateway's own, and those of listed external issuers.
 *
 * @module
 */
import type { JwtAlgorithm } from "./algorithms.ts";

/** The key of a symmetric algorithm, or one half of a pair. */
export type JwtKey = Uint8Array | CryptoKey;

export interface GatewayKeys {
  readonly verify: JwtKey;
  /** `undefined` where only somebody else makes tokens. */
  readonly sign: JwtKey | undefined;
}

export interface GatewayIssuer {
  readonly issuer: string;
  readonly audience: string;
  /** The only algorithm accepted, whatever a token's header says. */
  readonly algorithm: JwtAlgorithm;
  readonly keys: GatewayKeys;
}

/** One entry of `OIDC_ISSUERS`. */
export interface OidcIssuer {
  /** Compared exactly with `iss`. An `http` or `https` URL. */
  readonly issuer: string;
  readonly audience: string;
  /** Where its keys are; `undefined` when its own document says so. */
  readonly jwksUri: string | undefined;
  /** The claim whose value is the subject; `sub` when absent. */
  readonly emailClaim: string | undefined;
  /** The claim that names teams; the store's memberships count when absent. */
  readonly teamsClaim: string | undefined;
}
