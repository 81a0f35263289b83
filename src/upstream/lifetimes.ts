/**
 * Ends what would never end by itself when its server is gone or is not what it was: the streams on
 * which servers are listened to.
 *
 * @module
 */
import { GatewayError } from "../domain/errors.ts";
import type { UpstreamServer } from "../domain/server.ts";
import type { UpstreamClient, UpstreamRequest } from "./client.ts";

/** The reason with which a stream is ended. */
export class ServerGone extends GatewayError {
  constructor() {
    super("upstream_unavailable", "The upstream server was removed or changed");
  }
}

export interface MortalClient extends UpstreamClient {
  /** @param server as it was */
  readonly end: (server: UpstreamServer) => void;
}

export function createMortalClient(client: UpstreamClient): MortalClient {
  const endless = new WeakMap<UpstreamServer, Set<AbortController>>();

  async function listen(server: UpstreamServer, request: UpstreamRequest) {
    const open = endless.get(server) ?? new Set<AbortController>();
    endless.set(server, open.add(request.abort));
    try {
      const reply = await client.send(server, request);
      const close = () => {
        open.delete(request.abort);
        reply.close();
      };
      return { ...reply, close };
    } catch (error) {
      open.delete(request.abort);
      throw error;
    }
  }

  return {
    // All others have an end of their own.
    send: (server, request) =>
      request.totalMs === Infinity ? listen(server, request) : client.send(server, request),
    remove: client.remove,
    end(server) {
      for (const abort of endless.get(server) ?? []) abort.abort(new ServerGone());
      endless.delete(server);
    },
  };
}
