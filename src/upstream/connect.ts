/**
 * One client for all upstream servers: picks the transport of each.
 *
 * @module
 */
import type { HttpUpstream, OwnServer, StdioUpstream, UpstreamServer } from "../domain/server.ts";
import type { SessionMark, UpstreamClient, UpstreamRequest } from "./client.ts";
import type { HttpMcpClient } from "./mcp_client.ts";
import type { UpstreamReply } from "./reply.ts";

/** `UpstreamClient` for servers of one kind. */
interface ClientOf<S extends UpstreamServer> {
  readonly send: (server: S, request: UpstreamRequest) => Promise<UpstreamReply>;
  readonly remove: (server: S, session: SessionMark, totalMs: number) => Promise<number>;
}

export type StdioMcpClient = ClientOf<StdioUpstream>;
/** For the gateway's own items; without sessions. */
export type OwnMcpClient = Pick<ClientOf<OwnServer>, "send">;

export interface Clients {
  readonly http: HttpMcpClient;
  readonly stdio: StdioMcpClient;
  readonly own: OwnMcpClient;
}

export function createUpstreamClient({ http, stdio, own }: Clients): UpstreamClient {
  return {
    send(server, request) {
      if (isOverHttp(server)) return http.send(server, request);
      return server.transport === "stdio" ? stdio.send(server, request) : own.send(server, request);
    },
    remove(server, session, totalMs) {
      if (isOverHttp(server)) return http.remove(server, session, totalMs);
      return server.transport === "stdio"
        ? stdio.remove(server, session, totalMs)
        : Promise.resolve(NO_SUCH_SESSION);
    },
  };
}

function isOverHttp(server: UpstreamServer): server is HttpUpstream {
  return server.transport === "http" || server.transport === "sse";
}

const NO_SUCH_SESSION = 404;
