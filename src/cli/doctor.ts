/**
 * `sallyport doctor`: says what the configuration means, what it needs, and what looks wrong.
 *
 * @module
 */
import { isAsymmetric } from "../auth/algorithms.ts";
import type { OidcIssuer } from "../auth/issuers.ts";
import { type Config, eventStoreOf } from "../config/load.ts";
import type { UpstreamDeclaration } from "../domain/server.ts";
import { resolveName } from "../platform/dial.ts";
import { shownRedisUrl } from "../platform/redis_url.ts";
import { configFrom, parseOptions } from "./args.ts";
import { shownDatabase } from "./database_place.ts";
import { permissionFlags, strictDestinations } from "./permissions.ts";

export async function doctor(args: readonly string[]): Promise<number> {
  const values = parseOptions(args, { flags: { type: "boolean" }, strict: { type: "boolean" } });
  const config = configFrom(values);
  if (values.flags || values.strict) {
    const net = values.strict ? await strictDestinations(config, resolveName) : undefined;
    console.log(permissionFlags(config, net).map(forShell).join(" "));
    return 0;
  }
  for (const line of report(config)) console.log(line);
  return 0;
}

/** What a shell would take apart is put in quotes. */
function forShell(flag: string): string {
  return /^[\w@%+=:,./~[\]-]+$/.test(flag) ? flag : `'${flag.replaceAll("'", "'\\''")}'`;
}

function report(config: Config): readonly string[] {
  const { upstreams, servers } = config.declarations;
  return [
    `Listener       http://${config.host}:${config.port}`,
    `Public URL     ${config.publicUrl ?? "the listener's"}`,
    `Data           ${config.dataDir}`,
    `Database       ${shownDatabase(config)}`,
    ...config.redisUrl === undefined ? [] : [`Redis          ${shownRedisUrl(config.redisUrl)}`],
    `Config file    ${config.configPath ?? "none"}`,
    `Signing key    ${signingKey(config)}`,
    ...config.oidcIssuers.map((one) => `Issuer         ${one.issuer}  ${factsOf(one)}`),
    ...config.trustProxyAuth
      ? [`Proxy user     ${config.proxyUserHeader}${withSecret(config)}${onlyProxy(config)}`]
      : [],
    `Upstreams      ${upstreams.length}`,
    ...upstreams.map((server) => `  ${server.slug}  ${visibilityOf(server)}  ${placeOf(server)}`),
    `Servers        ${servers.length}`,
    ...servers.map((server) => `  ${server.slug}  ${visibilityOf(server)}  ${server.naming}`),
    ...config.notes.map((note) => `Note           ${note}`),
    ...hints(config).map((hint) => `Note           ${hint}`),
    ...warnings(config).map((warning) => `Warning        ${warning}`),
  ];
}

function signingKey(config: Config): string {
  const { jwtAlgorithm, jwtSecretKey, jwtPublicKeyPath, jwtPrivateKeyPath } = config;
  if (!isAsymmetric(jwtAlgorithm)) {
    return jwtSecretKey ? "from JWT_SECRET_KEY" : "in the data directory";
  }
  const minting = jwtPrivateKeyPath ?? "none: JWT_PRIVATE_KEY_PATH is not set";
  return `${jwtAlgorithm}, verifying ${jwtPublicKeyPath}, minting ${minting}`;
}

function factsOf({ jwksUri, emailClaim, teamsClaim }: OidcIssuer): string {
  const keys = jwksUri === undefined ? "keys discovered" : "keys from jwksUri";
  const teams = teamsClaim === undefined ? "teams stored" : `teams from ${teamsClaim}`;
  return `${keys}, subject from ${emailClaim ?? "sub"}, ${teams}`;
}

function withSecret({ proxySecret, proxySecretHeader }: Config): string {
  return proxySecret === undefined ? "" : `, proven in ${proxySecretHeader}`;
}

function onlyProxy({ clientAuth }: Config): string {
  return clientAuth ? "" : "; bearers are refused";
}

function visibilityOf(
  { visibility, enabled }: Pick<UpstreamDeclaration, "visibility" | "enabled">,
) {
  return enabled ? visibility : `${visibility}, disabled`;
}

/** Path, query and arguments may hold a secret that came from a variable. */
function placeOf(server: UpstreamDeclaration): string {
  return server.transport === "stdio"
    ? `stdio ${server.command.split("/").at(-1)}`
    : server.url.origin;
}

/** There may be others, which the API has made. */
function hints({ declarations, configPath }: Config): readonly string[] {
  if (declarations.upstreams.some(({ enabled }) => enabled)) return [];
  return [`${configPath ?? "No config file"} declares no upstream server`];
}

/** What is allowed and still rarely meant. */
export function warnings(config: Config): readonly string[] {
  const found: string[] = [];
  const isLoopback = ["127.0.0.1", "localhost", "::1"].includes(config.host);
  if (!isLoopback && !config.requireAuth) {
    found.push("MCP_REQUIRE_AUTH is false and HOST is not loopback: strangers see public items");
  }
  if (!isLoopback && config.publicUrl === undefined && config.allowedHosts.length === 0) {
    found.push("HOST is not loopback and PUBLIC_URL is not set: other Host values are refused");
  }
  if (config.redisUrl !== undefined && eventStoreOf(config) !== "redis") {
    found.push("EVENT_STORE is not redis: a client can resume a stream at one replica only");
  }
  if (config.trustedProxies.some(({ prefix }) => prefix === 0)) {
    found.push("TRUSTED_PROXIES holds every address: whoever connects is believed");
  }
  for (const { issuer, jwksUri } of config.oidcIssuers) {
    const open = [issuer, jwksUri].filter((url) => url !== undefined && isOpen(new URL(url)));
    for (const url of open) {
      found.push(`OIDC_ISSUERS: ${url} is http: whoever is in between can make tokens`);
    }
  }
  return found;
}

function isOpen({ protocol, hostname }: URL): boolean {
  return protocol === "http:" && !["127.0.0.1", "localhost", "[::1]"].includes(hostname);
}
