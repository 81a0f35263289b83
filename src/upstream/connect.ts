/**
 * One client for all upstream servers: picks the transport of each.
 *
 * @module
 */
import type { StdioUpstream, UpstreamServer } from "../domain/server.ts";
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
      isStdio(server) ? clients.stdio.send(server, request) : clients.http.send(server, request),
    remove: (server, session, totalMs) =>
      isStdio(server)
        ? clients.stdio.remove(server, session, totalMs)
        : clients.http.remove(server, session, totalMs),
  };
}

function isStdio(server: UpstreamServer): server is StdioUpstream {
  return server.transport === "stdio";
}
