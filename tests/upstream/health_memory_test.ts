/**
 * Servers come and go while the gateway runs: what was known of those that are gone is gone too.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { UpstreamServer } from "../../src/domain/server.ts";
import { createProber } from "../../src/upstream/prober.ts";
import { anUpstream } from "../support/memory_catalog.ts";
import { aRequest, healthWorld } from "./health_world.ts";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

Deno.test("nothing is kept of servers that are gone", async () => {
  const world = healthWorld({ isProbed: true });
  const { guarded, clock, timers } = world;
  const servers = new Set<UpstreamServer>();
  const ping = async (server: UpstreamServer) =>
    void await guarded.send(server, aRequest({ caller: "" }));
  const options = { intervalMs: 1_000, deadlineMs: 500 };
  const random = () => 0.5;
  const prober = createProber(
    { guarded, ping, servers: () => servers, clock, timers, random },
    options,
  );
  prober.start();

  async function comeAndGo(): Promise<WeakRef<UpstreamServer>> {
    const server = anUpstream();
    servers.add(server);
    await world.open();
    for (let i = 0; i < 5; i++) await world.outcome({}, server);
    timers.advance(5_000);
    await setImmediate();
    servers.delete(server);
    return new WeakRef(server);
  }

  const gone = [];
  for (let i = 0; i < 20; i++) gone.push(await comeAndGo());
  timers.advance(10_000);
  await setImmediate();
  collectGarbage();
  await setImmediate();
  collectGarbage();
  assertEquals(gone.filter((ref) => ref.deref() !== undefined).length, 0);
  prober.stop();
});
