/**
 * Discovery: reads what upstream servers offer, and keeps the catalog like that.
 *
 * Every enabled server is read at the start, when it says that something has changed, when its lists
 * are no longer fresh, now and then, and when somebody asks. What fails is tried again.
 *
 * @module
 * @see design.md, "Catalog"
 */
import type { Dropped, ItemKind, Offer } from "../domain/item.ts";
import { LIMITS } from "../domain/limits.ts";
import type { UpstreamServer } from "../domain/server.ts";
import type { Timers } from "../platform/timers.ts";
import type { Catalog, Shelf } from "./catalog.ts";
import {
  createMinder,
  type Minder,
  type MinderDeps,
  type MinderState,
  type Outcome,
} from "./minder.ts";
import { type KeepDeps, type KeepOptions } from "./keep_offering.ts";
import { type FoundItem } from "./found_item.ts";
import { offerOf, problemOf, readOffering } from "./offering.ts";
import type { UpstreamReader } from "./reader.ts";
import { createSlots } from "./slots.ts";

export interface Discovery {
  /**
   * Reads a server now. While it is being read, all who ask get the reading behind that one.
   * Never rejects: the outcome says what went wrong.
   */
  readonly discover: (slugOrId: string) => Promise<Outcome>;
  /** From now on all servers are minded, as the catalog changes. */
  readonly start: () => void;
  /** Nothing is minded any more, until the next `start`. */
  readonly rest: () => void;
  /** Resolves when nothing is being read any more. To hurry it, close the reader. */
  readonly stop: () => Promise<void>;
  /**
   * What would be found; nothing is kept, nothing stays open.
   * @throws as `UpstreamReader.describe`
   */
  readonly test: (server: UpstreamServer) => Promise<Found>;
  readonly statusOf: (slugOrId: string) => UpstreamStatus;
  /** What is known of the server with this id by minding it. */
  readonly stateOf: (id: string) => MinderState | undefined;
}

export interface Found {
  readonly offer: Offer;
  readonly items: readonly {
    readonly kind: ItemKind;
    readonly upstreamName: string;
    readonly definition: string;
  }[];
  /** What is wrong although the server answers, as one sentence. */
  readonly problem: string | undefined;
}

export interface UpstreamStatus {
  /** `unknown` before the first reading has ended. */
  readonly status: "unknown" | "connected" | "unreachable" | "disabled";
  /** When it last answered, wall clock. */
  readonly lastSeenMs: number | undefined;
  /** What went wrong last, as one sentence; `undefined` when nothing did. */
  readonly lastError: string | undefined;
  readonly protocolRevision: string | undefined;
  readonly capabilities: Readonly<Record<string, unknown>> | undefined;
  readonly dropped: readonly Dropped[];
}

export interface DiscoveryDeps extends KeepDeps {
  readonly reader: UpstreamReader;
  readonly catalog: Catalog;
  readonly timers: Timers;
  /** At least 0 and less than 1, at random. */
  readonly random: () => number;
  /** Told when a server is not what it was: it fails, fails otherwise, or is well again. */
  readonly noted: (server: UpstreamServer, problem: string | undefined, error: unknown) => void;
  /** The server said that lists of these kinds have changed, and nothing in them has. */
  readonly unexplained: (upstreamId: string, kinds: readonly ItemKind[]) => void;
}

export interface DiscoveryOptions extends KeepOptions {
  /** Between two readings of a server that says nothing; give or take a tenth. */
  readonly intervalMs: number;
  /** After which no further page of a server is asked for. */
  readonly totalMs: number;
}

/** A server that takes longer has its place taken by others. */
const PATIENCE_MS = 2_000;

export function createDiscovery(deps: DiscoveryDeps, options: DiscoveryOptions): Discovery {
  const { catalog, reader, timers, clock, pace } = deps;
  const slots = createSlots(LIMITS.discoveriesAtOnce, PATIENCE_MS, timers);
  const minders = new Map<string, Minder>();
  let unfollow: (() => void) | undefined;
  let isStopped = false;
  /** Those that are not minded any more and still read. */
  const leaving = new Set<Promise<void>>();

  /** Minds the server as it is now; `undefined` when it is gone or disabled. */
  function minderOf(id: string): Minder | undefined {
    const server = catalog.upstream(id)?.server;
    const known = minders.get(id);
    if (known !== undefined && known.server === server && server.enabled) return known;
    if (known !== undefined) leave(id, known);
    if (server === undefined || !server.enabled || isStopped) return undefined;
    const minder = createMinder({ ...deps, slots } satisfies MinderDeps, options, server);
    minders.set(id, minder);
    return minder;
  }

  function leave(id: string, minder: Minder): void {
    minders.delete(id);
    const left = minder.leave().finally(() => leaving.delete(left));
    leaving.add(left);
  }

  function mind(id: string): void {
    const known = minders.get(id);
    const minder = minderOf(id);
    if (minder !== undefined && minder !== known) void minder.ask();
  }

  function rest(): void {
    unfollow?.();
    unfollow = undefined;
    for (const [id, minder] of minders) leave(id, minder);
  }

  return {
    async discover(slugOrId) {
      const shelf = catalog.upstream(slugOrId);
      // The key is the id, even where a slug is given.
      const minder = minderOf(shelf?.server.id ?? slugOrId);
      if (minder !== undefined) return await minder.ask();
      const status = shelf === undefined || isStopped ? "gone" : "disabled";
      return { status, hasChanged: false, problem: undefined };
    },
    start() {
      unfollow ??= catalog.follow(({ upstreams }) => {
        for (const id of upstreams) mind(id);
      });
      for (const { server } of catalog.upstreams()) mind(server.id);
    },
    rest,
    async stop() {
      isStopped = true;
      rest();
      await Promise.all(leaving);
    },
    async test(server) {
      try {
        const parts = { reader, pace, monotonic: clock.monotonic };
        const offering = await readOffering(parts, server, options.totalMs);
        return {
          offer: offerOf(offering, undefined, clock.now()),
          items: offering.readings.flatMap(({ kind, items }) =>
            items.map(({ name, definition }: FoundItem) => ({
              kind,
              upstreamName: name,
              definition,
            }))
          ),
          problem: problemOf(offering),
        };
      } finally {
        await reader.forget(server);
      }
    },
    statusOf(slugOrId) {
      const shelf = catalog.upstream(slugOrId);
      return statusOf(shelf, shelf && minders.get(shelf.server.id)?.state());
    },
    stateOf: (id) => minders.get(id)?.state(),
  };
}

/** @param state `undefined` while it is not minded */
export function statusOf(
  shelf: Shelf | undefined,
  state: MinderState | undefined,
): UpstreamStatus {
  const offer = shelf?.offer;
  const { status, lastSeenMs, lastError } = state ?? NOTHING_KNOWN;
  return {
    status: shelf?.server.enabled === false ? "disabled" : status,
    lastSeenMs: lastSeenMs ?? offer?.discoveredMs,
    lastError,
    protocolRevision: offer?.revision,
    capabilities: offer?.capabilities,
    dropped: offer?.dropped ?? [],
  };
}

const NOTHING_KNOWN = { status: "unknown", lastSeenMs: undefined, lastError: undefined } as const;
