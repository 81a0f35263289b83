/**
 * The event store in memory.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createMemoryStore } from "../../src/events/memory_store.ts";
import { eventStoreContract } from "../contract/event_store.ts";
import { ROOMY, shortcuts } from "../contract/event_store/case.ts";
import { fakeClock } from "../support/fake_clock.ts";

eventStoreContract("memory", (options, clock) => {
  const store = createMemoryStore(options, { clock });
  return { ...store, [Symbol.dispose]: store.close };
});

Deno.test("memory: too much is not held even until the next sweep", async () => {
  const bounds = { ...ROOMY, totalBytesMax: 50_000 };
  const { store, open, end } = shortcuts(createMemoryStore(bounds, { clock: fakeClock() }));
  for (const id of ["s", "t", "u"]) {
    await open(id);
    await end(id, "x".repeat(20_000));
  }
  const states = await Promise.all(["s", "t", "u"].map((id) => store.find(id)));
  assertEquals(states.map((state) => state?.lastSeq), [undefined, 1, 1]);
});
