/**
 * Finds out which era an upstream server speaks, once, before the first message goes to it.
 *
 * Only an answer is evidence. A server that cannot be reached, is too slow or refuses our
 * credentials has said nothing about its era, and the failure is the caller's.
 *
 * @module
 * @see MCP 2026-07-28, Base Protocol, "Version negotiation"
 */
import type { GatewayError } from "../domain/errors.ts";
import type { UpstreamServer } from "../domain/server.ts";
import type { Clock } from "../platform/clock.ts";
import type { UpstreamClient } from "../upstream/client.ts";
import { type UpstreamReply, UpstreamStatusError } from "../upstream/reply.ts";
import { isObject, METHOD_NOT_FOUND } from "./message.ts";
import { isStateless, type Revision, STATELESS_REVISIONS } from "./revisions/revision.ts";
import { META_CAPABILITIES, META_CLIENT_INFO, META_VERSION } from "./revisions/stateless_era.ts";

export type Era = "stateless" | "session";

export interface EraProbe {
  /** What is known without asking; `undefined` when that is nothing. */
  readonly knownEraOf: (server: UpstreamServer) => Era | undefined;
  /**
   * @param isOwn whether the gateway asks for itself: others do not wait for its attempts at a
   *   server that is away
   * @throws as `UpstreamClient.send` when the server gives no evidence
   */
  readonly eraOf: (server: UpstreamServer, isOwn?: boolean) => Promise<Era>;
  /** What was assumed has failed: the next `eraOf` asks again. */
  readonly forget: (server: UpstreamServer) => void;
}

export interface EraProbeOptions {
  readonly firstMs: number;
  readonly version: string;
}

/** A server that was updated must not be taken for an old one until the gateway restarts. */
const SESSION_VERDICT_MS = 10_000;

export function createEraProbe(
  deps: {
    readonly client: UpstreamClient;
    /** See `GuardedClient`. */
    readonly refusalOf: (server: UpstreamServer) => GatewayError | undefined;
    readonly clock: Clock;
  },
  options: EraProbeOptions,
): EraProbe {
  const verdicts = new WeakMap<UpstreamServer, { era: Era; untilMs: number }>();
  const probing = new WeakMap<UpstreamServer, Promise<Era>>();

  async function probe(server: UpstreamServer): Promise<Era> {
    const revision = STATELESS_REVISIONS[0]!;
    const reply = await deps.client.send(server, {
      body: new TextEncoder().encode(JSON.stringify(discoverRequest(revision, options.version))),
      headers: `MCP-Protocol-Version: ${revision}\r\nMcp-Method: server/discover\r\n`,
      caller: "",
      idempotent: true,
      firstMs: options.firstMs,
      silenceMs: options.firstMs,
      totalMs: options.firstMs,
      abort: new AbortController(),
    }).catch(unavailableIsNoEvidence);
    if (reply === undefined) return remember(server, "session");
    try {
      return remember(server, judge(reply.status, await firstResponse(reply)));
    } finally {
      reply.close();
    }
  }

  function remember(server: UpstreamServer, era: Era): Era {
    const keptMs = era === "stateless" ? Infinity : SESSION_VERDICT_MS;
    verdicts.set(server, { era, untilMs: deps.clock.monotonic() + keptMs });
    return era;
  }

  function knownEraOf(server: UpstreamServer): Era | undefined {
    if (server.transport === "own") return "stateless";
    // Nothing else was ever said over that transport.
    if (server.transport === "sse") return "session";
    const known = verdicts.get(server);
    return known !== undefined && known.untilMs > deps.clock.monotonic() ? known.era : undefined;
  }

  return {
    knownEraOf,
    eraOf(server, isOwn = false) {
      const known = knownEraOf(server);
      if (known !== undefined) return Promise.resolve(known);
      const refusal = isOwn ? undefined : deps.refusalOf(server);
      if (refusal !== undefined) return Promise.reject(refusal);
      let running = probing.get(server);
      if (running === undefined) {
        running = probe(server).finally(() => probing.delete(server));
        probing.set(server, running);
      }
      return running;
    },
    forget: (server) => void verdicts.delete(server),
  };
}

/** A 4xx without JSON is how servers of the session era refuse what they do not know. */
function unavailableIsNoEvidence(error: unknown): undefined {
  const status = error instanceof UpstreamStatusError ? error.status : 0;
  const isRefusal = status >= 400 && status < 500 && status !== 403 && status !== 429;
  if (!isRefusal) throw error;
  return undefined;
}

function judge(status: number, response: unknown): Era {
  if (!isObject(response)) return "session";
  const { result, error } = response;
  if (isObject(result)) {
    const versions = result.supportedVersions;
    return Array.isArray(versions) && versions.some(isStateless) ? "stateless" : "session";
  }
  const code = isObject(error) ? error.code : undefined;
  const isModern = code === -32020 || code === -32021 || code === -32022 ||
    (code === METHOD_NOT_FOUND && status === 404);
  return isModern ? "stateless" : "session";
}

/** The message with an id, or `undefined` when the reply has none or is not JSON. */
async function firstResponse(reply: UpstreamReply): Promise<unknown> {
  for (let bytes = await reply.next(); bytes !== undefined; bytes = await reply.next()) {
    try {
      const message = JSON.parse(new TextDecoder().decode(bytes));
      if (isObject(message) && "id" in message) return message;
    } catch {
      return undefined;
    }
  }
  return undefined;
}

function discoverRequest(revision: Revision, version: string) {
  const _meta = {
    [META_VERSION]: revision,
    [META_CAPABILITIES]: {},
    [META_CLIENT_INFO]: { name: "sallyport", version },
  };
  return { jsonrpc: "2.0", id: "sallyport-probe", method: "server/discover", params: { _meta } };
}
