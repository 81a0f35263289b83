/**
 * Settings that ask for each other.
 *
 * @module
 * @see contract.md, section 8, "Start"; security.md, PROXY-01, PROXY-06
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { ConfigError, loadConfig } from "../../src/config/load.ts";

type Env = Readonly<Record<string, string>>;

const SECRETS = {
  JWT_SECRET_KEY: "0123456789-0123456789-0123456789-abc",
  AUTH_ENCRYPTION_SECRET: "abcdefghij-abcdefghij-abcdefghij-xyz",
};
const PROXY = { TRUST_PROXY_AUTH: "true", TRUSTED_PROXIES: "10.0.0.0/8" };
const PROXY_SECRET = "ABCDEFGHIJ-ABCDEFGHIJ-ABCDEFGHIJ-123";
const POSTGRES = { DATABASE_URL: "postgres://a:b@c.example/d" };
const REDIS = { REDIS_URL: "rediss://a:b@c.example" };
const ISSUER = '[{"issuer":"https://a.example","audience":"b"}]';

for (
  const [what, env, names] of [
    ["PROXY-01: trust without proxies", { TRUST_PROXY_AUTH: "true" }, ["TRUSTED_PROXIES"]],
    [
      "PROXY-01: trust with an empty list of proxies",
      { TRUST_PROXY_AUTH: "true", TRUSTED_PROXIES: "[]" },
      ["TRUSTED_PROXIES"],
    ],
    [
      "PROXY-01: a proxy that is no address",
      { TRUST_PROXY_AUTH: "true", TRUSTED_PROXIES: "proxy.example" },
      ["TRUSTED_PROXIES"],
    ],
    ["no bearers and no proxy", { MCP_CLIENT_AUTH_ENABLED: "false" }, ["TRUST_PROXY_AUTH"]],
    [
      "no bearers and a wrong word for the proxy",
      { MCP_CLIENT_AUTH_ENABLED: "false", TRUST_PROXY_AUTH: "perhaps" },
      ["TRUST_PROXY_AUTH"],
    ],
    ["PROXY-06: a secret without trust", { PROXY_SECRET }, ["TRUST_PROXY_AUTH"]],
    [
      "PROXY-06: a short secret",
      { ...PROXY, PROXY_SECRET: PROXY_SECRET.slice(1, 32) },
      ["PROXY_SECRET"],
    ],
    [
      "PROXY-06: a secret that cannot stand in a header",
      { ...PROXY, PROXY_SECRET: `${PROXY_SECRET} ` },
      ["PROXY_SECRET"],
    ],
    [
      "PROXY-06: a sample for a secret",
      { ...PROXY, PROXY_SECRET: `change-me-${PROXY_SECRET}` },
      ["PROXY_SECRET"],
    ],
    [
      "PROXY-06: the secret in the header of the user",
      { PROXY_SECRET_HEADER: "x-authenticated-USER" },
      ["PROXY_SECRET_HEADER"],
    ],
    ["a pair of keys without a file", { JWT_ALGORITHM: "RS256" }, ["JWT_PUBLIC_KEY_PATH"]],
    [
      "a pair of keys with half of it",
      { JWT_ALGORITHM: "EdDSA", JWT_PRIVATE_KEY_PATH: "a.pem" },
      ["JWT_PUBLIC_KEY_PATH"],
    ],
    ["PostgreSQL without keys", POSTGRES, ["JWT_SECRET_KEY", "AUTH_ENCRYPTION_SECRET"]],
    ["Redis without keys", REDIS, ["JWT_SECRET_KEY", "AUTH_ENCRYPTION_SECRET"]],
    ["events in a Redis that is not named", { EVENT_STORE: "redis" }, ["REDIS_URL"]],
    ["events in a Redis of a wrong name", { EVENT_STORE: "redis", REDIS_URL: "x" }, ["REDIS_URL"]],
    [
      "PostgreSQL with a short key",
      { ...POSTGRES, ...SECRETS, JWT_SECRET_KEY: "short" },
      ["JWT_SECRET_KEY"],
    ],
    [
      "an external issuer by our own name",
      { OIDC_ISSUERS: ISSUER, JWT_ISSUER: "https://a.example" },
      ["OIDC_ISSUERS"],
    ],
  ] satisfies [string, Env, string[]][]
) {
  Deno.test(`${what}: the problem begins with the setting's name, and is told once`, () => {
    assertEquals(problemsOf(env).map((problem) => problem.split(" ")[0]), names);
  });
}

for (
  const [what, env] of [
    ["PROXY-01: nothing of proxies", {}],
    ["PROXY-01: trust and proxies", { TRUST_PROXY_AUTH: "true", TRUSTED_PROXIES: "10.0.0.0/8" }],
    ["PROXY-06: a proxy with a secret", { ...PROXY, PROXY_SECRET }],
    ["PROXY-01: proxies without trust", { TRUSTED_PROXIES: "10.0.0.1, fd00::/8" }],
    ["a pair of keys", { JWT_ALGORITHM: "ES256", JWT_PUBLIC_KEY_PATH: "a.pem" }],
    ["PostgreSQL with keys", { ...POSTGRES, ...SECRETS }],
    ["Redis with keys", { ...REDIS, ...SECRETS }],
    ["Redis for sessions, not for events", { ...REDIS, ...SECRETS, EVENT_STORE: "memory" }],
    [
      "PostgreSQL with a pair of keys",
      {
        ...POSTGRES,
        AUTH_ENCRYPTION_SECRET: SECRETS.AUTH_ENCRYPTION_SECRET,
        JWT_ALGORITHM: "ES256",
        JWT_PUBLIC_KEY_PATH: "a.pem",
      },
    ],
    ["an external issuer", { OIDC_ISSUERS: ISSUER }],
    [
      "a proxy instead of bearers",
      { MCP_CLIENT_AUTH_ENABLED: "false", TRUST_PROXY_AUTH: "true", TRUSTED_PROXIES: "::1" },
    ],
  ] satisfies [string, Env][]
) {
  Deno.test(`${what}: nothing is wrong`, () => {
    assertEquals(problemsOf(env), []);
  });
}

for (const name of ["Authorization", "host", "Cookie", "X-Forwarded-For", "Mcp-Name", "a b", ""]) {
  Deno.test(`PROXY-01: "${name}" is no header for a user`, () => {
    const problems = problemsOf({ PROXY_USER_HEADER: name === "" ? " " : name });
    assertEquals(problems.map((problem) => problem.split(" ")[0]), ["PROXY_USER_HEADER"]);
  });
}

function problemsOf(env: Env): readonly string[] {
  try {
    loadConfig({
      flags: {},
      dataDir: undefined,
      configPath: undefined,
      env: (name) => env[name],
      readFile: () => undefined,
    });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}
