/**
 * `sallyport token`: mints a bearer token of this gateway.
 *
 * @module
 */
import { gatewayIssuer } from "../app.ts";
import { issueToken } from "../auth/issue_token.ts";
import { parseDuration } from "../config/entry.ts";
import { LIMITS } from "../domain/limits.ts";
import { systemClock } from "../platform/clock.ts";
import { openDataDir } from "../platform/data_dir.ts";
import { configFrom, parseOptions, UsageError } from "./args.ts";
import { loadGatewayKeys } from "./gateway_keys.ts";

export async function token(args: readonly string[]): Promise<number> {
  const values = parseOptions(args, {
    sub: { type: "string" },
    admin: { type: "boolean" },
    teams: { type: "string" },
    permissions: { type: "string" },
    server: { type: "string" },
    expires: { type: "string" },
  });
  const subject = values.sub;
  if (typeof subject !== "string" || subject.trim() === "") throw new UsageError("--sub is needed");
  if (subject.length > LIMITS.subjectChars) throw new UsageError("--sub is too long");
  const config = configFrom(values);
  await openDataDir(config.dataDir);
  const keys = await loadGatewayKeys(config);
  if (keys.sign === undefined) {
    throw new UsageError(
      `JWT_PRIVATE_KEY_PATH must be set to make tokens when JWT_ALGORITHM is ${config.jwtAlgorithm}`,
    );
  }
  console.log(
    await issueToken(systemClock, gatewayIssuer(config, keys), {
      subject,
      expiresInMs: lifetime(values.expires as string | undefined),
      isAdmin: values.admin === true,
      teams: texts(values.teams),
      permissions: texts(values.permissions),
      serverId: values.server as string | undefined,
    }),
  );
  return 0;
}

function lifetime(text = "7d"): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new UsageError(`--expires ${(error as Error).message}`);
  }
}

function texts(value: string | boolean | undefined): readonly string[] | undefined {
  if (typeof value !== "string") return undefined;
  return value.split(",").map((part) => part.trim()).filter(Boolean);
}
