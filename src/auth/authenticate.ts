/**
 * A request's credential becomes a `Credential`, or the request ends.
 *
 * A credential that is present and bad is refused, never treated as absent: permissive mode
 * (`MCP_REQUIRE_AUTH=false`) and proxies serve only callers that present none.
 *
 * @module
 * @see security.md, AUTHN-02, AUTHN-12 to AUTHN-14, PROXY-02, PROXY-03, PROXY-06
 */
import { type Credential, NO_CREDENTIAL } from "../domain/credential.ts";
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { API_TOKEN_PREFIX, type FindApiToken } from "./api_token.ts";
import { namedSubject, type VerifyToken } from "./bearer_jwt.ts";
import type { FailedAttempts } from "./failed_attempts.ts";
import { invalidToken } from "./invalid_token.ts";
import type { TokenCache } from "./token_cache.ts";
import { createProxyCredentials, type TrustedProxies } from "./trusted_proxy.ts";

/**
 * What a request says about its caller. Header values; `undefined` when there is none. What is seldom
 * needed is only read when it is.
 */
export interface AuthRequest {
  readonly authorization: string | undefined;
  /** Of the header that trusted proxies name the user in. */
  readonly proxyUser: string | undefined;
  /** Of the header in which they prove to be one. */
  readonly proxySecret: string | undefined;
  readonly forwardedFor: string | undefined;
  /** IP address at the other end of the connection. */
  readonly peer: string;
  /** URL of the endpoint that the client used. */
  readonly resource: string;
}

/**
 * @throws {GatewayError} `unauthenticated` for a missing or bad credential, `invalid_request` for
 *   more than one, `rate_limited` after many bad ones, `unavailable` when it cannot be known
 */
export type Authenticate = (request: AuthRequest) => Credential | Promise<Credential>;

export interface AuthenticateDeps {
  readonly verifyToken: VerifyToken;
  readonly findApiToken: FindApiToken;
  readonly cache: TokenCache;
  readonly proxies: TrustedProxies;
  /** Whether a proxy has the secret that is asked of it, if any. */
  readonly isProven: (proxySecret: string | undefined) => boolean;
  readonly failures: FailedAttempts;
}

export interface AuthenticateOptions {
  /** `MCP_REQUIRE_AUTH` */
  readonly requireAuth: boolean;
  /** `MCP_CLIENT_AUTH_ENABLED` */
  readonly clientAuth: boolean;
  /** `TRUST_PROXY_AUTH` */
  readonly trustProxy: boolean;
}

/** Who is asked about the caller. */
export type Outcome = "bearer" | "proxy" | "anonymous" | "refuse";

interface Row {
  /** Whether there is an `Authorization` header, whatever stands in it. */
  readonly bearer?: boolean;
  /** Whether a proxy that is believed names a user. */
  readonly proxyUser?: boolean;
  readonly clientAuth?: boolean;
  readonly requireAuth?: boolean;
  readonly outcome: Outcome;
}

/** The first row that fits decides; what a row does not name is no matter to it. */
export const OUTCOMES: readonly Row[] = [
  { bearer: true, clientAuth: true, outcome: "bearer" },
  { bearer: true, clientAuth: false, outcome: "refuse" },
  { bearer: false, proxyUser: true, outcome: "proxy" },
  { bearer: false, proxyUser: false, requireAuth: true, outcome: "refuse" },
  { bearer: false, proxyUser: false, requireAuth: false, outcome: "anonymous" },
];

export function outcomeOf(given: Required<Omit<Row, "outcome">>): Outcome {
  const row = OUTCOMES.find((row) =>
    (["bearer", "proxyUser", "clientAuth", "requireAuth"] as const)
      .every((name) => row[name] === undefined || row[name] === given[name])
  );
  return row?.outcome ?? "refuse";
}

/** One space, and the characters of RFC 6750, section 2.1 and nothing else. */
const BEARER = /^bearer ([A-Za-z0-9\-._~+/]+=*)$/i;

export function createAuthenticate(
  deps: AuthenticateDeps,
  options: AuthenticateOptions,
): Authenticate {
  const { proxies, isProven, cache } = deps;
  const proxyCredential = createProxyCredentials();
  const decide = (bearer: boolean, proxyUser: boolean) =>
    outcomeOf({ bearer, proxyUser, ...options });
  const withBearer = decide(true, false);
  const [withProxy, withNothing] = [decide(false, true), decide(false, false)];

  return (request) => {
    const { authorization, proxyUser } = request;
    // From anybody else the header is as good as absent.
    const isNamed = options.trustProxy && proxyUser !== undefined &&
      proxies.isTrusted(request.peer);
    if (isNamed && !isProven(request.proxySecret)) throw invalidToken("Not the proxy's secret");
    const proxied = isNamed ? proxyCredential(proxyUser) : undefined;
    const outcome = authorization !== undefined ? withBearer : isNamed ? withProxy : withNothing;
    switch (outcome) {
      case "bearer":
        checkLength(authorization!);
        return cache.find(authorization!, request) ?? proven(deps, request);
      case "proxy":
        return proxied!;
      case "anonymous":
        return NO_CREDENTIAL;
      case "refuse":
        throw invalidToken(authorization === undefined ? "No credential" : "Bearers are off");
    }
  };
}

function checkLength(authorization: string): void {
  if (authorization.length > LIMITS.tokenBytes + "bearer ".length) {
    throw invalidToken("Credential too long");
  }
}

function proven(
  deps: AuthenticateDeps,
  request: AuthRequest,
): Credential | Promise<Credential> {
  const authorization = request.authorization!;
  // Two headers arrive joined by a comma, which no bearer token contains.
  if (authorization.includes(",")) {
    throw new GatewayError("invalid_request", "More than one Authorization header");
  }
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined) throw invalidToken("Not a bearer token");
  const source = deps.proxies.sourceOf(request.peer, request.forwardedFor);
  return token.startsWith(API_TOKEN_PREFIX)
    ? ofApiToken(deps, token, source)
    : ofJwt(deps, token, source, request);
}

function ofApiToken(deps: AuthenticateDeps, token: string, source: string): Credential {
  // However many are guessed: looking for one is as cheap as refusing to.
  const found = deps.findApiToken(token);
  if (found !== undefined) return found;
  deps.failures.note(source, undefined);
  throw invalidToken("Not an API token");
}

async function ofJwt(
  deps: AuthenticateDeps,
  token: string,
  source: string,
  { authorization, resource }: AuthRequest,
): Promise<Credential> {
  deps.failures.check(source);
  try {
    const verdict = await deps.verifyToken(token, resource);
    deps.cache.keep(authorization!, verdict);
    return verdict.credential;
  } catch (error) {
    const isBad = error instanceof GatewayError && error.code === "unauthenticated";
    if (isBad) deps.failures.note(source, namedSubject(token));
    throw error;
  }
}
