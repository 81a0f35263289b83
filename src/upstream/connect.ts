/**
 * One client for all upstream servers: picks the transport of each.
 *
 * @module
 */
import { GatewayError } from "../domain/errors.ts";
import type { HttpUpstream, StdioUpstream, UpstreamServer } from "../domain/server.ts";
import type { SessionMark, UpstreamClient, UpstreamRequest } from "./client.ts";
import type { HttpMcpClient } from "./mcp_client.ts";
import type { UpstreamReply } from "./reply.ts";

/** `UpstreamClient` for servers that are child processes. */
export interface StdioMcpClient {
  readonly send: (server: StdioUpstream, request: UpstreamRequest) => Promise<UpstreamReply>;
  readonly remove: (
    server: StdioUpstream,
    session: SessionMark,
    totalMs: number,
  ) => Promise<number>;
}

export function createUpstreamClient(
  clients: { readonly http: HttpMcpClient; readonly stdio: StdioMcpClient },
): UpstreamClient {
  return {
    send: (server, request) =>
      isStdio(server)
        ? clients.stdio.send(server, request)
        : clients.http.send(overHttp(server), request),
    remove: (server, session, totalMs) =>
      isStdio(server)
        ? clients.stdio.remove(server, session, totalMs)
        : clients.http.remove(overHttp(server), session, totalMs),
  };
}

function isStdio(server: UpstreamServer): server is StdioUpstream {
  return server.transport === "stdio";
}

/** @throws {GatewayError} `upstream_unavailable` for the transport of 2024-11-05 */
function overHttp(server: HttpUpstream): HttpUpstream {
  if (server.transport === "http") return server;
  throw new GatewayError(
    "upstream_unavailable",
    "The upstream server is of the 2024-11-05 transport, which is not served yet",
  );
}
