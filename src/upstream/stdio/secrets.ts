/**
 * Secrets of a stdio server as they could come back in what it says: values of its environment and
 * of arguments that are named like one.
 *
 * @module
 */
import type { StdioUpstream } from "../../domain/server.ts";
import { redactText } from "../../telemetry/redact.ts";

/** Shorter ones are modes and numbers, and stand in every other line. */
const CHARS_MIN = 8;
const SECRET_FLAG = /^--?[\w.-]*(?:key|token|secret|passw|credential|auth)[\w.-]*$/i;

/** A function that removes them, and what looks like a secret of whomever. */
export function createRedaction(server: StdioUpstream): (text: string) => string {
  const secrets = [...Object.values(server.env), ...secretArguments(server.args)]
    .filter((value) => value.length >= CHARS_MIN)
    // One that contains another goes first.
    .sort((a, b) => b.length - a.length);
  return (text) => {
    for (const secret of secrets) text = text.replaceAll(secret, "[secret]");
    return redactText(text);
  };
}

/** `--api-key=value` and `--api-key value`. */
function secretArguments(args: readonly string[]): string[] {
  return args.flatMap((arg, i) => {
    const equals = arg.indexOf("=");
    if (equals > 0 && SECRET_FLAG.test(arg.slice(0, equals))) return [arg.slice(equals + 1)];
    return SECRET_FLAG.test(args[i - 1] ?? "") ? [arg] : [];
  });
}
