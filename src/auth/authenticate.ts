/**
 * A request's credential becomes a `Principal`, or the request ends.
 *
 * A credential that is present and bad is refused, never treated as absent: permissive mode
 * (`MCP_REQUIRE_AUTH=false`) serves only callers that present none.
 *
 * @module
 */
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { ANONYMOUS, type Principal } from "../domain/principal.ts";
import { invalidToken, type VerifyToken } from "./bearer_jwt.ts";
import type { TokenCache } from "./token_cache.ts";

export interface AuthenticateDeps {
  readonly verifyToken: VerifyToken;
  readonly cache: TokenCache;
}

/** @param authorization the header's value; `undefined` when there is none */
export type Authenticate = (authorization: string | undefined) => Principal | Promise<Principal>;

/** One space, and the characters of RFC 6750, section 2.1 and nothing else. */
const BEARER = /^bearer ([A-Za-z0-9\-._~+/]+=*)$/i;

/**
 * @throws {GatewayError} from the returned function: `unauthenticated` for a missing or bad
 *   credential, `invalid_request` for more than one
 */
export function createAuthenticate(
  deps: AuthenticateDeps,
  options: { readonly requireAuth: boolean },
): Authenticate {
  return (authorization) => {
    if (authorization === undefined) {
      if (options.requireAuth) throw invalidToken("No credential");
      return ANONYMOUS;
    }
    if (authorization.length > LIMITS.tokenBytes + "bearer ".length) {
      throw invalidToken("Credential too long");
    }
    return deps.cache.find(authorization) ?? verified(deps, authorization);
  };
}

async function verified(deps: AuthenticateDeps, authorization: string): Promise<Principal> {
  // Two headers arrive joined by a comma, which no bearer token contains.
  if (authorization.includes(",")) {
    throw new GatewayError("invalid_request", "More than one Authorization header");
  }
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined) throw invalidToken("Not a bearer token");
  const principal = await deps.verifyToken(token);
  deps.cache.keep(authorization, principal);
  return principal;
}
