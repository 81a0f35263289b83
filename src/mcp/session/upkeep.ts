/**
 * What has to be done from time to time: sessions run out, and nothing of them is left behind.
 *
 * @module
 */
import type { UpstreamServer } from "../../domain/server.ts";
import type { EventStore } from "../../events/store.ts";
import type { SessionCalls } from "./calls.ts";
import type { Ended, SessionRegistry } from "./registry.ts";
import type { Session } from "./session.ts";
import type { Streams } from "./streams.ts";
import type { UpstreamSessions } from "./upstream_sessions.ts";

export interface Upkeep {
  /** Ends what must not outlive a session. */
  readonly clearUp: (ended: Ended) => Promise<void>;
  readonly sweep: () => Promise<void>;
}

export interface UpkeepDeps {
  readonly registry: Pick<SessionRegistry, "sweep">;
  readonly calls: Pick<SessionCalls, "keepStreams">;
  readonly streams: Pick<Streams, "hasReader">;
  readonly store: Pick<EventStore, "erase" | "sweep">;
  readonly upstream: Pick<UpstreamSessions, "close">;
  /** The server with this slug, whoever may see it. */
  readonly serverOf: (slug: string) => UpstreamServer | undefined;
}

export function createUpkeep(
  { registry, calls, streams, store, upstream, serverOf }: UpkeepDeps,
): Upkeep {
  function useOf(session: Session): "active" | "held" | "none" {
    const isListening = streams.hasReader(session.listening);
    if (isListening || session.calls.size() > 0) return "active";
    return session.watches.size > 0 ? "held" : "none";
  }

  async function clearUp({ key, upstreams }: Ended): Promise<void> {
    const closing = [...upstreams].map(async ([slug, { state }]) => {
      const server = serverOf(slug);
      if (server !== undefined) await upstream.close(server, state);
    });
    await Promise.all([store.erase(key), ...closing]);
  }

  return {
    clearUp,
    async sweep() {
      await Promise.all((await registry.sweep(useOf)).map(clearUp));
      calls.keepStreams();
      await store.sweep();
    },
  };
}
