/**
 * The signatures that tokens may have. Which of them counts is said by the configuration, never by
 * the token.
 *
 * @module
 * @see RFC 7518, section 3.1; RFC 8037, section 3.1; RFC 9864
 */

/** With one secret for making and checking. */
export const SYMMETRIC = ["HS256", "HS384", "HS512"] as const;

/** With a private key for making and a public one for checking. */
export const ASYMMETRIC = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
] as const;

export type JwtAlgorithm = typeof SYMMETRIC[number] | typeof ASYMMETRIC[number];

export function isAsymmetric(algorithm: string): boolean {
  return (ASYMMETRIC as readonly string[]).includes(algorithm);
}

/** What external issuers may sign with; the last is the newer name of `EdDSA`. */
export const EXTERNAL: readonly string[] = [...ASYMMETRIC, "Ed25519"];
