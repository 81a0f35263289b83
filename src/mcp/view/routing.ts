/**
 * Which upstream server a message to a view is for, and what has to be changed in it: one name or
 * URI.
 *
 * What a caller may not see is answered like what does not exist, before any server is asked.
 *
 * @module
 * @see contract.md, section 4
 */
import { GatewayError, ProtocolError } from "../../domain/errors.ts";
import type { ItemKind } from "../../domain/item.ts";
import type { Principal } from "../../domain/principal.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { Binding } from "../../catalog/binding.ts";
import type { Renamed, View } from "../../catalog/view.ts";
import type { Edit } from "../edit.ts";
import { findMember, type Name, nameOf } from "../json_scan.ts";
import { type ClientMessage, INVALID_PARAMS, isObject } from "../message.ts";
import { within } from "../upstream_message.ts";

/** What stands differently in a message upstream, and in what comes back. */
export interface Rewrite {
  /** Name or URI as the server knows it. */
  readonly name: string;
  /** Puts that into the message; `undefined` when it stands there already. */
  readonly edit: Edit | undefined;
  /** Set where URIs of the server have aliases. */
  readonly renamed: Renamed | undefined;
}

export interface Route extends Rewrite {
  readonly server: UpstreamServer;
  readonly binding: Binding;
}

/** The arguments of a call do not fit the tool's schema: the model can do better. */
export class UnfitArguments extends GatewayError {
  constructor(message: string) {
    super("invalid_params", message);
  }
}

export type CheckArguments = (binding: Binding, args: unknown) => string | undefined;

/** @see MCP 2025-11-25, Server Features, "Resources", "Error Handling" */
export const RESOURCE_NOT_FOUND = -32002;

/** Methods that are for one upstream server. */
export function isRouted(method: string): boolean {
  return ROUTED.has(method);
}

const ROUTED: ReadonlySet<string> = new Set([
  "tools/call",
  "prompts/get",
  "resources/read",
  "resources/subscribe",
  "resources/unsubscribe",
  "completion/complete",
]);

/**
 * What an upstream server of which something is not shown is asked at all: what it would make of
 * other methods is not known.
 */
export function isRelayedNarrowed(method: string): boolean {
  return ROUTED.has(method) || RELAYED.has(method);
}

const RELAYED: ReadonlySet<string> = new Set([
  "server/discover",
  "ping",
  "logging/setLevel",
  "tasks/get",
  "tasks/result",
  "tasks/list",
  "tasks/update",
  "tasks/cancel",
]);

/**
 * @param check of arguments; `undefined` where they are relayed as they are
 * @param notFound code for a resource that is not there: it differs between revisions
 * @throws {ProtocolError} for what the view does not have, or not for this caller
 * @throws {UnfitArguments}
 */
export function routeOf(
  view: View,
  principal: Principal,
  message: ClientMessage,
  { check, notFound }: { readonly check: CheckArguments | undefined; readonly notFound: number },
): Route {
  const { method, params = {} } = message;
  if (method === "tools/call") {
    const binding = named(view, principal, "tool", params.name);
    const problem = check?.(binding, params.arguments);
    if (problem !== undefined) throw new UnfitArguments(problem);
    return toItem(view, message, binding, [NAME]);
  }
  if (method === "prompts/get") {
    return toItem(view, message, named(view, principal, "prompt", params.name), [NAME]);
  }
  if (method === "completion/complete") return completion(view, principal, message);
  return toUri(view, principal, message, params.uri, [URI], notFound);
}

function completion(view: View, principal: Principal, message: ClientMessage): Route {
  const ref = message.params?.ref;
  if (isObject(ref) && ref.type === "ref/prompt") {
    return toItem(view, message, named(view, principal, "prompt", ref.name), [REF, NAME]);
  }
  if (!isObject(ref) || ref.type !== "ref/resource" || typeof ref.uri !== "string") {
    throw new ProtocolError(INVALID_PARAMS, 200, "params.ref must name a prompt or a resource");
  }
  const template = view.find(principal, "template", ref.uri);
  if (template !== undefined) return toItem(view, message, template, [REF, URI]);
  return toUri(view, principal, message, ref.uri, [REF, URI], INVALID_PARAMS);
}

/** @throws {ProtocolError} one and the same for hidden and missing */
function named(view: View, principal: Principal, kind: ItemKind, name: unknown): Binding {
  if (typeof name !== "string") {
    throw new ProtocolError(INVALID_PARAMS, 200, `params.name must be the name of a ${kind}`);
  }
  const binding = view.find(principal, kind, name);
  if (binding !== undefined) return binding;
  throw new ProtocolError(INVALID_PARAMS, 200, `Unknown ${kind}: ${name}`);
}

function toItem(
  view: View,
  message: ClientMessage,
  binding: Binding,
  path: readonly Name[],
): Route {
  return route(view, message, binding, binding.item.upstreamName, binding.name, path);
}

function toUri(
  view: View,
  principal: Principal,
  message: ClientMessage,
  uri: unknown,
  path: readonly Name[],
  notFound: number,
): Route {
  if (typeof uri !== "string") {
    throw new ProtocolError(INVALID_PARAMS, 200, "params.uri must be a URI");
  }
  const [found] = view.resolve(principal, uri);
  if (found === undefined) {
    throw new ProtocolError(notFound, 200, "Resource not found", { uri });
  }
  return route(view, message, found.binding, found.upstreamUri, uri, path);
}

function route(
  view: View,
  { bytes, members }: ClientMessage,
  binding: Binding,
  name: string,
  asked: string,
  path: readonly Name[],
): Route {
  const { server, item } = binding;
  // What an API answers names no items of the gateway's, whatever it looks like.
  const isRest = server.transport === "own" && item.kind === "tool";
  const renamed = isRest ? undefined : view.renaming(server);
  if (name === asked) return { server, binding, name, edit: undefined, renamed };
  let member = findMember(bytes, members, PARAMS)!;
  for (const part of path) member = within(bytes, member, part)!;
  const value = encoder.encode(JSON.stringify(name));
  const edit = { start: member.start, end: member.end, value };
  return { server, binding, name, edit, renamed };
}

const encoder = new TextEncoder();
const PARAMS = nameOf("params");
const NAME = nameOf("name");
const URI = nameOf("uri");
const REF = nameOf("ref");
