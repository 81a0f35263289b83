/**
 * Where sessions and their events are kept: in a file, or in Redis for several replicas.
 *
 * @module
 */
import { type Config, eventStoreOf } from "../config/load.ts";
import { LIMITS } from "../domain/limits.ts";
import { createMemoryStore } from "../events/memory_store.ts";
import { createRedisStore } from "../events/redis_store.ts";
import { createSqliteStore, EVENT_SCHEMA } from "../events/sqlite_store.ts";
import type { EventStore } from "../events/store.ts";
import type { SessionDirectory } from "../mcp/session/directory.ts";
import { createLocalDirectory, DIRECTORY_SCHEMA } from "../mcp/session/local_directory.ts";
import { createRedisDirectory } from "../mcp/session/redis_directory.ts";
import { sessionsFile } from "../platform/data_dir.ts";
import { type Redis, REDIS_TIME } from "../platform/redis.ts";
import { openSqlite, type Sqlite } from "../storage/sqlite.ts";
import { type Base, box } from "./base.ts";

/** Where sessions and events are kept, and what seals them. */
export function keepers({ config, platform, shared }: Base) {
  const { redis } = shared;
  return {
    ...redis === undefined ? inFile(config, platform) : inRedis(config, platform, redis, shared),
    recordBox: box(platform, "sessions"),
    eventBox: box(platform, "events"),
  };
}

interface Kept {
  readonly directory: SessionDirectory;
  readonly store: EventStore;
}

type Clocked = Pick<Base["platform"], "clock">;

function inRedis(
  config: Config,
  platform: Base["platform"],
  redis: Redis,
  { remote, forged }: Base["shared"],
): Kept {
  const { clock } = platform;
  const deps = { redis, clock, time: REDIS_TIME };
  const directory = createRedisDirectory(deps, { idleMs: config.sessionIdleMs });
  const kind = eventStoreOf(config);
  if (kind === "memory") return { directory, store: inMemory(config, platform) };
  if (kind === "sqlite") {
    const { path, isInMemory } = placeOf(config);
    if (isInMemory) return { directory, store: inMemory(config, platform) };
    const db = openSqlite(path, EVENT_SCHEMA);
    const store = readable(path, () => inSqlite(config, platform, db));
    return { directory, store: { ...store, close: () => void (store.close(), db.close()) } };
  }
  const options = {
    ...boundsOf(config),
    totalBytesMax: LIMITS.eventBytesInRedis,
    sessionMs: config.sessionMsMax,
    replica: remote.self,
  };
  const store = createRedisStore({ ...deps, box: box(platform, "stored events"), forged }, options);
  return { directory, store };
}

function inFile(config: Config, platform: Base["platform"]): Kept {
  const { path, isInMemory } = placeOf(config);
  // A file of their own, for both: they are written often, and live and die together.
  const db = openSqlite(path, DIRECTORY_SCHEMA + EVENT_SCHEMA);
  const isKept = eventStoreOf(config) === "sqlite" && !isInMemory;
  return readable(path, () => ({
    directory: createLocalDirectory(db, platform, { idleMs: config.sessionIdleMs }),
    store: isKept ? inSqlite(config, platform, db) : inMemory(config, platform),
  }));
}

function placeOf({ databaseUrl, dataDir }: Config) {
  const isInMemory = databaseUrl.kind === "sqlite" && databaseUrl.path === ":memory:";
  return { path: isInMemory ? ":memory:" : sessionsFile(dataDir), isInMemory };
}

function boundsOf(config: Config) {
  return {
    eventsMax: config.streamEventsMax,
    bytesMax: LIMITS.eventBytesPerStream,
    ttlMs: config.streamEventMs,
    sessionStreamsMax: LIMITS.streamsPerSession,
  };
}

function inSqlite(config: Config, platform: Base["platform"], db: Sqlite): EventStore {
  const bounds = { ...boundsOf(config), totalBytesMax: LIMITS.eventBytesOnDisk };
  const { clock } = platform;
  return createSqliteStore(db, bounds, { clock, box: box(platform, "stored events") });
}

function inMemory(config: Config, { clock }: Clocked): EventStore {
  const bounds = { ...boundsOf(config), totalBytesMax: LIMITS.eventBytesInMemory };
  return createMemoryStore(bounds, { clock });
}

/** @throws {Error} naming the file, when what is in it cannot be read */
function readable<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const text = `The file "${path}" cannot be read: ${(cause as Error).message}`;
    throw new Error(`${text}; without it, sessions are lost and nothing else`, { cause });
  }
}
