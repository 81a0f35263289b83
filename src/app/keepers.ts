/**
 * Where sessions and their events are kept.
 *
 * @module
 */
import type { Config } from "../config/load.ts";
import { LIMITS } from "../domain/limits.ts";
import { createMemoryStore } from "../events/memory_store.ts";
import { createSqliteStore, EVENT_SCHEMA } from "../events/sqlite_store.ts";
import { createLocalDirectory, DIRECTORY_SCHEMA } from "../mcp/session/local_directory.ts";
import { sessionsFile } from "../platform/data_dir.ts";
import { createSecretBox } from "../platform/secret_box.ts";
import { openSqlite } from "../storage/sqlite.ts";
import type { Platform } from "./base.ts";

/** Where sessions and events are kept, and what seals them. */
export function keepers(config: Config, { clock, encryptionSecret }: Platform) {
  const { databaseUrl } = config;
  const isInMemory = databaseUrl.kind === "sqlite" && databaseUrl.path === ":memory:";
  const path = isInMemory ? ":memory:" : sessionsFile(config.dataDir);
  // A file of their own, for both: they are written often, and live and die together.
  const db = openSqlite(path, DIRECTORY_SCHEMA + EVENT_SCHEMA);
  const bounds = {
    eventsMax: config.streamEventsMax,
    bytesMax: LIMITS.eventBytesPerStream,
    ttlMs: config.streamEventMs,
    sessionStreamsMax: LIMITS.streamsPerSession,
  };
  const isFile = config.eventStore === "sqlite" && !isInMemory;
  const storeBox = createSecretBox(encryptionSecret, "stored events");
  const { directory, store } = readable(path, () => ({
    directory: createLocalDirectory(db, { clock }, { idleMs: config.sessionIdleMs }),
    store: isFile
      ? createSqliteStore(
        db,
        { ...bounds, totalBytesMax: LIMITS.eventBytesOnDisk },
        { clock, box: storeBox },
      )
      : createMemoryStore({ ...bounds, totalBytesMax: LIMITS.eventBytesInMemory }, { clock }),
  }));
  return {
    directory,
    store,
    recordBox: createSecretBox(encryptionSecret, "sessions"),
    eventBox: createSecretBox(encryptionSecret, "events"),
  };
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
