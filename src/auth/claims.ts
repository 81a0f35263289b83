/**
 * Claims of a token whose signature is good become a `Credential`. What is absent, empty or of the
 * wrong type is told apart here and nowhere else.
 *
 * @module
 * @see contract.md, section 5; RFC 7519, section 4.1
 */
import type { Credential } from "../domain/credential.ts";
import { LIMITS } from "../domain/limits.ts";
import type { OidcIssuer } from "./issuers.ts";

/** As they were signed: any JSON. */
export type Claims = Readonly<Record<string, unknown>>;

/** Clocks of issuer and gateway may differ by this much, for every time claim. */
export const CLOCK_SKEW_S = 60;

/** The last moment that a JavaScript date can name, in seconds: later ones are nonsense. */
const NUMERIC_DATE_MAX = 8.64e12;

/** A token of the gateway's own issuer. @throws {Error} saying which claim is wrong */
export function gatewayCredential(claims: Claims, nowMs: number): Credential {
  const scopes = optionalObject(claims.scopes, "scopes");
  const user = optionalObject(claims.user, "user");
  const isAdmin = optionalBoolean(claims.is_admin, "is_admin");
  const isAdminUser = optionalBoolean(user.is_admin, "user.is_admin");
  return {
    kind: "gateway_jwt",
    subject: ownSubject(claims.sub),
    claimsAdmin: isAdmin || isAdminUser,
    teams: teamsOf(claims.teams, "teams"),
    permissions: optionalTexts(scopes.permissions, "scopes.permissions"),
    onlyServer: optionalText(scopes.server_id, "scopes.server_id"),
    ...idAndTimes(claims, nowMs),
  };
}

/**
 * A token of an external issuer: it says who somebody is and, where that is configured, in which
 * teams. Nothing that it says makes an administrator or a permission.
 * @throws {Error} saying which claim is wrong
 */
export function oidcCredential(claims: Claims, issuer: OidcIssuer, nowMs: number): Credential {
  const { emailClaim, teamsClaim } = issuer;
  // Also where something else names the caller, a token without a good `sub` is none.
  const subject = checkedSubject(claims.sub, "sub");
  return {
    kind: `oidc_jwt ${issuer.issuer}`,
    subject: emailClaim === undefined ? subject : emailOf(claims, emailClaim),
    claimsAdmin: false,
    teams: teamsClaim === undefined ? "stored" : teamsOf(ownClaim(claims, teamsClaim), teamsClaim),
    permissions: undefined,
    onlyServer: undefined,
    ...idAndTimes(claims, nowMs),
  };
}

/** What `aud` names. @throws {Error} for a wrong type */
export function audiencesOf({ aud }: Claims): readonly string[] {
  if (typeof aud === "string") return [aud];
  if (Array.isArray(aud) && aud.every((one) => typeof one === "string")) return aud;
  throw new Error("Claim aud is neither text nor a list of texts");
}

function idAndTimes(claims: Claims, nowMs: number) {
  const exp = timeOf(claims, "exp");
  const iat = timeOf(claims, "iat");
  const nbf = timeOf(claims, "nbf");
  const nowS = nowMs / 1000;
  if (exp !== undefined && exp + CLOCK_SKEW_S <= nowS) throw new Error("Claim exp has passed");
  if (nbf !== undefined && nbf > nowS + CLOCK_SKEW_S) throw new Error("Claim nbf is to come");
  if (iat !== undefined && iat > nowS + CLOCK_SKEW_S) throw new Error("Claim iat is to come");
  const tokenId: unknown = claims.jti;
  if (tokenId !== undefined && typeof tokenId !== "string") {
    throw new Error("Claim jti is not text");
  }
  return {
    tokenId,
    issuedAtMs: iat === undefined ? undefined : iat * 1000,
    expiresAtMs: exp === undefined ? Infinity : (exp + CLOCK_SKEW_S) * 1000,
  };
}

function timeOf(claims: Claims, name: "exp" | "iat" | "nbf"): number | undefined {
  const time = claims[name];
  if (time === undefined) return undefined;
  if (typeof time === "number" && time >= 0 && time <= NUMERIC_DATE_MAX) return time;
  throw new Error(`Claim ${name} is not a time`);
}

/** Only what the token itself says; `constructor` and its like are no claims. */
function ownClaim(claims: Claims, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}

/** An e-mail address, or the name of an agent. */
function ownSubject(claim: unknown): string {
  const subject = checkedSubject(claim, "sub");
  // Readers of such an address do not agree on whose it is.
  if (subject.split("@").length > 2) throw new Error("Claim sub has two at-signs");
  return subject;
}

function checkedSubject(claim: unknown, name: string): string {
  if (typeof claim !== "string") throw new Error(`Claim ${name} is not text`);
  if (claim.trim() === "" || claim.length > LIMITS.subjectChars) {
    throw new Error(`Claim ${name} is empty or too long`);
  }
  // Databases and log lines cannot hold these.
  if (/\p{Cc}/u.test(claim) || !claim.isWellFormed()) {
    throw new Error(`Claim ${name} has characters that no name has`);
  }
  return claim;
}

/** One at-sign, no list, and nothing that is invisible or has a meaning in address headers. */
const EMAIL = /^[^\s@,;:<>()[\]\\"\p{C}]+@[^\s@,;:<>()[\]\\"\p{C}]+$/u;

export function isEmailLike(text: string): boolean {
  return text.length <= LIMITS.subjectChars && EMAIL.test(text) && text.isWellFormed();
}

/**
 * @see OpenID Connect Core 1.0, sections 5.1 and 5.7: `email` alone says what the user typed in,
 *   unless the issuer has verified it
 */
function emailOf(claims: Claims, name: string): string {
  const email = ownClaim(claims, name);
  if (typeof email !== "string" || !isEmailLike(email)) {
    throw new Error(`Claim ${name} is no e-mail address`);
  }
  const isVerified = claims.email_verified;
  if (isVerified !== undefined && typeof isVerified !== "boolean") {
    throw new Error("Claim email_verified is not a boolean");
  }
  if (isVerified === false || (name === "email" && isVerified !== true)) {
    throw new Error(`Claim ${name} is not verified`);
  }
  return email;
}

/** Absent and null are no claim at all; entries are ids or slugs, or objects that hold an `id`. */
function teamsOf(claim: unknown, name: string): readonly string[] | undefined {
  if (claim === undefined || claim === null) return undefined;
  if (!Array.isArray(claim)) throw new Error(`Claim ${name} is not a list`);
  return claim.map((entry) => {
    const id = typeof entry === "object" && entry !== null ? entry.id : entry;
    if (typeof id !== "string" || id === "") throw new Error(`Claim ${name} has a wrong entry`);
    return id;
  });
}

function optionalObject(value: unknown, name: string): Claims {
  if (value === undefined || value === null) return {};
  if (typeof value === "object" && !Array.isArray(value)) return value as Claims;
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
