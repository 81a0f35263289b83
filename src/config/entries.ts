/**
 * The table of all settings. Parsing, `--help`, `doctor`, the launcher's list of environment
 * variables and `docs/settings.md` come from it.
 *
 * @module
 * @see contract.md, section 2
 */
import { ASYMMETRIC, SYMMETRIC } from "../auth/algorithms.ts";
import { privateDestination } from "../policy/egress.ts";
import { parseDatabaseUrl } from "../storage/database_url.ts";
import {
  block,
  boolean,
  duration,
  entry,
  headerName,
  host,
  integer,
  list,
  matching,
  oneOf,
  optionalEntry,
  origin,
  rate,
  secret,
  size,
  text,
} from "./entry.ts";
import { oidcIssuers } from "./oidc_issuers.ts";

export const ENTRIES = {
  host: entry({
    env: "HOST",
    parse: text,
    default: "127.0.0.1",
    help: "Address to listen on.",
  }),
  port: entry({
    env: "PORT",
    parse: integer(0, 65_535),
    default: "4444",
    help: "Port to listen on; 0 picks a free one.",
  }),
  publicUrl: optionalEntry({
    env: "PUBLIC_URL",
    parse: origin,
    help: "The URL that clients use; drives metadata and the Host and Origin checks.",
  }),
  allowedHosts: entry({
    env: "ALLOWED_HOSTS",
    parse: list(host),
    default: "",
    help: "Further values of the Host header to accept, each exactly as sent.",
  }),
  allowedOrigins: entry({
    env: "ALLOWED_ORIGINS",
    parse: list(origin),
    default: "",
    help: "Origins of browser clients to accept, besides the own one.",
  }),
  jsonResponses: entry({
    env: "JSON_RESPONSE_ENABLED",
    parse: oneOf("auto", "true", "false"),
    default: "auto",
    help: "Answer POST with JSON always, never (event stream), or when the answer comes at once.",
  }),
  databaseUrl: entry({
    env: "DATABASE_URL",
    parse: parseDatabaseUrl,
    default: "sqlite",
    help: "sqlite:PATH, sqlite::memory: to keep nothing, or postgres://USER:PASSWORD@HOST/NAME. " +
      "Without a path sallyport.db in the data directory.",
  }),
  redisUrl: optionalEntry({
    env: "REDIS_URL",
    parse: matching(/^rediss?:\/\/[^/\s]\S*$/, "redis://HOST:PORT or rediss://HOST:PORT"),
    isSecret: true,
    help: "redis://… or rediss://…: what several replicas share besides PostgreSQL.",
  }),
  eventStore: entry({
    env: "EVENT_STORE",
    parse: oneOf("sqlite", "memory"),
    default: "sqlite",
    help: "Where events of streams are kept, for clients of the session era to resume.",
  }),
  streamEventsMax: entry({
    env: "STREAMABLE_HTTP_MAX_EVENTS_PER_STREAM",
    parse: integer(1, 1_000_000),
    default: "256",
    help: "Events of one stream that a client can come back for.",
  }),
  streamEventMs: entry({
    env: "STREAMABLE_HTTP_EVENT_TTL",
    parse: duration({ min: "1s", max: "7d" }),
    default: "3600",
    help: "How long an event is kept.",
  }),
  statefulSessions: entry({
    env: "USE_STATEFUL_SESSIONS",
    parse: boolean,
    default: "true",
    help: "Whether clients of the session era get sessions; otherwise each request stands alone.",
  }),
  sessionIdleMs: entry({
    env: "SESSION_IDLE_TTL",
    parse: duration({ min: "2s", max: "24h" }),
    default: "30m",
    help: "A session ends after this long without traffic in either direction.",
  }),
  sessionMsMax: entry({
    env: "SESSION_MAX_TTL",
    parse: duration({ min: "2s", max: "30d" }),
    default: "12h",
    help: "Absolute end of a session.",
  }),
  sessionsPerPrincipal: entry({
    env: "SESSIONS_PER_PRINCIPAL",
    parse: integer(1, 1_000_000),
    default: "100",
    help: "Open sessions of one subject; beyond it, 429.",
  }),
  streamsPerPrincipal: optionalEntry({
    env: "STREAMS_PER_PRINCIPAL",
    parse: integer(1, 1_000_000),
    help:
      "Open event streams of one subject that listen; beyond it, 429. As SESSIONS_PER_PRINCIPAL.",
  }),
  rateOfPrincipal: optionalEntry({
    env: "RATE_LIMIT_PRINCIPAL",
    parse: rate,
    help: 'Messages of one subject, such as "100/s", "1000/m" or "5000/h"; beyond it, 429.',
  }),
  rateOfTool: optionalEntry({
    env: "RATE_LIMIT_TOOL",
    parse: rate,
    help: "Calls of one tool by one subject; beyond it, 429.",
  }),
  rateOfSource: optionalEntry({
    env: "RATE_LIMIT_SOURCE",
    parse: rate,
    help: "Requests from one address, whoever sends them; beyond it, 429.",
  }),
  upstreamConcurrency: entry({
    env: "UPSTREAM_CONCURRENCY",
    parse: integer(1, 100_000),
    default: "256",
    help: "Requests at once to one upstream server; further ones wait for a moment, in turns.",
  }),
  requireAuth: entry({
    env: "MCP_REQUIRE_AUTH",
    parse: boolean,
    default: "true",
    help: "Whether a request without any credential is refused; otherwise it sees public items.",
  }),
  jwtAlgorithm: entry({
    env: "JWT_ALGORITHM",
    parse: oneOf(...SYMMETRIC, ...ASYMMETRIC),
    default: "HS256",
    help: `Signature of the gateway's own tokens: ${[...SYMMETRIC, ...ASYMMETRIC].join(", ")}.`,
  }),
  jwtSecretKey: optionalEntry({
    env: "JWT_SECRET_KEY",
    parse: secret,
    help:
      "Key of the gateway's own tokens; generated into the data directory when absent. HS* only.",
    isSecret: true,
  }),
  jwtPublicKeyPath: optionalEntry({
    env: "JWT_PUBLIC_KEY_PATH",
    parse: text,
    help: "PEM file of the key that verifies the gateway's own tokens; needed unless HS*.",
  }),
  jwtPrivateKeyPath: optionalEntry({
    env: "JWT_PRIVATE_KEY_PATH",
    parse: text,
    help: "PEM file of the key that `sallyport token` signs with; unless HS*.",
  }),
  jwtAudience: entry({
    env: "JWT_AUDIENCE",
    parse: text,
    default: "mcpgateway-api",
    help: "The audience that the gateway's own tokens must name.",
  }),
  jwtIssuer: entry({
    env: "JWT_ISSUER",
    parse: text,
    default: "mcpgateway",
    help: "The issuer that the gateway's own tokens must name.",
  }),
  requireTokenId: entry({
    env: "REQUIRE_JTI",
    parse: boolean,
    default: "true",
    help: "Whether a token needs an id (jti), so that it can be revoked.",
  }),
  requireExpiration: entry({
    env: "REQUIRE_TOKEN_EXPIRATION",
    parse: boolean,
    default: "true",
    help: "Whether a token needs an end (exp).",
  }),
  requireUser: entry({
    env: "REQUIRE_USER_IN_DB",
    parse: boolean,
    default: "false",
    help: "Whether a valid token of a subject that is no user here is refused.",
  }),
  rightsMaxMs: entry({
    env: "RIGHTS_CACHE_MAX",
    parse: duration({ min: "1s", max: "24h" }),
    default: "60s",
    help: "How old rights may be while the database cannot be reached; then 503.",
  }),
  oidcIssuers: entry({
    env: "OIDC_ISSUERS",
    parse: oidcIssuers,
    default: "",
    help: "External issuers, a JSON list of " +
      "{issuer, audience, jwksUri?, emailClaim?, teamsClaim?}; see oidc.md.",
  }),
  clientAuth: entry({
    env: "MCP_CLIENT_AUTH_ENABLED",
    parse: boolean,
    default: "true",
    help: "Whether bearers are taken; otherwise callers are known from a trusted proxy only.",
  }),
  trustProxyAuth: entry({
    env: "TRUST_PROXY_AUTH",
    parse: boolean,
    default: "false",
    help: "Whether TRUSTED_PROXIES may name the caller in PROXY_USER_HEADER.",
  }),
  proxyUserHeader: entry({
    env: "PROXY_USER_HEADER",
    parse: headerName,
    default: "X-Authenticated-User",
    help: "Header in which a trusted proxy names the caller by an e-mail address.",
  }),
  trustedProxies: entry({
    env: "TRUSTED_PROXIES",
    parse: list(block),
    default: "",
    help: "Addresses and blocks of reverse proxies, for their user header and X-Forwarded-For.",
  }),
  encryptionSecret: optionalEntry({
    env: "AUTH_ENCRYPTION_SECRET",
    parse: secret,
    help: "Seals what is stored or handed out; generated into the data directory when absent.",
    isSecret: true,
  }),
  encryptionSecretPrevious: optionalEntry({
    env: "AUTH_ENCRYPTION_SECRET_PREVIOUS",
    parse: secret,
    help: "The one before: opens stored credentials until `sallyport keys rotate` has been run.",
    isSecret: true,
  }),
  egressAllowPrivate: entry({
    env: "EGRESS_ALLOW_PRIVATE",
    parse: list(privateDestination),
    default: "",
    help: "Private addresses, blocks and host names for upstream servers made through the API.",
  }),
  toolMs: entry({
    env: "TOOL_TIMEOUT",
    parse: duration({ min: "100ms", max: "24h" }),
    default: "60s",
    help: "Longest silence of an upstream server in a call.",
  }),
  toolMsMax: entry({
    env: "TOOL_TIMEOUT_MAX",
    parse: duration({ min: "100ms", max: "7d" }),
    default: "1h",
    help: "Absolute end of a call.",
  }),
  askMs: entry({
    env: "ASK_TIMEOUT",
    parse: duration({ min: "1s", max: "24h" }),
    default: "10m",
    help: "Time that a client has to answer a question of an upstream server.",
  }),
  connectMs: entry({
    env: "CONNECT_TIMEOUT",
    parse: duration({ min: "100ms", max: "5m" }),
    default: "5s",
    help: "Time to reach an upstream server, name look-up and TLS included.",
  }),
  firstByteMs: entry({
    env: "FIRST_BYTE_TIMEOUT",
    parse: duration({ min: "100ms", max: "1h" }),
    default: "30s",
    help: "Time for the first byte of an answer; not for tool calls, prompts and resource reads.",
  }),
  stdioChildrenMax: entry({
    env: "STDIO_CHILDREN_MAX",
    parse: integer(1, 10_000),
    default: "50",
    help: "Child processes of all stdio servers together; idle ones make room for new ones.",
  }),
  stdioIdleMs: entry({
    env: "STDIO_IDLE_TTL",
    parse: duration({ min: "1s", max: "24h" }),
    default: "5m",
    help: "A child process ends after this long without traffic; the next message starts another.",
  }),
  healthCheckMs: entry({
    env: "HEALTH_CHECK_INTERVAL",
    parse: duration({ min: "0s", max: "24h" }),
    default: "60s",
    help: "How often an upstream server without traffic is asked whether it lives; 0 is never.",
  }),
  unhealthyThreshold: entry({
    env: "UNHEALTHY_THRESHOLD",
    parse: integer(1, 1000),
    default: "3",
    help: "Failures in a row after which calls to an upstream server fail at once for a while.",
  }),
  requestBytesMax: entry({
    env: "REQUEST_BODY_MAX",
    parse: size({ max: "64MiB" }),
    default: "4MiB",
    help: "Largest request body.",
  }),
  responseBytesMax: entry({
    env: "RESPONSE_BODY_MAX",
    parse: size({ max: "128MiB" }),
    default: "8MiB",
    help: "Largest single message of an upstream server, after decompression.",
  }),
  validateArguments: entry({
    env: "VALIDATE_ARGUMENTS",
    parse: boolean,
    default: "true",
    help: "Check arguments against the tool's schema first, on /mcp and virtual servers.",
  }),
  toolNameSeparator: entry({
    env: "GATEWAY_TOOL_NAME_SEPARATOR",
    parse: matching(/^[A-Za-z0-9_.\/-]{1,4}$/, "1 to 4 of the characters A-Z a-z 0-9 _ . / -"),
    default: "-",
    help: "Stands between server and name in the names that /mcp shows.",
  }),
  drainMs: entry({
    env: "DRAIN_DELAY",
    parse: duration({ min: "0s", max: "5m" }),
    default: "0s",
    help: "After SIGTERM, how long requests are still taken while /ready says 503.",
  }),
  shutdownMs: entry({
    env: "SHUTDOWN_GRACE",
    parse: duration({ min: "0s", max: "10m" }),
    default: "25s",
    help: "After that, how long running calls may take to finish.",
  }),
  logLevel: entry({
    env: "LOG_LEVEL",
    parse: oneOf("debug", "info", "warning", "error"),
    default: "info",
    help: "Least severe log line that is written.",
  }),
  logFormat: optionalEntry({
    env: "LOG_FORMAT",
    parse: oneOf("text", "json"),
    help: "Form of a log line; text on a terminal, else json.",
  }),
} as const;

/** Variables that are read besides the settings. */
export const CONFIG_FILE_VARIABLE = "SALLYPORT_CONFIG";

/** Settings of the contract that have no effect yet: whoever sets one is told so at the start. */
export const NOT_YET_SERVED: readonly string[] = [
  "TLS_CERT_FILE",
  "TLS_KEY_FILE",
];
