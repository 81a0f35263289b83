/**
 * A discovery over fake servers, a catalog in memory, and time that a test moves by hand.
 *
 * @module
 */
import { createDiscovery, type Discovery } from "../../src/catalog/discovery.ts";
import type { ItemKind } from "../../src/domain/item.ts";
import type { UpstreamServer } from "../../src/domain/server.ts";
import { createPace } from "../../src/platform/pace.ts";
import type { ItemRow } from "../../src/storage/catalog_tables.ts";
import { type FakeClock, fakeClock, type FakeTimers, fakeTimers } from "./fake_clock.ts";
import { createFakeReader, type FakeOffer, type FakeReader, turnsPass } from "./fake_reader.ts";
import { anUpstream, createMemoryCatalog, type MemoryCatalog } from "./memory_catalog.ts";

export interface DiscoveryWorld {
  readonly reader: FakeReader;
  readonly catalog: MemoryCatalog;
  readonly discovery: Discovery;
  readonly clock: FakeClock;
  readonly timers: FakeTimers;
  readonly unexplained: { readonly id: string; readonly kinds: readonly ItemKind[] }[];
  readonly problems: (string | undefined)[];
  /** Names of what a server offers and what is not hidden, in order. */
  readonly shown: (name: string, kind?: ItemKind) => string[];
  readonly item: (name: string, upstreamName: string) => ItemRow;
  /** Moves time, and lets everything happen that falls due. */
  readonly pass: (ms: number) => Promise<void>;
}

export const INTERVAL_MS = 300_000;
export const GRACE_MS = 3_600_000;

/** Upstream servers by name, with what they offer; `id-of-<name>` are their ids. */
export async function openDiscoveryWorld(
  offers: Readonly<Record<string, FakeOffer>>,
  servers: readonly UpstreamServer[] = Object.keys(offers).map((name) => anUpstream({ name })),
): Promise<DiscoveryWorld> {
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  const reader = createFakeReader(offers);
  const catalog = await createMemoryCatalog(servers);
  const unexplained: { id: string; kinds: readonly ItemKind[] }[] = [];
  const problems: (string | undefined)[] = [];
  let lastId = 0;
  const discovery = createDiscovery({
    reader,
    catalog,
    tables: catalog.tables,
    clock,
    timers,
    // Work that goes on forever within its first slice: time passes between turns only.
    pace: createPace(() => 0),
    random: () => 0.5,
    newId: () => `item-${++lastId}`,
    noted: (_server, problem) => void problems.push(problem),
    unexplained: (id, kinds) => void unexplained.push({ id, kinds }),
  }, { separator: "-", intervalMs: INTERVAL_MS, graceMs: GRACE_MS, totalMs: 60_000 });
  const itemsOf = (name: string) => catalog.upstream(`id-of-${name}`)?.items ?? [];
  return {
    reader,
    catalog,
    discovery,
    clock,
    timers,
    unexplained,
    problems,
    shown: (name, kind = "tool") =>
      itemsOf(name)
        .filter((item) => item.kind === kind && item.missingSinceMs === undefined)
        .map(({ upstreamName }) => upstreamName),
    item(name, upstreamName) {
      const found = itemsOf(name).find((item) => item.upstreamName === upstreamName);
      if (found === undefined) throw new Error(`There is no item "${upstreamName}"`);
      return found;
    },
    async pass(ms) {
      await turnsPass();
      timers.advance(ms);
      await turnsPass();
    },
  };
}
