/**
 * F60 to F63, F68: clients that leave, come back, cancel or ask twice, each through another replica
 * than before.
 *
 * @module
 * @see security.md, section 5.5; docs/decisions/0009-noticing-that-a-client-left.md
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert/strict";
import { openApi } from "../support/api_client.ts";
import { descriptorsBack, openDescriptors } from "../support/file_descriptors.ts";
import { figure, percentile } from "../support/figures.ts";
import {
  entryOf,
  type Fleet,
  isGood,
  longTest,
  openFleet,
  pathOf,
  pause,
} from "../support/fleet.ts";
import { IS_LONG } from "../support/long.ts";
import { callModern, type Message } from "../support/modern.ts";
import { openModern, responseOf } from "../support/open_reply.ts";
import { replicasTest } from "../support/replicas.ts";
import { type Scripted, startScripted } from "../support/scripted.ts";
import { seeded } from "../support/seeded.ts";
import { lastEventId, messagesIn, type Session, toolCall } from "../support/session_client.ts";
import { type Handle, type Stand, startShelfServer } from "../support/shelf_server.ts";
import { aTool } from "../support/shelf_world.ts";
import { until } from "../support/until.ts";

const CYCLES = IS_LONG ? 1_000 : 20;
const AT_ONCE = 10;
const RACES = Number(Deno.env.get("RACES") ?? (IS_LONG ? 2_000 : 50));
/** An answer comes within this time, a cancellation somewhere in it. */
const RACE_MS = 60;
const SOON = "at most 500";

interface World extends AsyncDisposable {
  readonly fleet: Fleet;
  /** The server behind `modern`, and behind `session`. */
  readonly modern: Stand;
  readonly session: Stand;
  /** Never answers a call. */
  readonly held: Scripted;
}

let opened: Promise<World> | undefined;

/** The same for all tests of this file. */
function world(): Promise<World> {
  return opened ??= openWorld();
}

Deno.test.afterAll(async () => await (await opened)?.[Symbol.asyncDispose]());

