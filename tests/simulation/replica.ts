/**
 * A replica of a simulation: the gateway's own modules from what is kept to the endpoint of a session,
 * in a process, on a connection to Redis.
 *
 * @module
 */
import type { Claims } from "../../src/events/claims.ts";
import { createRedisClaims } from "../../src/events/redis_claims.ts";
import { createRedisPost } from "../../src/events/redis_post.ts";
import { createRedisPresence } from "../../src/events/redis_presence.ts";
import { createSeals } from "../../src/events/redis_seals.ts";
import { createRedisStore } from "../../src/events/redis_store.ts";
import { createRemote } from "../../src/events/remote.ts";
import type { EventStore } from "../../src/events/store.ts";
import type { Endpoint } from "../../src/mcp/endpoint.ts";
import { type CallClaims, createRedisCallClaims } from "../../src/mcp/session/call_claims.ts";
import type { SessionEndpoint } from "../../src/mcp/session/endpoint.ts";
import { createRedisDirectory } from "../../src/mcp/session/redis_directory.ts";
import { createSessions, type SessionViews } from "../../src/mcp/session/sessions.ts";
import type { StatelessServers } from "../../src/mcp/session/stateless/servers.ts";
import { randomText } from "../../src/platform/random.ts";
import { REDIS_TIME } from "../../src/platform/redis.ts";
import { createSecretBox } from "../../src/platform/secret_box.ts";
import type { UpstreamClient } from "../../src/upstream/client.ts";
import type { Seeded } from "../support/seeded.ts";
import { createRedisLink, type RedisLink, type SimRedis } from "./redis_link.ts";
import { createProcess, type Process, type Schedule } from "./time.ts";
import { SERVER, type SimUpstream } from "./upstream.ts";

export interface Replica {
  readonly name: string;
  readonly process: Process;
  readonly link: RedisLink;
  readonly endpoint: SessionEndpoint;
  readonly claims: Claims;
  /** Whether the others hold it for alive, as it knows. */
  readonly isPresent: () => boolean;
  /** Ends it without a word; who is connected to it notices. */
  readonly kill: () => void;
  readonly onDeath: (died: () => void) => () => void;
}

/** Parts of a replica that a mutant makes differently. */
export interface Wrapping {
  readonly store?: (store: EventStore) => EventStore;
  readonly callClaims?: (claims: CallClaims) => CallClaims;
  readonly client?: (client: UpstreamClient) => UpstreamClient;
}

export interface ReplicaDeps {
  readonly schedule: Schedule;
  readonly redis: SimRedis;
  readonly upstream: SimUpstream;
  readonly random: Seeded;
  readonly wrapping: Wrapping;
  /** Told of a value that does not open. */
  readonly forged: () => void;
  /** What the replica would write into its log. */
  readonly logged: (text: string) => void;
}

export const BOUNDS = {
  eventsMax: 20,
  bytesMax: 20_000,
  ttlMs: 20_000,
  sessionStreamsMax: 12,
  totalBytesMax: 1_000_000,
};

const OPTIONS = {
  idleMs: 15_000,
  maxMs: 600_000,
  streamEventsMax: BOUNDS.eventsMax,
  streamEventMs: BOUNDS.ttlMs,
  perPrincipal: 4,
  firstByteMs: 3_000,
  toolMs: 3_000,
  toolMsMax: 8_000,
  askMs: 1_500,
};

const SECRET = "only-for-simulations-0123456789-abcdef";
export const boxOf = (purpose: string) => createSecretBox(SECRET, purpose);
const BOXES = {
  signals: boxOf("signals"),
  events: boxOf("events"),
  sessions: boxOf("sessions"),
  stored: boxOf("stored events"),
};

export const ENDPOINT: Endpoint = {
  kind: "verbatim",
  key: SERVER.slug,
  server: SERVER,
  narrowed: undefined,
};

/** There is one server, which is shown as it is. */
const VIEWS = {
  views: { latest: () => undefined },
  shownAt: () => undefined,
  changes: { follow: () => () => {} },
  check: undefined,
  lists: {},
  editsOf: () => undefined,
} as unknown as SessionViews;

/** And it has sessions. */
const STATELESS = {
  open: (_server, _body, initialize) => initialize(),
  isReplaced: () => false,
} as Partial<StatelessServers> as StatelessServers;

export function startReplica(deps: ReplicaDeps): Replica {
  const { schedule, upstream, wrapping, forged, logged } = deps;
  const name = randomText(12);
  const process = createProcess(schedule);
  const { clock, timers } = process;
  const link = createRedisLink({ ...deps, process });
  const deaths = new Set<() => void>();
  const failed = (what: string, error: unknown) => logged(`${name}: ${what}: ${error}`);
  const presence = createRedisPresence({ redis: link, clock, timers }, name);
  const seals = createSeals(BOXES.signals, forged);
  // One that comes twice is dropped as if somebody else had sent it.
  const post = createRedisPost({ redis: link, presence, timers, seals, forged() {} }, name);
  const remote = createRemote({ post, timers, failed });
  const claims = createRedisClaims({ redis: link, timers, presence }, name);
  const time = REDIS_TIME;
  const store = createRedisStore({ redis: link, box: BOXES.stored, clock, time, forged }, {
    ...BOUNDS,
    replica: name,
    sessionMs: OPTIONS.maxMs,
  });
  const callClaims = createRedisCallClaims({ redis: link, remote, timers }, {
    keptMs: OPTIONS.toolMsMax + 60_000,
  });
  const client = upstream.clientOf(process);
  const sessions = createSessions({
    client: wrapping.client?.(client) ?? client,
    stateless: STATELESS,
    directory: createRedisDirectory({ redis: link, clock, time }, { idleMs: OPTIONS.idleMs }),
    store: wrapping.store?.(store) ?? store,
    recordBox: BOXES.sessions,
    eventBox: BOXES.events,
    clock,
    timers,
    remote,
    turns: claims,
    claims: wrapping.callClaims?.(callClaims) ?? callClaims,
    serverOf: (slug) => slug === SERVER.slug ? SERVER : undefined,
    endpointOf: () => ENDPOINT,
    views: VIEWS,
    record() {},
    audit: undefined,
    ended: (why) => why === "forged" && forged(),
    failed: (what, fields, error) => failed(`${what} ${JSON.stringify(fields)}`, error),
  }, OPTIONS);
  presence.onLost(sessions.lost);
  return {
    name,
    process,
    link,
    endpoint: sessions.endpoint,
    claims,
    isPresent: presence.isPresent,
    kill() {
      process.kill();
      link.cut();
      for (const died of deaths) died();
    },
    onDeath(died) {
      deaths.add(died);
      return () => void deaths.delete(died);
    },
  };
}
