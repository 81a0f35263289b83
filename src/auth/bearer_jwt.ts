/**
 * JSON Web Tokens: who has signed one, with which key, for whom; claims become a `Credential` in
 * `claims.ts`.
 *
 * What a token's header says picks nothing but one of the keys of the issuer that the token names:
 * algorithms come from the configuration, and addresses and keys in the header are not looked at.
 *
 * @module
 * @see RFC 7515, RFC 7519, and RFC 8725 for what is refused
 */
import { Buffer } from "node:buffer";
import { decodeJwt, decodeProtectedHeader, jwtVerify } from "jose";
import type { Credential } from "../domain/credential.ts";
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Clock } from "../platform/clock.ts";
import { EXTERNAL } from "./algorithms.ts";
import { audiencesOf, type Claims, gatewayCredential, oidcCredential } from "./claims.ts";
import { invalidToken } from "./invalid_token.ts";
import type { GatewayIssuer, JwtKey, OidcIssuer } from "./issuers.ts";
import type { KeySet } from "./key_set.ts";

export interface ClaimRules {
  readonly requireExpiration: boolean;
  readonly requireTokenId: boolean;
}

/** A credential that was proven, and what that depends on. */
export interface Verdict {
  readonly credential: Credential;
  /** The only URLs at which it counts; `undefined` when it is for the gateway as a whole. */
  readonly resources: readonly string[] | undefined;
  /** How long it may be remembered from now: its key may be taken back. */
  readonly freshMs: number;
}

/** @param resource URL of the endpoint that the client used */
export type VerifyToken = (token: string, resource: string) => Promise<Verdict>;

/** An external issuer with its keys. */
export interface TrustedIssuer {
  readonly issuer: OidcIssuer;
  readonly keySet: KeySet;
}

export interface VerifyTokenDeps {
  readonly clock: Clock;
  readonly gateway: GatewayIssuer;
  readonly trusted: readonly TrustedIssuer[];
}

/** How tokens of one issuer are verified. */
interface Verifier {
  readonly algorithms: readonly string[];
  readonly audience: string;
  /** @returns `undefined` when the issuer has no such key */
  readonly findKey: (
    kid: string | undefined,
    algorithm: string,
  ) => Promise<{ readonly key: JwtKey; readonly freshMs: number } | undefined>;
  readonly credentialOf: (claims: Claims, nowMs: number) => Credential;
}

/**
 * @throws {GatewayError} from the returned function: `unauthenticated`; `unavailable` when the keys
 *   of the token's issuer were never to be had
 */
export function createVerifyToken(deps: VerifyTokenDeps, rules: ClaimRules): VerifyToken {
  const { clock, gateway, trusted } = deps;
  // Exactly as written: two issuers that look alike are two.
  const verifiers = new Map<string, Verifier>(
    trusted.map(({ issuer, keySet }) => [issuer.issuer, externalVerifier(issuer, keySet)]),
  );
  verifiers.set(gateway.issuer, gatewayVerifier(gateway, rules));
  return async (token, resource) => {
    try {
      checkSpelling(token);
      const { kid, alg } = headerOf(token);
      const { iss } = decodeJwt(token);
      // Before any key is tried: a key speaks for its own issuer only.
      const verifier = typeof iss === "string" ? verifiers.get(iss) : undefined;
      if (verifier === undefined) throw new Error("Nobody's token");
      if (!verifier.algorithms.includes(alg)) throw new Error("Not an algorithm of this issuer");
      const found = await verifier.findKey(kid, alg);
      if (found === undefined) throw new Error("Not a key of this issuer");
      const nowMs = clock.now();
      const { payload } = await jwtVerify(token, found.key, {
        algorithms: [alg],
        // Times are looked at with the other claims, which know what is no time at all.
        clockTolerance: NUMBERS_ONLY,
        currentDate: new Date(nowMs),
      });
      return {
        credential: verifier.credentialOf(payload, nowMs),
        resources: resourcesOf(payload, verifier.audience, resource),
        freshMs: found.freshMs,
      };
    } catch (cause) {
      if (cause instanceof GatewayError && cause.code === "unavailable") throw cause;
      throw invalidToken(cause);
    }
  };
}

/** Longer than all times: the library then checks no more than their types. */
const NUMBERS_ONLY = 1e15;

function gatewayVerifier(gateway: GatewayIssuer, rules: ClaimRules): Verifier {
  return {
    algorithms: [gateway.algorithm],
    audience: gateway.audience,
    // It has one key and gives it no id; a token that names one means another.
    findKey: (kid) =>
      Promise.resolve(
        kid === undefined ? { key: gateway.keys.verify, freshMs: Infinity } : undefined,
      ),
    credentialOf(claims, nowMs) {
      if (rules.requireExpiration) needClaim(claims, "exp");
      if (rules.requireTokenId) needClaim(claims, "jti");
      return gatewayCredential(claims, nowMs);
    },
  };
}

/** Many such issuers give no `jti`: these tokens are revoked by their subject. */
function externalVerifier(issuer: OidcIssuer, keySet: KeySet): Verifier {
  return {
    algorithms: EXTERNAL,
    audience: issuer.audience,
    findKey: keySet.find,
    credentialOf(claims, nowMs) {
      needClaim(claims, "exp");
      return oidcCredential(claims, issuer, nowMs);
    },
  };
}

function needClaim(claims: Claims, name: string): void {
  if (claims[name] === undefined) throw new Error(`Claim ${name} is missing`);
}

/**
 * One signature has one spelling: with padding, or other bits behind its last byte, it would be the
 * same one to the library.
 * @see RFC 7515, section 2; RFC 4648, section 3.5
 */
function checkSpelling(token: string): void {
  const signature = token.slice(token.lastIndexOf(".") + 1);
  if (Buffer.from(signature, "base64url").toString("base64url") === signature) return;
  throw new Error("The signature is not spelt as it should be");
}

/** @throws {Error} for an encrypted token too: its header is not that of a signed one */
function headerOf(token: string): { readonly kid: string | undefined; readonly alg: string } {
  const { kid, alg, enc, zip } = decodeProtectedHeader(token) as Claims;
  if (enc !== undefined || zip !== undefined) throw new Error("Encrypted or compressed");
  if (typeof alg !== "string") throw new Error("No algorithm");
  if (kid === undefined) return { kid, alg };
  if (typeof kid !== "string" || kid.length >= LIMITS.keyIdChars) throw new Error("Not a kid");
  return { kid, alg };
}

/** @throws {Error} when the token is for somebody else */
function resourcesOf(
  claims: Claims,
  audience: string,
  resource: string,
): readonly string[] | undefined {
  const audiences = audiencesOf(claims);
  if (audiences.includes(audience)) return undefined;
  if (audiences.includes(resource)) return audiences;
  throw new Error("Claim aud does not name this gateway");
}

/** Whom a token names that nobody has verified; to count failures with, and for nothing else. */
export function namedSubject(token: string): string | undefined {
  try {
    const { sub } = decodeJwt(token) as Claims;
    return typeof sub === "string" && sub.length <= LIMITS.subjectChars ? sub : undefined;
  } catch {
    return undefined;
  }
}
