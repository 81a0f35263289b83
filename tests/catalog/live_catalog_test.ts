/**
 * The catalog of a process beside changes that are heard of at the wrong moment.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createLiveCatalog } from "../../src/catalog/live_catalog.ts";
import { fakeClock, fakeTimers } from "../support/fake_clock.ts";
import { anUpstream, createMemoryTables } from "../support/memory_catalog.ts";

Deno.test("what the config file names is shown, also when its row is heard of while it is made", async () => {
  const clock = fakeClock();
  const tables = createMemoryTables(clock.now);
  let hear = () => {};
  const heard = {
    ...tables,
    upstreams: {
      ...tables.upstreams,
      async create(...row: Parameters<typeof tables.upstreams.create>) {
        const made = await tables.upstreams.create(...row);
        hear();
        // Until it has been read.
        await new Promise((resolve) => setTimeout(resolve, 5));
        return made;
      },
    },
  };
  const catalog = await createLiveCatalog({
    tables: heard,
    timers: fakeTimers(clock),
    follow(changed) {
      hear = changed;
      return () => {};
    },
    failed(what, error) {
      throw new Error(what, { cause: error });
    },
  }, { pollMs: undefined });

  await catalog.declare({
    upstreams: [anUpstream({ name: "alpha", slug: "alpha" })],
    servers: [],
  });

  assertEquals(catalog.upstreams().map(({ server }) => server.slug), ["alpha"]);
});
