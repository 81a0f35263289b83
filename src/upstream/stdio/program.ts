/**
 * What is run for a stdio server.
 *
 * @module
 */
import type { StdioUpstream } from "../../domain/server.ts";
import type { Program } from "../../platform/process.ts";

/** @param env what every server is given besides what its entry lists */
export function programOf(
  { command, args, cwd, env: own }: StdioUpstream,
  env: Readonly<Record<string, string>>,
): Program {
  return { command, args, cwd, env: { ...env, ...own } };
}

/** Equal for servers of which nothing but title, visibility and the like is different. */
export function programKey({ id, command, args, env, cwd }: StdioUpstream): string {
  return JSON.stringify([id, command, args, cwd, Object.entries(env).sort()]);
}

export function isSameProgram(one: StdioUpstream, other: StdioUpstream): boolean {
  return one === other || programKey(one) === programKey(other);
}
