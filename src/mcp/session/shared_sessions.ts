/**
 * Upstream sessions that the requests of one principal share, because they come without a session
 * of their own: one for each principal and server, opened on first use.
 *
 * @module
 * @see design.md, "Sessions belong to no replica, running calls do", "Ids"
 */
import type { Principal } from "../../domain/principal.ts";
import { placeOf, type UpstreamServer } from "../../domain/server.ts";
import type { Clock } from "../../platform/clock.ts";
import { NEWEST_SESSION_REVISION } from "../revisions/revision.ts";
import { sendOneWay } from "./one_way.ts";
import { newSession, type Session } from "./session.ts";
import { type Opened, ownInitialize } from "./upstream_handshake.ts";
import type { UpstreamSessions } from "./upstream_sessions.ts";

/** The upstream session that the requests of one principal share. */
export interface Shared {
  readonly session: Session;
  /** As it was when it was last needed. */
  server: UpstreamServer;
  readonly opened: Promise<Opened>;
  usedMs: number;
}

export interface SharedSessions {
  /** @throws as `UpstreamSessions.open` */
  readonly of: (principal: Principal, server: UpstreamServer) => Promise<Shared>;
  /** Those that this principal has. */
  readonly openTo: (principal: Principal) => readonly Shared[];
  /** Ends those that nobody has used for a while. */
  readonly sweep: () => Promise<void>;
}

export interface SharedSessionsDeps {
  readonly upstream: UpstreamSessions;
  readonly clock: Clock;
  /** Of this program. */
  readonly version: string;
}

export interface SharedSessionsOptions {
  readonly idleMs: number;
  readonly firstByteMs: number;
}

export function createSharedSessions(
  { upstream, clock, version }: SharedSessionsDeps,
  options: SharedSessionsOptions,
): SharedSessions {
  const pool = new Map<string, Shared>();

  async function of(principal: Principal, server: UpstreamServer): Promise<Shared> {
    const key = JSON.stringify([principal.kind, principal.subject, server.slug, placeOf(server)]);
    let found = pool.get(key);
    if (found === undefined) {
      found = begin(key, principal, server);
      pool.set(key, found);
      const forget = () => pool.get(key) === found && pool.delete(key);
      found.opened.then(({ state }) => state === undefined && forget(), forget);
    }
    found.usedMs = clock.monotonic();
    found.server = server;
    await found.opened;
    return found;
  }

  function begin(key: string, principal: Principal, server: UpstreamServer): Shared {
    const { kind, subject } = principal;
    const params = JSON.stringify({
      protocolVersion: NEWEST_SESSION_REVISION,
      capabilities: {},
      clientInfo: { name: "sallyport", version },
    });
    const session = newSession(key, {
      kind,
      subject,
      server: server.slug,
      revision: NEWEST_SESSION_REVISION,
      initialize: params,
      endMs: Infinity,
    });
    return { session, server, opened: open(session, server), usedMs: clock.monotonic() };
  }

  async function open(session: Session, server: UpstreamServer): Promise<Opened> {
    const { body, id } = ownInitialize(session.base.initialize);
    const opened = await upstream.open(server, body, id);
    if (opened.state === undefined) return opened;
    session.upstreams.set(server.slug, { generation: 1, state: opened.state });
    const initialized = new TextEncoder().encode(
      '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    );
    await sendOneWay(upstream, session, server, initialized, options.firstByteMs);
    return opened;
  }

  async function sweep(): Promise<void> {
    const nowMs = clock.monotonic();
    for (const [key, { session, server, usedMs }] of pool) {
      if (session.calls.size() > 0 || nowMs - usedMs < options.idleMs) continue;
      pool.delete(key);
      const state = session.upstreams.get(server.slug)?.state;
      if (state !== undefined) await upstream.close(server, state);
    }
  }

  function openTo({ kind, subject }: Principal): readonly Shared[] {
    return [...pool.values()].filter(({ session: { base } }) =>
      base.kind === kind && base.subject === subject
    );
  }

  return { of, openTo, sweep };
}
