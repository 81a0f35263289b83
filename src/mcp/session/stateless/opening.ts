/**
 * `initialize` at a server of the stateless era, which has none: the answer is made of what the
 * server says about itself.
 *
 * A server that speaks both eras is spoken to in that of the client. So it is asked for a session
 * first; only one that refuses, and is known to speak the other era, is taken for one without.
 *
 * @module
 * @see MCP 2026-07-28, Base Protocol, "Version negotiation", "Discovery"
 */
import type { Description } from "../../../catalog/reader.ts";
import { GatewayError, ProtocolError } from "../../../domain/errors.ts";
import type { Offer } from "../../../domain/item.ts";
import { placeOf, type UpstreamServer } from "../../../domain/server.ts";
import { UpstreamStatusError } from "../../../upstream/reply.ts";
import type { EraProbe } from "../../era_probe.ts";
import { INVALID_PARAMS, INVALID_REQUEST, isObject, type JsonObject } from "../../message.ts";
import { METHOD_NOT_FOUND } from "../../message.ts";
import { descriptionOf } from "../../own/identity.ts";
import { isStateless } from "../../revisions/revision.ts";
import { META_SERVER_INFO, UNSUPPORTED_VERSION } from "../../revisions/stateless_era.ts";
import { resultResponse } from "../../rpc_error.ts";
import { freshState } from "../session.ts";
import type { Opened } from "../upstream_handshake.ts";
import { type Identity, identityOf, REVISION, TASKS } from "./identity.ts";

export interface OpeningDeps {
  readonly eras: EraProbe;
  /** What is known of a server; `undefined` before it was discovered. */
  readonly offerOf: (server: UpstreamServer) => Offer | undefined;
  /** The result of a request of the gateway's own. @throws {GatewayError} */
  readonly ask: (
    server: UpstreamServer,
    method: string,
    params: JsonObject,
    identity: Identity,
  ) => Promise<JsonObject>;
}

export interface Openings {
  /**
   * @param body the request `initialize`
   * @param initialize sends it
   * @throws as `openUpstream`
   */
  readonly open: (
    server: UpstreamServer,
    body: Uint8Array,
    initialize: () => Promise<Opened>,
  ) => Promise<Opened>;
  /** The server has answered like one of the session era. */
  readonly forget: (server: UpstreamServer) => void;
  /** Whether it has, since it was opened last. */
  readonly isForgotten: (server: UpstreamServer) => boolean;
}

export function createOpenings(deps: OpeningDeps): Openings {
  /** Those that have refused sessions. */
  const refusing = new WeakSet<UpstreamServer>();
  const forgotten = new WeakSet<UpstreamServer>();

  async function open(
    server: UpstreamServer,
    body: Uint8Array,
    initialize: () => Promise<Opened>,
  ): Promise<Opened> {
    if (refusing.has(server)) return await greet(server, body);
    const attempt = await attempted(initialize);
    const isStateless = attempt.isRefusal && await deps.eras.eraOf(server) === "stateless";
    if (!isStateless) {
      if ("error" in attempt) throw attempt.error;
      forgotten.delete(server);
      return attempt.opened;
    }
    const greeting = await greet(server, body);
    refusing.add(server);
    forgotten.delete(server);
    return greeting;
  }

  async function greet(server: UpstreamServer, body: Uint8Array): Promise<Opened> {
    const { id, params }: { id: unknown; params?: JsonObject } = JSON.parse(decoder.decode(body));
    const { capabilities, serverInfo, instructions } = await describe(server, params ?? {});
    const result = {
      protocolVersion: REVISION,
      capabilities: ofSessions(capabilities),
      serverInfo: serverInfo ?? { name: server.slug, version: "" },
      ...instructions !== undefined && { instructions },
    };
    return {
      answer: resultResponse(encoder.encode(JSON.stringify(id)), result),
      message: { jsonrpc: "2.0", id, result },
      status: 200,
      state: freshState(undefined, REVISION, placeOf(server)),
    };
  }

  async function describe(
    server: UpstreamServer,
    params: JsonObject,
  ): Promise<Pick<Description, "capabilities" | "serverInfo" | "instructions">> {
    const offer = deps.offerOf(server);
    if (offer !== undefined && isStateless(offer.revision)) return offer;
    const result = await deps.ask(server, "server/discover", {}, identityOf(params, REVISION));
    const { _meta: meta } = result;
    const serverInfo = result.serverInfo ?? (isObject(meta) ? meta[META_SERVER_INFO] : undefined);
    return descriptionOf({ ...result, serverInfo }, REVISION, true);
  }

  return {
    open,
    forget(server) {
      deps.eras.forget(server);
      refusing.delete(server);
      forgotten.add(server);
    },
    isForgotten: (server) => forgotten.has(server),
  };
}

/** How `initialize` went, and whether servers of the stateless era refuse it so. */
async function attempted(
  initialize: () => Promise<Opened>,
): Promise<
  & { readonly isRefusal: boolean }
  & ({ readonly opened: Opened } | { readonly error: unknown })
> {
  try {
    const opened = await initialize();
    const { message: { error }, status, state } = opened;
    const code = state === undefined && isObject(error) ? error.code : undefined;
    const isUnread = status >= 400 && (code === INVALID_REQUEST || code === INVALID_PARAMS);
    return { opened, isRefusal: code === METHOD_NOT_FOUND || isUnread };
  } catch (error) {
    const isRefusal = error instanceof UpstreamStatusError
      ? REFUSALS.includes(error.status)
      : error instanceof ProtocolError && error.rpcCode === UNSUPPORTED_VERSION;
    return { error, isRefusal };
  }
}

/** Statuses without a message with which a POST is refused that is not understood. */
const REFUSALS = [400, 404, 405];

/** What a client of a session can use of it. */
function ofSessions(capabilities: Readonly<Record<string, unknown>>): JsonObject {
  const { tasks: _, extensions, ...rest } = capabilities;
  if (!isObject(extensions)) return rest;
  const { [TASKS]: _tasks, ...others } = extensions;
  return Object.keys(others).length === 0 ? rest : { ...rest, extensions: others };
}

/** @throws {GatewayError} `upstream_protocol` when it is an error */
export function resultOf({ result, error }: JsonObject, method: string): JsonObject {
  if (isObject(result)) return result;
  const code = isObject(error) ? error.code : "";
  const text = `The upstream server refused "${method}" with error ${code}`;
  throw new GatewayError("upstream_protocol", text);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
