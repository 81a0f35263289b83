/**
 * Who is calling: verifiers of all kinds of credentials, put together.
 *
 * @module
 */
import { createAuthenticate } from "../auth/authenticate.ts";
import { createVerifyToken, type TrustedIssuer } from "../auth/bearer_jwt.ts";
import { createFailedAttempts } from "../auth/failed_attempts.ts";
import type { GatewayIssuer, GatewayKeys } from "../auth/issuers.ts";
import { fetchKeys, type KeyFetchDeps } from "../auth/key_fetch.ts";
import { createKeySet } from "../auth/key_set.ts";
import { createTokenCache } from "../auth/token_cache.ts";
import { createProxyProof, createTrustedProxies } from "../auth/trusted_proxy.ts";
import type { Config } from "../config/load.ts";
import { VERSION } from "../domain/version.ts";
import { createHttpClient } from "../platform/http1/client.ts";
import type { AccountSide } from "./account_side.ts";
import type { Base } from "./base.ts";

export function createAuthSide(
  base: Base,
  egress: KeyFetchDeps["egress"],
  { findApiToken, rights }: Pick<AccountSide, "findApiToken" | "rights">,
) {
  const { config, platform: { clock, jwtKeys } } = base;
  const http = createHttpClient(clock);
  const proxies = createTrustedProxies(config.trustedProxies);
  const proxyUser = config.trustProxyAuth
    ? {
      name: config.proxyUserHeader.toLowerCase(),
      secretName: config.proxySecretHeader.toLowerCase(),
      isTrusted: proxies.isTrusted,
    }
    : undefined;
  const verifyToken = createVerifyToken({
    clock,
    gateway: gatewayIssuer(config, jwtKeys),
    trusted: trustedIssuers(base, { http, egress }),
  }, config);
  return {
    authenticate: createAuthenticate({
      verifyToken,
      findApiToken,
      cache: createTokenCache(clock),
      proxies,
      isProven: createProxyProof(config.proxySecret),
      failures: createFailedAttempts(clock),
    }, {
      requireAuth: config.requireAuth,
      clientAuth: config.clientAuth,
      trustProxy: config.trustProxyAuth,
    }),
    principalOf: rights.principalOf,
    sourceOf: proxies.sourceOf,
    watch: rights.watch,
    proxyUser,
    authorizationServers: config.oidcIssuers.map(({ issuer }) => issuer),
    close: () => http.close(),
  };
}

function trustedIssuers(
  { config, platform: { clock, log }, timers }: Base,
  deps: Pick<KeyFetchDeps, "http" | "egress">,
): readonly TrustedIssuer[] {
  const options = { connectMs: config.connectMs, userAgent: `sallyport/${VERSION}` };
  return config.oidcIssuers.map((issuer) => ({
    issuer,
    keySet: createKeySet({
      clock,
      fetchKeys: () => fetchKeys({ ...deps, timers }, options, issuer),
      failed: (error) =>
        log.warning("The keys of an issuer could not be read", { issuer: issuer.issuer, error }),
    }),
  }));
}

export function gatewayIssuer(config: Config, keys: GatewayKeys): GatewayIssuer {
  return {
    issuer: config.jwtIssuer,
    audience: config.jwtAudience,
    algorithm: config.jwtAlgorithm,
    keys,
  };
}
