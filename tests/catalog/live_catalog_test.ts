/**
 * The catalog of a replica that starts together with others.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createLiveCatalog } from "../../src/catalog/live_catalog.ts";
import type { CatalogTables } from "../../src/storage/catalog_tables.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";
import { anUpstream, aVirtualServer, createMemoryTables } from "../support/memory_catalog.ts";
import { until } from "../support/until.ts";

const DECLARATIONS = {
  upstreams: [anUpstream({ name: "alpha" }), anUpstream({ name: "beta" })],
  servers: [aVirtualServer({ name: "ops" })],
};

/** Tables that let `changed` do its work after each row that is made. */
function hastened(tables: CatalogTables, changed: () => Promise<void>): CatalogTables {
  const { upstreams, servers } = tables;
  return {
    ...tables,
    upstreams: {
      ...upstreams,
      create: (row) => upstreams.create(row).finally(changed),
    },
    servers: {
      ...servers,
      create: (row) => servers.create(row).finally(changed),
    },
  };
}

Deno.test("declare() knows what it names when the change log was looked at in the middle of it", async () => {
  let look = () => {};
  let looks = 0;
  const plain = createMemoryTables();
  const tables = hastened({
    ...plain,
    changes: {
      ...plain.changes,
      since: (revision) => plain.changes.since(revision).finally(() => looks++),
    },
  }, async () => {
    const before = looks;
    look();
    // With changes, and once more for those that come after them.
    await until("a look", () => looks >= before + 2);
  });
  const catalog = await createLiveCatalog({
    tables,
    timers: fakeTimers(fakeClock()),
    follow: (changed) => {
      look = changed;
      return () => {};
    },
    failed: (what, cause) => {
      throw new Error(what, { cause });
    },
  }, { pollMs: undefined });
  const told: string[] = [];
  catalog.follow(({ upstreams }) => told.push(...upstreams));

  await catalog.declare(DECLARATIONS);

  assertEquals(catalog.upstreams().map(({ server }) => server.slug), ["alpha", "beta"]);
  assertEquals(catalog.servers().map(({ server }) => server.slug), ["ops"]);
  assertEquals(
    new Set(catalog.upstreams().map(({ server }) => server.id)).isSubsetOf(new Set(told)),
    true,
  );
  catalog.close();
});
