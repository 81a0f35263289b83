/**
 * The gateway's own client at servers that take requests and do not answer: whoever forgets them
 * does not wait for them, and leaves nothing behind.
 *
 * @module
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import { openOwnWorld } from "../../support/own_world.ts";
import { hold } from "../../support/scripted_handlers.ts";
import {
  type SessionScript,
  type Slot,
  slotPath,
  startScriptedSessions,
} from "../../support/scripted_session_server.ts";
import { until } from "../../support/until.ts";

/** So that seconds of waiting are milliseconds. */
const HASTE = 100;
/** Longer than a test may take. */
const NEVER_MS = HASTE * 60_000;
const FORGOTTEN = /not read any more/;

async function openWorld(script: (slot: Slot) => SessionScript) {
  const stack = new AsyncDisposableStack();
  const sessions = stack.use(await startScriptedSessions());
  const world = stack.use(openOwnWorld({ haste: HASTE, firstByteMs: NEVER_MS }));
  const slot = sessions.play((slot) => ({
    "server/discover": (_request, reply) => reply.empty(404),
    ...script(slot),
  }));
  return {
    ...world,
    slot,
    server: world.at(`${sessions.origin}${slotPath(slot.number)}`),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

for (const method of ["server/discover", "initialize", "notifications/initialized", "ping"]) {
  Deno.test(`a server that is silent at ${method} can be forgotten`, async () => {
    await using world = await openWorld(() => ({ [method]: () => {} }));
    const described = describedTwice(world);
    await world.slot.arrival(method);
    await Promise.all([
      assertRejects(described, FORGOTTEN),
      world.reader.forget(world.server),
    ]);
  });

  Deno.test(`a server that is silent at ${method} does not hold up closing`, async () => {
    await using world = await openWorld(() => ({ [method]: () => {} }));
    const described = describedTwice(world);
    await world.slot.arrival(method);
    await Promise.all([assertRejects(described, FORGOTTEN), world.reader.close()]);
  });
}

Deno.test("a session that is opened after its server was forgotten is ended", async () => {
  let release!: () => void;
  await using world = await openWorld((slot) => {
    const held = hold(slot.usual);
    release = held.release;
    return { initialize: held.handler };
  });
  const described = world.reader.describe(world.server);
  await world.slot.arrival("initialize");
  await Promise.all([assertRejects(described, FORGOTTEN), world.reader.forget(world.server)]);
  release();
  await world.slot.arrival("DELETE");
  await until("the end of the session", () => world.slot.sessions.size === 0);
  assertEquals(world.slot.requestsOf("initialize").length, 1);
});

/** The second time in the session that there is. */
async function describedTwice({ reader, server }: Awaited<ReturnType<typeof openWorld>>) {
  await reader.describe(server);
  await reader.describe(server);
}
