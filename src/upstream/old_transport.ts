/**
 * Servers over HTTP, whichever of the two transports they have: one that refuses to be greeted over
 * Streamable HTTP is asked once whether it has that of 2024-11-05.
 *
 * @module
 * @see MCP 2025-11-25, Transports, "Backwards Compatibility"
 */
import type { HttpUpstream } from "../domain/server.ts";
import type { Clock } from "../platform/clock.ts";
import { envelopeOf, readEnvelope } from "./channel/envelope.ts";
import { peeked } from "./channel/peeked.ts";
import type { UpstreamRequest } from "./client.ts";
import type { HttpMcpClient } from "./mcp_client.ts";
import { type UpstreamReply, UpstreamStatusError } from "./reply.ts";
import { NoEndpoint } from "./sse/opening.ts";
import type { SseMcpClient } from "./sse_client.ts";

export interface OldTransportDeps {
  readonly http: HttpMcpClient;
  readonly sse: SseMcpClient;
  readonly clock: Pick<Clock, "monotonic">;
}

/** How servers refuse a POST to an URL that takes none. */
const REFUSALS: readonly number[] = [400, 404, 405];
/** A server is asked for its endpoint after it has been refused: the caller has waited already. */
const ENDPOINT_MS = 5_000;
/** A server that was updated must not be taken for an old one until the gateway restarts. */
const VERDICT_MS = 5 * 60_000;

export function createHttpSide({ http, sse, clock }: OldTransportDeps): HttpMcpClient {
  const verdicts = new WeakMap<HttpUpstream, { isOld: boolean; untilMs: number }>();

  function remember(server: HttpUpstream, isOld: boolean): void {
    verdicts.set(server, { isOld, untilMs: clock.monotonic() + VERDICT_MS });
  }

  function verdictOn(server: HttpUpstream): boolean | undefined {
    const known = verdicts.get(server);
    return known !== undefined && known.untilMs > clock.monotonic() ? known.isOld : undefined;
  }

  async function greet(server: HttpUpstream, request: UpstreamRequest): Promise<UpstreamReply> {
    const verdict = verdictOn(server);
    if (verdict === true) {
      const reply = await sse.open(server, request, request.firstMs).catch(otherwise);
      if (reply !== undefined) return reply;
      verdicts.delete(server);
    }
    const posted = await refusalOf(http, server, request);
    if (posted.kind === "reply") return posted.reply;
    if (verdict === undefined) {
      const reply = await openOld(server, request);
      if (reply !== undefined) {
        posted.drop();
        return reply;
      }
    }
    return posted.give();
  }

  /** `undefined` when it has not this transport either. */
  async function openOld(
    server: HttpUpstream,
    request: UpstreamRequest,
  ): Promise<UpstreamReply | undefined> {
    let isFound = false;
    const withinMs = Math.min(ENDPOINT_MS, request.firstMs);
    try {
      return await sse.open(server, request, withinMs, () => isFound = true);
    } catch (error) {
      if (isFound || request.abort.signal.aborted) throw error;
      return undefined;
    } finally {
      if (isFound || !request.abort.signal.aborted) remember(server, isFound);
    }
  }

  return {
    send(server, request, url) {
      if (server.transport === "sse" || sse.isOurs(request.session)) {
        return sse.send(server, request);
      }
      return isGreeting(request) ? greet(server, request) : http.send(server, request, url);
    },
    remove: (server, mark, totalMs) =>
      server.transport === "sse" || sse.isOurs(mark.session)
        ? sse.remove(server, mark, totalMs)
        : http.remove(server, mark, totalMs),
  };
}

/** Only `initialize` goes out without a session and without a revision. */
function isGreeting({ body, session, headers }: UpstreamRequest): boolean {
  return session === undefined && headers === "" && body !== undefined &&
    envelopeOf(body).method === "initialize";
}

/** A server that has become one of Streamable HTTP says so in one of these ways. */
function otherwise(error: unknown): undefined {
  const isEvidence = error instanceof NoEndpoint ||
    (error instanceof UpstreamStatusError && error.status < 500);
  if (!isEvidence) throw error;
  return undefined;
}

type Posted =
  | { readonly kind: "reply"; readonly reply: UpstreamReply }
  | {
    readonly kind: "refusal";
    /** What the server said, for the caller. @throws {UpstreamStatusError} when that is a status */
    readonly give: () => UpstreamReply;
    /** Nobody wants to know. */
    readonly drop: () => void;
  };

/** A refusal is one of a server that does not know what a message is. */
async function refusalOf(
  http: HttpMcpClient,
  server: HttpUpstream,
  request: UpstreamRequest,
): Promise<Posted> {
  let reply: UpstreamReply;
  try {
    reply = await http.send(server, request);
  } catch (error) {
    if (!(error instanceof UpstreamStatusError) || !REFUSALS.includes(error.status)) throw error;
    const give = () => {
      throw error;
    };
    return { kind: "refusal", give, drop: () => {} };
  }
  if (!REFUSALS.includes(reply.status) || reply.isStream !== false) return { kind: "reply", reply };
  const message = await reply.next();
  const whole = peeked(reply, message);
  if (message !== undefined && readEnvelope(message) !== undefined) {
    return { kind: "reply", reply: whole };
  }
  return { kind: "refusal", give: () => whole, drop: reply.close };
}
