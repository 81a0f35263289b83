/**
 * What settings ask of each other.
 *
 * @module
 * @see contract.md, sections 2 and 8, "Start"
 */
import { isAsymmetric } from "../auth/algorithms.ts";
import { ENTRIES } from "./entries.ts";
import type { Settings } from "./load.ts";

type Name = keyof typeof ENTRIES;

/**
 * Problems of settings that are fine by themselves.
 * @param settings a wrong one is `undefined`
 * @param problems those that are told already
 */
export function problemsTogether(
  settings: Readonly<Partial<Settings>>,
  problems: readonly string[],
): readonly string[] {
  return [
    ...missingKeys(settings, problems),
    ...proxyProblems(settings, problems),
    ...issuerProblems(settings),
    ...eventProblems(settings, problems),
  ];
}

function missingKeys(settings: Partial<Settings>, problems: readonly string[]): readonly string[] {
  const { jwtAlgorithm, databaseUrl, redisUrl } = settings;
  const isPair = jwtAlgorithm !== undefined && isAsymmetric(jwtAlgorithm);
  const pair = isPair
    ? missing(settings, problems, "jwtPublicKeyPath", `JWT_ALGORITHM is ${jwtAlgorithm}`)
    : [];
  // Replicas share what is kept, so none of them may make up keys of its own.
  const why = databaseUrl?.kind === "postgres"
    ? "DATABASE_URL is postgres://"
    : redisUrl !== undefined
    ? "REDIS_URL is set"
    : undefined;
  if (why === undefined) return pair;
  return [
    ...pair,
    ...isPair ? [] : missing(settings, problems, "jwtSecretKey", why),
    ...missing(settings, problems, "encryptionSecret", why),
  ];
}

function proxyProblems(
  settings: Partial<Settings>,
  problems: readonly string[],
): readonly string[] {
  const { trustProxyAuth, trustedProxies, clientAuth, proxySecret } = settings;
  const found: string[] = [];
  if (trustProxyAuth && trustedProxies?.length === 0) {
    found.push("TRUSTED_PROXIES must be set when TRUST_PROXY_AUTH is true");
  }
  const isWrong = isTold(problems, "trustProxyAuth");
  if (clientAuth === false && !trustProxyAuth && !isWrong) {
    found.push("TRUST_PROXY_AUTH must be true when MCP_CLIENT_AUTH_ENABLED is false");
  }
  if (proxySecret !== undefined && !trustProxyAuth && !isWrong) {
    found.push("TRUST_PROXY_AUTH must be true when PROXY_SECRET is set");
  }
  const { proxyUserHeader: user, proxySecretHeader: proof } = settings;
  if (user !== undefined && user.toLowerCase() === proof?.toLowerCase()) {
    found.push("PROXY_SECRET_HEADER must be another header than PROXY_USER_HEADER");
  }
  return found;
}

function eventProblems(
  { eventStore, redisUrl }: Partial<Settings>,
  problems: readonly string[],
): readonly string[] {
  if (eventStore !== "redis" || redisUrl !== undefined || isTold(problems, "redisUrl")) return [];
  return ["REDIS_URL must be set when EVENT_STORE is redis"];
}

function issuerProblems({ oidcIssuers, jwtIssuer }: Partial<Settings>): readonly string[] {
  if (!oidcIssuers?.some(({ issuer }) => issuer === jwtIssuer)) return [];
  return ["OIDC_ISSUERS must not list JWT_ISSUER, which is the gateway's own"];
}

function missing(
  settings: Partial<Settings>,
  problems: readonly string[],
  name: Name,
  why: string,
): readonly string[] {
  // A wrong one is told already.
  if (settings[name] !== undefined || isTold(problems, name)) return [];
  return [`${ENTRIES[name].env} must be set when ${why}`];
}

function isTold(problems: readonly string[], name: Name): boolean {
  return problems.some((problem) => problem.startsWith(`${ENTRIES[name].env} `));
}
