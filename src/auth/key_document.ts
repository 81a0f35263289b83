/**
 * An issuer's public keys, as its document lists them.
 *
 * @module
 * @see RFC 7517; RFC 7518, section 6
 */
import { importJWK, type JWK } from "jose";
import { LIMITS } from "../domain/limits.ts";

export interface PublicKeys {
  /**
   * The one key that a token means. Without `kid` it is the only one that fits the algorithm: which
   * of several it is would have to be tried.
   * @returns `undefined` when there is none, or more than one
   */
  readonly find: (kid: string | undefined, algorithm: string) => Promise<CryptoKey | undefined>;
}

/** The members that make a key, by its type. All others are left behind, private ones too. */
const MEMBERS: Readonly<Record<string, readonly (keyof JWK)[]>> = {
  RSA: ["kty", "n", "e"],
  EC: ["kty", "crv", "x", "y"],
  OKP: ["kty", "crv", "x"],
};

/** @throws {Error} when it is no such document; a key that cannot be used is skipped */
export function readKeys(document: unknown): PublicKeys {
  const listed = (document as { readonly keys?: unknown } | null)?.keys;
  if (!Array.isArray(listed)) throw new Error("It is no JSON Web Key Set");
  const keys = listed.slice(0, LIMITS.keysPerIssuer).filter(isUsable);
  const imported = new Map<JWK, Map<string, Promise<CryptoKey | undefined>>>();

  function importOnce(jwk: JWK, algorithm: string): Promise<CryptoKey | undefined> {
    let byAlgorithm = imported.get(jwk);
    if (byAlgorithm === undefined) imported.set(jwk, byAlgorithm = new Map());
    let key = byAlgorithm.get(algorithm);
    if (key === undefined) byAlgorithm.set(algorithm, key = importKey(jwk, algorithm));
    return key;
  }

  return {
    find(kid, algorithm) {
      const fitting = keys.filter((jwk) =>
        fits(jwk, algorithm) && (kid === undefined || jwk.kid === kid)
      );
      return fitting.length === 1 ? importOnce(fitting[0]!, algorithm) : Promise.resolve(undefined);
    },
  };
}

async function importKey(jwk: JWK, algorithm: string): Promise<CryptoKey | undefined> {
  const members = MEMBERS[jwk.kty!]!.map((name) => [name, jwk[name]]);
  try {
    return await importJWK({ ...Object.fromEntries(members) } as JWK, algorithm) as CryptoKey;
  } catch {
    // Another issuer's mistake: a token that means this key is a token without a key.
    return undefined;
  }
}

function isUsable(entry: unknown): entry is JWK {
  if (typeof entry !== "object" || entry === null) return false;
  const { kty, use, key_ops: operations } = entry as JWK;
  if (typeof kty !== "string" || !Object.hasOwn(MEMBERS, kty)) return false;
  if (use !== undefined && use !== "sig") return false;
  return !Array.isArray(operations) || operations.includes("verify");
}

function fits(jwk: JWK, algorithm: string): boolean {
  const { kty, crv, alg } = jwk;
  const isOther = alg !== undefined && curveName(alg) !== curveName(algorithm);
  if (isOther) return false;
  if (kty === "RSA") return /^[RP]S(?:256|384|512)$/.test(algorithm);
  if (kty === "OKP") return crv === "Ed25519" && curveName(algorithm) === "Ed25519";
  return kty === "EC" && CURVES.get(algorithm) === crv && crv !== undefined;
}

/** RFC 9864: two names of one algorithm. */
function curveName(algorithm: string): string {
  return algorithm === "EdDSA" ? "Ed25519" : algorithm;
}

const CURVES: ReadonlyMap<string, string> = new Map([
  ["ES256", "P-256"],
  ["ES384", "P-384"],
  ["ES512", "P-521"],
]);
