/**
 * `sallyport doctor`: says what the configuration means, what it needs, and what looks wrong.
 *
 * @module
 */
import type { Config } from "../config/load.ts";
import { resolveName } from "../platform/dial.ts";
import { configFrom, parseOptions } from "./args.ts";
import { permissionFlags, strictDestinations } from "./permissions.ts";

export async function doctor(args: readonly string[]): Promise<number> {
  const values = parseOptions(args, { flags: { type: "boolean" }, strict: { type: "boolean" } });
  const config = configFrom(values);
  if (values.flags || values.strict) {
    const net = values.strict ? await strictDestinations(config, resolveName) : undefined;
    console.log(permissionFlags(config, net).join(" "));
    return 0;
  }
  for (const line of report(config)) console.log(line);
  return 0;
}

function report(config: Config): readonly string[] {
  return [
    `Listener       http://${config.host}:${config.port}`,
    `Public URL     ${config.publicUrl ?? "the listener's"}`,
    `Data           ${config.dataDir}`,
    `Config file    ${config.configPath ?? "none"}`,
    `Signing key    ${config.jwtSecretKey ? "from JWT_SECRET_KEY" : "in the data directory"}`,
    `Servers        ${config.upstreams.length}`,
    // Path and query may hold a secret that came from a variable.
    ...config.upstreams.map(({ slug, visibility, url }) =>
      `  ${slug}  ${visibility}  ${url.origin}`
    ),
    ...config.notes.map((note) => `Note           ${note}`),
    ...warnings(config).map((warning) => `Warning        ${warning}`),
  ];
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
  if (config.upstreams.length === 0) found.push("No upstream server is configured");
  return found;
}
