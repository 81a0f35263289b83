/**
 * F65: many sessions, each with a stream on which nothing comes, over three replicas: what they cost
 * in Redis and in the replicas.
 *
 * `SESSIONS=10000` for all that is asked.
 *
 * @module
 * @see security.md, F65; issue "Many replicas", "Bars"
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert/strict";
import { processRssBytes } from "../bench/proc.ts";
import { figure, percentile, timed } from "../support/figures.ts";
import { type Fleet, longTest, openFleet, pause } from "../support/fleet.ts";
import { type OpenReply, statusOf } from "../support/open_reply.ts";
import { denoRun, startProgram } from "../support/program.ts";
import type { Session } from "../support/session_client.ts";
import { until } from "../support/until.ts";

const SESSIONS = Number(Deno.env.get("SESSIONS") ?? 300);
const AT_ONCE = 50;
const REDIS_BYTES_MAX = 4096;
const KIBIBYTE = 1024;
/** What there is to be made once is made by these. */
const FIRST = 50;

const BYTES = `local sum = 0
for _, key in ipairs(redis.call('keys', '*')) do sum = sum + redis.call('memory', 'usage', key) end
return sum`;

longTest(`F65: ${SESSIONS} sessions with idle streams over three replicas`, async () => {
  // A process of its own: each session is a connection there as well.
  await using server = startProgram([], { deno: denoRun(["-A"], "tests/support/idle_server.ts") });
  const most = String(2 * (SESSIONS + FIRST));
  await using fleet = await openFleet({
    servers: { idle: { type: "http", url: await server.listening() } },
    env: { SESSIONS_PER_PRINCIPAL: most, STREAMS_PER_PRINCIPAL: most },
  });
  const { replicas } = fleet;
  const streams: OpenReply[] = [];
  const sessions: Session[] = [];
  let refusals = 0;
  // 503 with Retry-After, where the machine does not keep up.
  const refused = (why: unknown) => {
    refusals++;
    assert(String(why).includes('"retryable":true'), String(why));
    return undefined;
  };
  const open = async (count: number) => {
    for (let made = 0; made < count; made += AT_ONCE) {
      await Promise.all(
        Array.from({ length: Math.min(AT_ONCE, count - made) }, async (_, i) => {
          const session = await until("a session", () => fleet.open("idle").catch(refused), 60_000);
          // Past the balancer, which would need two more connections for each.
          const { origin } = replicas[i % replicas.length]!;
          const stream = await until("its stream", async () => {
            const stream = await session.at(origin).listen();
            return await statusOf(stream, 60_000) === 200 ? stream : refused(stream.text());
          }, 60_000);
          sessions.push(session);
          streams.push(stream);
        }),
      );
    }
    await pause(3_000);
    return await held(fleet);
  };
  const before = await open(FIRST);
  const after = await open(SESSIONS);
  const perSession = (what: keyof typeof before) => (after[what] - before[what]) / SESSIONS;
  const bar = `under ${REDIS_BYTES_MAX}`;
  figure(
    "F65",
    `${SESSIONS} idle sessions: in Redis, each by its keys`,
    perSession("keyBytes"),
    bar,
    " bytes",
  );
  figure("F65", "by what Redis uses", perSession("usedBytes"), bar, " bytes");
  figure("F65", "in all replicas, each", perSession("rssBytes") / KIBIBYTE, "under 40", " KiB");
  for (const [nth, { pid }] of replicas.entries()) {
    figure("F65", `replica ${nth}`, processRssBytes(pid()) / KIBIBYTE / KIBIBYTE, "", " MiB");
  }
  figure("F65", "refused for a moment while they were opened", refusals, "told to come again");
  const took: number[] = [];
  for (let i = 0; i < 300; i++) {
    const session = sessions[(i * 7) % sessions.length]!.at(fleet.origin);
    took.push(
      await timed(async () =>
        assertEquals((await session.send({ method: "tools/list" })).status, 200)
      ),
    );
  }
  figure("F65", "p99 of lists meanwhile", percentile(took, 99), "at most 300", " ms");
  assertEquals(streams.filter((stream) => stream.ended() !== undefined).length, 0);
  for (const stream of streams) stream.close();
  assert(perSession("keyBytes") < REDIS_BYTES_MAX);
});

async function held({ redis, replicas }: Fleet) {
  const [, used] = /^used_memory:(\d+)/m.exec(await redis.cli("info", "memory"))!;
  return {
    keyBytes: Number(await redis.cli("eval", BYTES, "0")),
    usedBytes: Number(used),
    rssBytes: replicas.reduce((sum, { pid }) => sum + processRssBytes(pid()), 0),
  };
}
