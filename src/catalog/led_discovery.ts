/**
 * Discovery for several replicas: one of them minds the servers, the others ask it. When it dies,
 * another one begins.
 *
 * @module
 * @see design.md, "Sessions belong to no replica, running calls do"
 */
import type { Claims } from "../events/claims.ts";
import type { Remote } from "../events/remote.ts";
import { repeat } from "../platform/again.ts";
import type { Timers } from "../platform/timers.ts";
import type { Catalog } from "./catalog.ts";
import { type Discovery, statusOf, type UpstreamStatus } from "./discovery.ts";
import type { MinderState, Outcome } from "./minder.ts";

export interface LedDiscoveryDeps {
  readonly discovery: Discovery;
  readonly claims: Claims;
  readonly remote: Remote;
  readonly timers: Timers;
  readonly catalog: Catalog;
  readonly failed: (error: unknown) => void;
}

const CLAIM = "discovery";
const DISCOVER = "read a server";
const STATES = "how servers are";
const LOOK_MS = 1_000;

type States = Readonly<Record<string, MinderState>>;

/** What came of it, and how the server with this id is. */
interface Read {
  readonly outcome: Outcome;
  readonly id: string;
  readonly state: MinderState | undefined;
}

export function createLedDiscovery(deps: LedDiscoveryDeps): Discovery {
  const { discovery, claims, remote, timers, catalog } = deps;
  let leader: string | undefined;
  let states: States = {};
  let stopLooking = () => {};

  async function look(): Promise<void> {
    try {
      const taken = await claims.take(CLAIM, lost);
      const next = typeof taken === "string" ? taken : remote.self;
      if (next === remote.self && leader !== next) discovery.start();
      leader = next;
      if (next !== remote.self) {
        states = (await remote.tell(next, STATES, { about: undefined }))?.about as States;
      }
    } catch (error) {
      deps.failed(error);
    }
  }

  /** Another replica may mind the servers by now. */
  function lost(): void {
    leader = undefined;
    discovery.rest();
  }

  remote.serve(DISCOVER, async function* ({ about }) {
    // The server may have been made a moment ago.
    await catalog.refresh();
    const outcome = await discovery.discover(about as string);
    const id = catalog.upstream(about as string)?.server.id ?? "";
    yield { about: { outcome, id, state: discovery.stateOf(id) } satisfies Read };
  });

  remote.serve(STATES, async function* () {
    const all = catalog.upstreams().map(({ server: { id } }) => [id, discovery.stateOf(id)]);
    yield { about: Object.fromEntries(all) };
  });

  return {
    ...discovery,
    start() {
      void look();
      stopLooking = repeat(timers, LOOK_MS, look);
    },
    async stop() {
      stopLooking();
      await discovery.stop();
    },
    async discover(slugOrId) {
      if (leader === undefined || leader === remote.self) return await discovery.discover(slugOrId);
      try {
        const told = await remote.tell(leader, DISCOVER, { about: slugOrId });
        const { outcome, id, state } = told!.about as Read;
        states = { ...states, ...state && { [id]: state } };
        await catalog.refresh();
        return outcome;
      } catch (error) {
        deps.failed(error);
        return await discovery.discover(slugOrId);
      }
    },
    stateOf: (id) => leader === remote.self ? discovery.stateOf(id) : states[id],
    statusOf(slugOrId): UpstreamStatus {
      if (leader === remote.self) return discovery.statusOf(slugOrId);
      const shelf = catalog.upstream(slugOrId);
      return statusOf(shelf, shelf && states[shelf.server.id]);
    },
  };
}
