/**
 * Contract of a client of upstream servers: one message there, messages back. What they mean is not
 * its affair; whether one answers the request is decided in `mcp/`.
 *
 * `mcp_client.ts` implements it over Streamable HTTP, `sse_client.ts` over the transport of 2024-11-05,
 * `stdio_client.ts` for child processes; `connect.ts` picks.
 *
 * @module
 */
import type { UpstreamServer } from "../domain/server.ts";
import type { UpstreamReply } from "./reply.ts";

export interface UpstreamRequest {
  /** One JSON-RPC message; `undefined` to open or resume the server's own stream of a session. */
  readonly body: Uint8Array | undefined;
  /** Header lines of the protocol, each ended by CRLF; values proven printable ASCII. */
  readonly headers: string;
  /** Session of the server's that it belongs to: the same as in `headers`, for other transports. */
  readonly session?: string | undefined;
  /**
   * On whose behalf, see `callerOf` in `domain/principal.ts`; empty for the gateway itself. What
   * belongs to no session is shared within one caller at most.
   */
  readonly caller?: string | undefined;
  /** Asked once more before it is sent, if it had to wait for that. */
  readonly isWanted?: (() => boolean) | undefined;
  /** Headers of the client's request, by lower-cased name: the server gets those that it may. */
  readonly clientHeaders?: ReadonlyMap<string, string> | undefined;
  /** Whether it may be sent a second time when a kept connection died before it answered. */
  readonly idempotent: boolean;
  readonly firstMs: number;
  readonly silenceMs: number;
  readonly totalMs: number;
  /** See `DeadlineOptions`. */
  readonly pausedAtMs?: (() => number) | undefined;
  /** Told of an event id that came without a message: from there the stream can be resumed. */
  readonly primed?: ((eventId: string) => void) | undefined;
  /** Told of the events of a stream that are no messages: their type, and their data. */
  readonly others?: ((type: string, data: Uint8Array) => void) | undefined;
  /** Nothing comes back: what a 2xx contains is not looked at. */
  readonly isOneWay?: boolean | undefined;
  /** A stream that is silent most of the time. */
  readonly isQuiet?: boolean | undefined;
  /** Aborted by the caller to cancel, and by the client when a deadline runs out. */
  readonly abort: AbortController;
}

/** What names a session at its server. */
export type SessionMark = Pick<UpstreamRequest, "headers" | "session">;

export interface UpstreamClient {
  /**
   * @throws {GatewayError} `upstream_unavailable`, `upstream_timeout`, `upstream_protocol`
   * @throws {ConnectionLost} when the reply broke off
   */
  readonly send: (server: UpstreamServer, request: UpstreamRequest) => Promise<UpstreamReply>;
  /**
   * Ends a session of the session era; gives the status of the reply.
   * @throws as `send`
   */
  readonly remove: (
    server: UpstreamServer,
    session: SessionMark,
    totalMs: number,
  ) => Promise<number>;
}