async function openWorld(): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const shelf = stack.use(startShelfServer());
  const modern = shelf.stand("modern", { tools: [aTool("t")], era: "modern" });
  const session = shelf.stand("session", { tools: [aTool("t")], era: "session" });
  const held = stack.use(
    await startScripted(({ rpc }) =>
      rpc.method === "tools/call" ? { bytes: "", then: "hold" } : undefined
    ),
  );
  const fleet = stack.use(
    await openFleet({
      count: IS_LONG ? 3 : 2,
      servers: {
        modern: { type: "http", url: modern.url },
        session: { type: "http", url: session.url },
        held: entryOf(held.origin),
      },
      env: { SESSIONS_PER_PRINCIPAL: "1000", UPSTREAM_CONCURRENCY: "1000" },
    }),
  );
  const kept = stack.move();
  return { fleet, modern, session, held, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Answers when it is told to; what it is asked is counted. */
function holding() {
  const release = Promise.withResolvers<void>();
  const leftMs: number[] = [];
  let calls = 0;
  const handle: Handle = async (_seen, line) => {
    calls++;
    void line.left.then(() => leftMs.push(performance.now()));
    await Promise.race([release.promise, line.left]);
    return { content: [{ type: "text", text: "done" }] };
  };
  return { handle, release: release.resolve, leftMs, calls: () => calls };
}

longTest(
  "F60: a call whose client leaves is given up at its server, and nothing is left of it",
  async () => {
    const { fleet, held: server } = await world();
    const call = { path: pathOf("held"), token: fleet.token, params: { name: "t", arguments: {} } };
    const api = await openApi(() => fleet.origin);
    // What there is to be opened is open then.
    await Promise.all(Array.from({ length: 20 }, () => fleet.call("session", "t")));
    const base = await Promise.all(fleet.replicas.map(({ pid }) => openDescriptors(pid())));
    const took: number[] = [];
    for (let made = 0; made < CYCLES; made += AT_ONCE) {
      const replies = await Promise.all(
        Array.from({ length: AT_ONCE }, () => openModern(fleet.origin, call)),
      );
      await until("the calls", () => server.requests.length === made + AT_ONCE);
      const startMs = performance.now();
      for (const reply of replies) reply.close();
      await until("the server to know", () => server.givenUp() === made + AT_ONCE);
      took.push(performance.now() - startMs);
    }
    figure(
      "F60",
      `${CYCLES} clients leave, ${AT_ONCE} at once: their server knows, p99`,
      percentile(took, 99),
      SOON,
      " ms",
    );
    figure("F60", "at the latest", Math.max(...took), SOON, " ms");
    await Promise.all(
      fleet.replicas.map(({ pid }, nth) => descriptorsBack(pid(), base[nth]! + SPARE)),
    );
    const said = await until("what is recorded", async () => {
      const records = await api.all("/audit?outcome=cancelled");
      return records.length >= CYCLES && records.length;
    });
    figure("F60", "calls that the audit trail calls cancelled", said, String(CYCLES));
    assertEquals(said, CYCLES);
  },
);

/** Connections to the database and between calls, which come and go. */
const SPARE = 12;

replicasTest(
  "F61: a call of a session goes on without its client, and is told when it is back",
  async () => {
    const { fleet, session: stand } = await world();
    const { handle, release, leftMs, calls } = holding();
    stand.on("tools/call", async (seen, line) => {
      line.notify("notifications/progress", { progressToken: token(seen.params), progress: 1 });
      return await handle(seen, line);
    });
    const [a, b] = fleet.replicas;
    await using session = (await fleet.open("session")).at(a!.origin);
    const call = await session.open(toolCall("t", {}, "mine"));
    await until("an event", () => call.messages()[0]);
    call.close();
    await pause(500);
    assertEquals([calls(), leftMs.length], [1, 0]);
    release();
    using again = await session.at(b!.origin).listen(lastEventId(call.events().slice(0, 1)));
    const response = await responseOf(again);
    stand.reset();
    const said = messagesIn(again.events()).length;
    figure("F61", "client left, result replayed at another replica: messages", said, "2");
    assert("result" in response);
  },
);

replicasTest("F62: what is cancelled at another replica is given up", async () => {
  const { fleet, session: stand } = await world();
  const took: number[] = [];
  const [a, b] = fleet.replicas;
  await using session = (await fleet.open("session")).at(a!.origin);
  for (let i = 0; i < 20; i++) {
    const { handle, leftMs, calls } = holding();
    stand.on("tools/call", handle);
    const told = stand.requestsOf("notifications/cancelled").length;
    using _call = await session.open({ ...toolCall("t"), idText: `"slow-${i}"` });
    await until("the call", () => calls() === 1);
    const startMs = performance.now();
    await session.at(b!.origin).notify("notifications/cancelled", { requestId: `slow-${i}` });
    await until(
      "the server to know",
      () => leftMs.length > 0 || stand.requestsOf("notifications/cancelled").length > told,
    );
    took.push(performance.now() - startMs);
  }
  stand.reset();
  figure(
    "F62",
    "cancelled elsewhere: the server knows after, at the latest",
    Math.max(...took),
    SOON,
    " ms",
  );
});

longTest(
  `F63: of ${RACES} cancellations that race with the answer each has one outcome`,
  async () => {
    const { fleet, session: stand } = await world();
    const random = seeded("races");
    const arrived = new Map<string, () => void>();
    const isCancelled = cancellationsAt(stand);
    // As servers do: who has cancelled is not answered.
    stand.on("tools/call", async ({ params, message }, line) => {
      arrived.get(String((params.arguments as Message).race))!();
      const endMs = performance.now() + random.below(RACE_MS);
      while (performance.now() < endMs) {
        if (isCancelled(message.id)) await line.left;
        await pause(2);
      }
      return { content: [{ type: "text", text: "done" }] };
    });
    const [a, b] = fleet.replicas;
    const sessions = await Promise.all(Array.from({ length: 10 }, () => fleet.open("session")));
    const counts = { answered: 0, cancelled: 0, other: 0 };
    let made = 0;
    await Promise.all(sessions.map(async (session) => {
      while (
        made++ < RACES
      ) counts[await raced(session.at(a!.origin), b!.origin, `race-${made}`, arrived)]++;
      // Whatever became of them, the session is as it was.
      assertEquals((await session.send({ method: "tools/list" })).status, 200);
      await session.end();
    }));
    stand.reset();
    figure(
      "F63",
      `${RACES} races: answered`,
      counts.answered,
      `${counts.cancelled} were cancelled`,
    );
    figure("F63", "with another outcome, or two", counts.other, "0");
    assertEquals(counts.other, 0);
  },
);

/** Whether the server has been told that a request is cancelled. */
function cancellationsAt({ requests }: Stand) {
  const cancelled = new Set<unknown>();
  let read = 0;
  return (id: unknown) => {
    for (; read < requests.length; read++) {
      const { method, params } = requests[read]!;
      if (method === "notifications/cancelled") cancelled.add(params.requestId);
    }
    return cancelled.has(id);
  };
}

async function raced(
  session: Session,
  elsewhere: string,
  race: string,
  arrived: Map<string, () => void>,
) {
  const { promise, resolve } = Promise.withResolvers<void>();
  arrived.set(race, resolve);
  const call = await session.open({ ...toolCall("t", { race }), idText: `"${race}"` });
  await promise;
  arrived.delete(race);
  await session.at(elsewhere).notify("notifications/cancelled", { requestId: race });
  await until("its end", call.ended);
  const answers = call.messages().filter((one) => "result" in one || "error" in one);
  if (answers.length === 0) return "cancelled";
  return answers.length === 1 && "result" in answers[0]! ? "answered" : "other";
}

replicasTest(
  "F68: the same id twice is refused in a session, and two calls without one",
  async () => {
    const { fleet, modern, session: stand } = await world();
    const [a, b] = fleet.replicas;
    const inSession = holding();
    stand.on("tools/call", inSession.handle);
    await using session = (await fleet.open("session")).at(a!.origin);
    const first = await session.open({ ...toolCall("t"), idText: "7" });
    await until("the first", () => inSession.calls() === 1);
    const second = await session.at(b!.origin).send({ ...toolCall("t"), idText: "7" });
    assertEquals([second.status, (second.response.error as Message).code], [400, -32600]);
    inSession.release();
    await responseOf(first);
    figure("F68", "same id in a session while it runs: executions", inSession.calls(), "1");

    const alone = holding();
    modern.on("tools/call", alone.handle);
    const call = {
      path: pathOf("modern"),
      token: fleet.token,
      params: { name: "t", arguments: {} },
    };
    const both = fleet.replicas.slice(0, 2).map(({ origin }) => callModern(origin, call));
    await until("both", () => alone.calls() === 2);
    alone.release();
    assertEquals((await Promise.all(both)).map(isGood), [true, true]);
    figure("F68", "same id without a session: independent executions", alone.calls(), "2");
    stand.reset();
    modern.reset();
  },
);

function token(params: Message): Message[string] {
  return (params._meta as Message).progressToken!;
}
