/**
 * Opens an event stream of 2024-11-05 at an upstream server, and waits until it says where messages are
 * to be posted.
 *
 * @module
 * @see MCP 2024-11-05, Base Protocol, "Transports", "HTTP with SSE"
 */
import { GatewayError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { HttpUpstream } from "../../domain/server.ts";
import type { UpstreamRequest } from "../client.ts";
import { createSseChannel, type SseChannel, type SseChannelDeps } from "./channel.ts";

/** The server does not speak the transport of 2024-11-05, or not as it should. */
export class NoEndpoint extends GatewayError {
  constructor(what: string) {
    super("upstream_protocol", `The upstream server ${what}`);
  }
}

/**
 * @param request on whose behalf; it is not sent
 * @param withinMs until the endpoint is known
 * @throws {NoEndpoint}
 * @throws {GatewayError} `upstream_timeout`
 * @throws as `UpstreamClient.send`
 */
export async function openSseChannel(
  deps: SseChannelDeps,
  server: HttpUpstream,
  { clientHeaders, caller, abort: { signal } }: UpstreamRequest,
  withinMs: number,
): Promise<SseChannel> {
  const abort = new AbortController();
  const endpoint = Promise.withResolvers<URL>();
  endpoint.promise.catch(() => {});
  const giveUp = () => abort.abort(signal.reason);
  signal.addEventListener("abort", giveUp);
  if (signal.aborted) giveUp();
  const timer = deps.timers.after(withinMs, () => abort.abort(late(withinMs)));
  try {
    const reply = await deps.http.send(server, {
      body: undefined,
      headers: "",
      caller,
      clientHeaders,
      idempotent: true,
      firstMs: withinMs,
      silenceMs: Infinity,
      totalMs: Infinity,
      // Only the first counts, as it does for a promise.
      others: (type, data) => {
        if (type !== "endpoint") return;
        const url = endpointIn(data, server.url);
        if (url === undefined) endpoint.reject(new NoEndpoint("named an endpoint elsewhere"));
        else endpoint.resolve(url);
      },
      abort,
    });
    if (reply.isStream !== true) {
      reply.close();
      throw new NoEndpoint("opened no event stream");
    }
    const channel = createSseChannel(deps, { server, reply, abort, endpoint: endpoint.promise });
    const ended = channel.ended.then(() => {
      throw abort.signal.reason instanceof GatewayError
        ? abort.signal.reason
        : new NoEndpoint("named no endpoint for messages");
    });
    await Promise.race([endpoint.promise, ended]).catch((error) => {
      channel.end();
      throw error;
    });
    return channel;
  } catch (error) {
    if (!abort.signal.aborted) abort.abort(error);
    throw signal.aborted ? signal.reason : error;
  } finally {
    timer.cancel();
    signal.removeEventListener("abort", giveUp);
  }
}

/**
 * Messages hold what is meant for this server, and the gateway's credentials go along: they are
 * posted to its own origin or nowhere. `undefined` for any other.
 */
function endpointIn(data: Uint8Array, base: URL): URL | undefined {
  if (data.length > LIMITS.sseEndpointBytes) return undefined;
  const text = new TextDecoder().decode(data).trim();
  if (!URL.canParse(text, base)) return undefined;
  const url = new URL(text, base);
  const isSame = url.origin === base.origin && url.username === "" && url.password === "";
  return isSame ? url : undefined;
}

function late(spanMs: number): GatewayError {
  return new GatewayError(
    "upstream_timeout",
    `The upstream server named no endpoint for messages within ${spanMs / 1000} s`,
  );
}
