/**
 * Bearer tokens of the gateway's own issuer: signature, times and claims in, `Principal` out.
 *
 * Whatever is wrong with a token, the caller learns only that it is not valid; the reason is the
 * `cause`, for the log.
 *
 * @module
 * @see RFC 7519, and RFC 8725 for what is refused
 */
import { type JWTPayload, jwtVerify } from "jose";
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Principal } from "../domain/principal.ts";
import type { Clock } from "../platform/clock.ts";

export interface GatewayIssuer {
  readonly issuer: string;
  readonly audience: string;
  /** The only algorithm accepted, whatever a token's header says. */
  readonly algorithm: "HS256" | "HS384" | "HS512";
  readonly secret: Uint8Array;
}

export interface ClaimRules {
  readonly requireExpiration: boolean;
  readonly requireTokenId: boolean;
}

/** Clocks of issuer and gateway may differ by this much, for every time claim. */
export const CLOCK_SKEW_S = 60;

/** The last moment that a JavaScript date can name, in seconds: later ones are nonsense. */
const NUMERIC_DATE_MAX = 8.64e12;

export type VerifyToken = (token: string) => Promise<Principal>;

/** @throws {GatewayError} `unauthenticated` from the returned function */
export function createVerifyToken(
  clock: Clock,
  issuer: GatewayIssuer,
  rules: ClaimRules,
): VerifyToken {
  const requiredClaims = ["sub"];
  if (rules.requireExpiration) requiredClaims.push("exp");
  if (rules.requireTokenId) requiredClaims.push("jti");
  return async (token) => {
    try {
      const now = clock.now();
      const { payload, protectedHeader } = await jwtVerify(token, issuer.secret, {
        algorithms: [issuer.algorithm],
        issuer: issuer.issuer,
        audience: issuer.audience,
        clockTolerance: CLOCK_SKEW_S,
        currentDate: new Date(now),
        requiredClaims,
      });
      // The own issuer has one key and gives it no id; a token that names one means another.
      if (protectedHeader.kid !== undefined) throw new Error("Unknown kid");
      checkTimes(payload, now / 1000);
      return principalOf(payload);
    } catch (cause) {
      throw invalidToken(cause);
    }
  };
}

export function invalidToken(cause: unknown): GatewayError {
  return new GatewayError("unauthenticated", "Authentication required", { cause });
}

function checkTimes(claims: JWTPayload, nowS: number): void {
  for (const name of ["exp", "nbf", "iat"] as const) {
    const time: unknown = claims[name];
    if (time === undefined) continue;
    if (typeof time !== "number" || !(time >= 0 && time <= NUMERIC_DATE_MAX)) {
      throw new Error(`Claim ${name} is not a time`);
    }
  }
  if (claims.iat !== undefined && claims.iat > nowS + CLOCK_SKEW_S) {
    throw new Error("Claim iat lies in the future");
  }
}

function principalOf(claims: JWTPayload): Principal {
  const subject: unknown = claims.sub;
  if (typeof subject !== "string") throw new Error("Claim sub is not text");
  if (subject.trim() === "" || subject.length > LIMITS.subjectChars) {
    throw new Error("Claim sub is empty or too long");
  }
  const scopes = optionalObject(claims.scopes, "scopes");
  const user = optionalObject(claims.user, "user");
  const tokenId: unknown = claims.jti;
  if (tokenId !== undefined && typeof tokenId !== "string") {
    throw new Error("Claim jti is not text");
  }
  return {
    kind: "gateway_jwt",
    subject,
    isAdmin: optionalBoolean(claims.is_admin, "is_admin") ||
      optionalBoolean(user.is_admin, "user.is_admin"),
    ...scopeOf(teamsOf(claims.teams)),
    permissions: optionalTexts(scopes.permissions, "scopes.permissions"),
    onlyServer: optionalText(scopes.server_id, "scopes.server_id"),
    tokenId,
    expiresAtMs: claims.exp === undefined ? Infinity : (claims.exp + CLOCK_SKEW_S) * 1000,
  };
}

function scopeOf(teams: readonly string[] | undefined) {
  return { teams, ownedTeams: [], seesOwn: teams !== undefined && teams.length > 0 };
}

/** Absent and null are no claim at all; entries are ids or slugs, or objects that hold an `id`. */
function teamsOf(claim: unknown): readonly string[] | undefined {
  if (claim === undefined || claim === null) return undefined;
  if (!Array.isArray(claim)) throw new Error("Claim teams is not a list");
  return claim.map((entry) => {
    const id = typeof entry === "object" && entry !== null ? entry.id : entry;
    if (typeof id !== "string" || id === "") throw new Error("Claim teams has a wrong entry");
    return id;
  });
}

function optionalObject(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return {};
  if (typeof value === "object" && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new Error(`Claim ${name} is not an object`);
}

function optionalBoolean(value: unknown, name: string): boolean {
  if (value === undefined || typeof value === "boolean") return value ?? false;
  throw new Error(`Claim ${name} is not a boolean`);
}

function optionalText(value: unknown, name: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return value;
  throw new Error(`Claim ${name} is not text`);
}

function optionalTexts(value: unknown, name: string): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value) && value.every((entry) => typeof entry === "string")) return value;
  throw new Error(`Claim ${name} is not a list of texts`);
}
