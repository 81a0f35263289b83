/**
 * Upstream sessions that the requests of one principal share, because they come without a session
 * of their own: one for each principal, server and client, opened on first use.
 *
 * A server sees one client in a session, so what a client declares is part of what it is known by;
 * so is what of its request the server is given as a credential.
 *
 * @module
 * @see design.md, "Sessions belong to no replica, running calls do", "Ids"
 */
import { createHash } from "node:crypto";
import { GatewayError, ProtocolError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { callerOf, type Principal } from "../../domain/principal.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { Clock } from "../../platform/clock.ts";
import { randomText } from "../../platform/random.ts";
import { INVALID_PARAMS, type JsonObject } from "../message.ts";
import { NEWEST_SESSION_REVISION } from "../revisions/revision.ts";
import { sendOneWay } from "./one_way.ts";
import { newSession, type Session, type Upstream, type UpstreamState } from "./session.ts";
import { type Opened, ownInitialize } from "./upstream_handshake.ts";
import type { UpstreamSessions } from "./upstream_sessions.ts";

/** The upstream session that the requests of one principal share. */
export interface Shared {
  /** What it is found by, see `keyOf`. */
  readonly key: string;
  readonly session: Session;
  readonly server: UpstreamServer;
  readonly opened: Promise<Opened>;
  usedMs: number;
  /** Those who need it besides the calls that run in it. */
  holders: number;
}

/** Whom a server sees in a shared session. */
export interface SharedClient {
  readonly capabilities: JsonObject;
  /** The gateway's own when the client gave none. */
  readonly clientInfo: JsonObject | undefined;
  /** All headers of the request: the server is given some of them. */
  readonly clientHeaders: ReadonlyMap<string, string> | undefined;
}

export interface SharedSessions {
  /** The one that `of` would give, if there is one: it may still be being opened. */
  readonly find: (
    principal: Principal,
    server: UpstreamServer,
    client: SharedClient,
  ) => Shared | undefined;
  /**
   * @param client one that can do nothing unless given
   * @throws {GatewayError} `rate_limited` when there are too many, all of them in use
   * @throws {ProtocolError} -32602 for a client that says too much about itself
   * @throws as `UpstreamSessions.open`
   */
  readonly of: (
    principal: Principal,
    server: UpstreamServer,
    client?: SharedClient,
  ) => Promise<Shared>;
  /** Those that this principal has. */
  readonly openTo: (principal: Principal) => readonly Shared[];
  /** Ends those that nobody has used for a while. */
  readonly sweep: () => Promise<void>;
  /** Ends all of them. Never rejects. */
  readonly close: () => Promise<void>;
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

/** 128 random bits. */
const SESSION_KEY_BYTES = 16;
/** Clients that say more about themselves are told apart by a hash of it. */
const KEY_PARAMS_CHARS = 1_024;

export function createSharedSessions(
  { upstream, clock, version }: SharedSessionsDeps,
  options: SharedSessionsOptions,
): SharedSessions {
  const pool = new Map<string, Shared>();
  /** Of servers that are not what they were, until nobody is in them any more. */
  const left = new Set<Shared>();

  function find(
    principal: Principal,
    server: UpstreamServer,
    client: SharedClient,
  ): Shared | undefined {
    const found = pool.get(keyOf(principal, server, client, paramsOf(client, version)));
    if (found?.server !== server) return undefined;
    found.usedMs = clock.monotonic();
    return found;
  }

  async function of(
    principal: Principal,
    server: UpstreamServer,
    client: SharedClient = NOBODY,
  ): Promise<Shared> {
    const params = paramsOf(client, version);
    const key = keyOf(principal, server, client, params);
    let found = pool.get(key);
    if (found !== undefined && found.server !== server) {
      pool.delete(key);
      left.add(found);
      found = undefined;
    }
    if (found === undefined) {
      makeRoom(principal);
      found = begin(key, principal, server, params);
      pool.set(key, found);
      const forget = () => pool.get(key) === found && pool.delete(key);
      found.opened.then(({ state }) => state === undefined && forget(), forget);
    }
    found.usedMs = clock.monotonic();
    await found.opened;
    return found;
  }

  /** @throws {GatewayError} `rate_limited` */
  function makeRoom(principal: Principal): void {
    const own = openTo(principal);
    if (own.length >= LIMITS.sharedSessionsPerPrincipal) endIdlest(own);
    if (pool.size >= LIMITS.sharedSessions) endIdlest([...pool.values()]);
  }

  function endIdlest(among: readonly Shared[]): void {
    const idle = among.filter(isUnused).toSorted((a, b) => a.usedMs - b.usedMs)[0];
    if (idle === undefined) {
      const text = "You use too many upstream servers, or too many clients, at once";
      throw new GatewayError("rate_limited", text);
    }
    pool.delete(idle.key);
    void end(idle);
  }

  function begin(
    key: string,
    { kind, subject }: Principal,
    server: UpstreamServer,
    params: string,
  ): Shared {
    const session = newSession(randomText(SESSION_KEY_BYTES), {
      kind,
      subject,
      server: server.slug,
      revision: NEWEST_SESSION_REVISION,
      initialize: params,
      endMs: Infinity,
    });
    const opened = openIn(upstream, session, server, options.firstByteMs);
    return { key, session, server, opened, usedMs: clock.monotonic(), holders: 0 };
  }

  async function sweep(): Promise<void> {
    const nowMs = clock.monotonic();
    const ended: Shared[] = [];
    for (const [key, shared] of pool) {
      if (!isUnused(shared) || nowMs - shared.usedMs < options.idleMs) continue;
      pool.delete(key);
      ended.push(shared);
    }
    for (const shared of left) {
      if (!isUnused(shared)) continue;
      left.delete(shared);
      ended.push(shared);
    }
    for (const shared of ended) await end(shared);
  }

  async function end({ session, server, opened }: Shared): Promise<void> {
    await opened.catch(() => {});
    const state = session.upstreams.get(server.slug)?.state;
    if (state !== undefined) await upstream.close(server, state);
  }

  async function close(): Promise<void> {
    const all = [...pool.values(), ...left];
    pool.clear();
    left.clear();
    await Promise.all(all.map(end));
  }

  function openTo({ kind, subject }: Principal): readonly Shared[] {
    return [...pool.values()].filter(({ session: { base } }) =>
      base.kind === kind && base.subject === subject
    );
  }

  return { find, of, openTo, sweep, close };
}

async function openIn(
  upstream: UpstreamSessions,
  session: Session,
  server: UpstreamServer,
  firstByteMs: number,
): Promise<Opened> {
  const { body, id } = ownInitialize(session.base.initialize);
  const opened = await upstream.open(server, body, id);
  if (opened.state === undefined) return opened;
  session.upstreams.set(server.slug, { generation: 1, state: opened.state });
  const initialized = new TextEncoder().encode(
    '{"jsonrpc":"2.0","method":"notifications/initialized"}',
  );
  await sendOneWay(upstream, session, server, initialized, firstByteMs);
  return opened;
}

/** For `SessionRegistry.save`: a shared session is known to this process only. */
export function saveInMemory(
  session: Session,
  server: string,
  known: Upstream | undefined,
  state: UpstreamState,
): Promise<boolean> {
  session.upstreams.set(server, { generation: (known?.generation ?? 0) + 1, state });
  return Promise.resolve(true);
}

const NOBODY: SharedClient = Object.freeze({
  capabilities: {},
  clientInfo: undefined,
  clientHeaders: undefined,
});

/** Of `initialize`. @throws {ProtocolError} -32602 */
function paramsOf({ capabilities, clientInfo }: SharedClient, version: string): string {
  const params = JSON.stringify({
    protocolVersion: NEWEST_SESSION_REVISION,
    capabilities,
    clientInfo: clientInfo ?? { name: "sallyport", version },
  });
  if (params.length <= LIMITS.initializeBytes) return params;
  throw new ProtocolError(INVALID_PARAMS, 400, "The client says too much about itself");
}

/** Looked up with every call, so nothing is hashed that need not be. */
function keyOf(
  principal: Principal,
  { id, passthroughHeaders }: UpstreamServer,
  { clientHeaders }: SharedClient,
  params: string,
): string {
  const caller = callerOf(principal);
  const told = params.length <= KEY_PARAMS_CHARS ? params : digestOf(params);
  // Headers may hold secrets, of which nothing is kept.
  const passed = passthroughHeaders.length === 0
    ? ""
    : digestOf(JSON.stringify(passthroughHeaders.map((name) => {
      return clientHeaders?.get(name.toLowerCase());
    })));
  // The length says where the caller, who may be called anything, ends.
  return `${id} ${passed} ${caller.length} ${caller}${told}`;
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

function isUnused({ session, holders }: Shared): boolean {
  return session.calls.size() === 0 && holders === 0;
}
