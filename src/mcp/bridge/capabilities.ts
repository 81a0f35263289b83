/**
 * What clients and servers say that they can, from one era to the other.
 *
 * @module
 * @see MCP 2026-07-28, Base Protocol, "Capabilities"; MCP 2025-11-25, Lifecycle, "Capability
 *   Negotiation"
 */
import { isObject, type JsonObject } from "../message.ts";

/** The tasks of the two eras have neither methods nor results in common. */
const TASKS = "io.modelcontextprotocol/tasks";

/** What a client of the stateless era declares, as a server of the session era is told. */
export function declaredUpstream(declared: JsonObject): JsonObject {
  const { elicitation, sampling, roots, experimental } = declared;
  const extensions = withoutTasks(declared.extensions);
  return {
    // Nobody will say that they have changed: the stateless era has no such notification.
    ...(isObject(roots) && { roots: {} }),
    ...(isObject(sampling) && { sampling }),
    ...(isObject(elicitation) && { elicitation }),
    ...(isObject(experimental) && { experimental }),
    ...(extensions !== undefined && { extensions }),
  };
}

/** What a server of the session era can, as a client of the stateless era is told. */
export function offeredDownstream(capabilities: JsonObject): JsonObject {
  const { tasks: _, extensions: all, ...rest } = capabilities;
  const extensions = withoutTasks(all);
  return { ...rest, ...(extensions !== undefined && { extensions }) };
}

function withoutTasks(extensions: unknown): JsonObject | undefined {
  if (!isObject(extensions)) return undefined;
  const { [TASKS]: _, ...rest } = extensions;
  return Object.keys(rest).length === 0 ? undefined : rest;
}

/** What a client has to declare to be asked this; `undefined` for what no client can be asked. */
export function requiredFor(method: string, params: JsonObject): JsonObject | undefined {
  switch (method) {
    case "elicitation/create":
      return { elicitation: params.mode === "url" ? { url: {} } : { form: {} } };
    case "sampling/createMessage":
      return "tools" in params || "toolChoice" in params
        ? { sampling: { tools: {} } }
        : { sampling: {} };
    case "roots/list":
      return { roots: {} };
  }
  return undefined;
}

/** The part of what is required that was not declared; `undefined` when all was. */
export function missingOf(required: JsonObject, declared: JsonObject): JsonObject | undefined {
  const missing: Record<string, unknown> = {};
  for (const [name, wanted] of Object.entries(required)) {
    const has = declared[name];
    if (!isObject(has)) missing[name] = wanted;
    else if (isObject(wanted)) {
      const parts = Object.entries(wanted).filter(([part]) => !isDeclared(name, part, has));
      if (parts.length > 0) missing[name] = Object.fromEntries(parts);
    }
  }
  return Object.keys(missing).length === 0 ? undefined : missing;
}

/** `elicitation: {}` means forms: modes are younger than it. */
function isDeclared(name: string, part: string, declared: JsonObject): boolean {
  if (isObject(declared[part])) return true;
  return name === "elicitation" && part === "form" && Object.keys(declared).length === 0;
}

/** Several requirements as one. */
export function joined(a: JsonObject, b: JsonObject): JsonObject {
  const all: Record<string, unknown> = { ...a };
  for (const [name, value] of Object.entries(b)) {
    const known = all[name];
    all[name] = isObject(known) && isObject(value) ? { ...known, ...value } : value;
  }
  return all;
}
