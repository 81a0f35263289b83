/**
 * Mints tokens of the gateway's own issuer.
 *
 * @module
 * @see contract.md, section 5
 */
import { SignJWT } from "jose";
import type { Clock } from "../platform/clock.ts";
import { randomText } from "../platform/random.ts";
import type { GatewayIssuer } from "./issuers.ts";

export interface TokenRequest {
  /** E-mail of the person or name of the agent, 1–255 characters. */
  readonly subject: string;
  readonly expiresInMs: number;
  readonly isAdmin: boolean;
  /** `undefined` leaves the claim out: public items only, everything for an administrator. */
  readonly teams: readonly string[] | undefined;
  readonly permissions: readonly string[] | undefined;
  readonly serverId: string | undefined;
}

/** @throws {Error} when the gateway has no key to sign with */
export async function issueToken(
  clock: Clock,
  issuer: GatewayIssuer,
  request: TokenRequest,
): Promise<string> {
  const { sign } = issuer.keys;
  if (sign === undefined) throw new Error("There is no key to sign with");
  const nowS = Math.floor(clock.now() / 1000);
  const scopes = {
    ...(request.permissions && { permissions: request.permissions }),
    ...(request.serverId !== undefined && { server_id: request.serverId }),
  };
  const claims = {
    ...(request.isAdmin && { is_admin: true }),
    ...(request.teams && { teams: request.teams }),
    ...(Object.keys(scopes).length > 0 && { scopes }),
  };
  return await new SignJWT(claims)
    .setProtectedHeader({ alg: issuer.algorithm, typ: "JWT" })
    .setSubject(request.subject)
    .setIssuer(issuer.issuer)
    .setAudience(issuer.audience)
    .setIssuedAt(nowS)
    .setExpirationTime(nowS + Math.floor(request.expiresInMs / 1000))
    .setJti(randomText(16))
    .sign(sign);
}
