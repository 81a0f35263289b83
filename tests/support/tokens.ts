/**
 * Mints tokens as the gateway's own issuer would.
 *
 * @module
 */

import { SignJWT } from "jose";

/** For `JWT_SECRET_KEY`. */
export const TEST_JWT_SECRET = "only-for-tests-0123456789-abcdefghij-XYZ";

/**
 * A token signed with HS256.
 *
 * @param claims added to the usual ones; `undefined` takes one away
 */
export async function mintToken(
  claims: Readonly<Record<string, unknown>> = {},
  { secret = TEST_JWT_SECRET, header = {} }: {
    secret?: string;
    header?: Readonly<Record<string, unknown>>;
  } = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const all = {
    iss: "mcpgateway",
    aud: "mcpgateway-api",
    sub: "alice@example.com",
    iat: now,
    exp: now + 3600,
    jti: crypto.randomUUID(),
    ...claims,
  };
  const present = Object.entries(all).filter(([, value]) => value !== undefined);
  return await new SignJWT(Object.fromEntries(present))
    .setProtectedHeader({ alg: "HS256", typ: "JWT", ...header })
    .sign(new TextEncoder().encode(secret));
}
