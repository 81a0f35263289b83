/**
 * The gateway's own client at servers that are child processes.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert/strict";
import { openOwnWorld } from "../../support/own_world.ts";
import { everything, openStdioWorld } from "../../support/stdio.ts";
import { until } from "../../support/until.ts";

function openWorld(era: "modern" | "legacy") {
  const stack = new AsyncDisposableStack();
  const stdio = stack.use(openStdioWorld());
  const { reader } = stack.use(openOwnWorld({ stdio: stdio.client, firstByteMs: 20_000 }));
  return {
    stdio,
    reader,
    server: everything(era),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

for (const [era, revision] of [["modern", "2026-07-28"], ["legacy", "2025-11-25"]] as const) {
  Deno.test(`a ${era} program is described, read and pinged`, async () => {
    await using world = openWorld(era);
    assertEquals((await world.reader.describe(world.server)).revision, revision);
    const page = await world.reader.page(world.server, "tool", undefined);
    assert((page?.items.length ?? 0) > 0);
    await world.reader.ping(world.server);
  });
}

Deno.test("forgetting a program with a session ends it", async () => {
  await using world = openWorld("legacy");
  await world.reader.describe(world.server);
  await world.reader.forget(world.server);
  await until("the end", () => world.stdio.pids.every((pid) => !isAlive(pid)));
});

function isAlive(pid: number): boolean {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/stat`).split(" ")[2] !== "Z";
  } catch {
    return false;
  }
}
