/**
 * The client of a session as servers of the stateless era see it, request by request: what it said
 * of itself in `initialize`, less what the gateway cannot carry.
 *
 * @module
 * @see MCP 2026-07-28, Base Protocol, "Request metadata"
 */
import { isObject, type JsonObject } from "../../message.ts";
import { type Revision, STATELESS_REVISIONS } from "../../revisions/revision.ts";
import {
  META_CAPABILITIES,
  META_CLIENT_INFO,
  META_LOG_LEVEL,
  META_VERSION,
} from "../../revisions/stateless_era.ts";
import type { SessionBase } from "../session.ts";

/** The revision that these servers are spoken to in. */
export const REVISION: Revision = STATELESS_REVISIONS[0]!;

export const TASKS = "io.modelcontextprotocol/tasks";

/** The first revision in which users can be sent to a URL. */
const URL_REVISION: Revision = "2025-11-25";

export interface Identity {
  /** Members of `_meta`, JSON text without the braces. @param logLevel `undefined` wants no log */
  readonly envelope: (logLevel: string | undefined) => Uint8Array;
  /** The whole of `_meta`, for parameters that have none, with a comma behind it. */
  readonly meta: (logLevel: string | undefined) => Uint8Array;
  readonly capabilities: JsonObject;
}

/** Of a session; made once for each. */
export type IdentityOf = (base: Pick<SessionBase, "initialize" | "revision">) => Identity;

export function createIdentities(): IdentityOf {
  const known = new WeakMap<object, Identity>();
  return (base) => {
    let found = known.get(base);
    if (found === undefined) {
      found = identityOf(JSON.parse(base.initialize), base.revision);
      known.set(base, found);
    }
    return found;
  };
}

/** @param params of `initialize` */
export function identityOf(params: JsonObject, revision: Revision): Identity {
  const capabilities = carried(isObject(params.capabilities) ? params.capabilities : {}, revision);
  const info = params.clientInfo;
  const isInfo = isObject(info) && typeof info.name === "string" &&
    typeof info.version === "string";
  const members = {
    [META_VERSION]: REVISION,
    [META_CAPABILITIES]: capabilities,
    ...isInfo && { [META_CLIENT_INFO]: info },
  };
  const textOf = (logLevel: string | undefined) => {
    const level = logLevel === undefined ? {} : { [META_LOG_LEVEL]: logLevel };
    return JSON.stringify({ ...members, ...level });
  };
  return {
    capabilities,
    envelope: byLevel((logLevel) => textOf(logLevel).slice(1, -1)),
    meta: byLevel((logLevel) => `"_meta":${textOf(logLevel)},`),
  };
}

/** Made once for each level. */
function byLevel(textOf: (logLevel: string | undefined) => string) {
  const known = new Map<string | undefined, Uint8Array>();
  return (logLevel: string | undefined): Uint8Array => {
    let bytes = known.get(logLevel);
    if (bytes === undefined) {
      bytes = new TextEncoder().encode(textOf(logLevel));
      known.set(logLevel, bytes);
    }
    return bytes;
  };
}

function carried(declared: JsonObject, revision: Revision): JsonObject {
  // Tasks are another thing in each era.
  const { tasks: _, elicitation, extensions, ...rest } = declared;
  return {
    ...rest,
    ...isObject(elicitation) && { elicitation: formsOf(elicitation, revision) },
    ...isObject(extensions) && { extensions: withoutTasks(extensions) },
  };
}

function formsOf(elicitation: JsonObject, revision: Revision): JsonObject {
  const { url: _, ...others } = elicitation;
  return revision < URL_REVISION ? others : elicitation;
}

function withoutTasks({ [TASKS]: _, ...others }: JsonObject): JsonObject {
  return others;
}

/**
 * What a server may not ask this client for, in words; `undefined` for what it may.
 * @param params of the question
 */
export function notDeclared(
  { capabilities }: Identity,
  method: string,
  params: JsonObject | undefined,
): string | undefined {
  const { elicitation, sampling, roots } = capabilities;
  if (method === "roots/list") return isObject(roots) ? undefined : "roots";
  if (method === "sampling/createMessage") {
    if (!isObject(sampling)) return "sampling";
    const wantsTools = params?.tools !== undefined || params?.toolChoice !== undefined;
    return wantsTools && !isObject(sampling.tools) ? "sampling with tools" : undefined;
  }
  if (!isObject(elicitation)) return "elicitation";
  if (params?.mode === "url") {
    return isObject(elicitation.url) ? undefined : "elicitation through a URL";
  }
  // `{}` has always meant forms.
  const hasForms = isObject(elicitation.form) || !isObject(elicitation.url);
  return hasForms ? undefined : "elicitation with forms";
}
