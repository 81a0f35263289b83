/**
 * F21, F44: Redis is killed, and all replicas are restarted one after the other, while a crowd calls
 * in both eras.
 *
 * `ROLLING_REQUESTS` says how many requests there are to be while replicas are restarted.
 *
 * @module
 * @see security.md, F21, F23, F44; issue "Many replicas"
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert/strict";
import type { CrowdSession, Outcome } from "../support/crowd_client.ts";
import {
  errorsOf,
  failedByGateways,
  isOk,
  type Member,
  openCrowdWorld,
  REPLICAS,
  shareOf,
  startTraffic,
} from "../support/crowd_world.ts";
import { figure, timed } from "../support/figures.ts";
import { longTest, pause } from "../support/fleet.ts";
import { IS_LONG } from "../support/long.ts";
import { replicasTest } from "../support/replicas.ts";
import { until } from "../support/until.ts";

const MEMBERS = 40;
const PER_SECOND = 200;
const BEFORE_MS = 1_000;
/** How long Redis is away. */
const AWAY_MS = IS_LONG ? 10_000 : 3_000;
/** In the short form, less than where a balancer looks every few seconds. */
const DRAIN = IS_LONG ? "5s" : "2s";
/** All replicas are restarted, again and again until there were so many. */
const ROLLING_REQUESTS = Number(Deno.env.get("ROLLING_REQUESTS") ?? 0);
/** Of calls that must not fail: a machine that does not keep up fails some, in time and with a word. */
const FAILED_MAX = 0.1;

replicasTest(
  `F44: replicas are restarted one after the other at ${PER_SECOND} requests/s`,
  async () => {
    await using world = await openCrowdWorld({ members: MEMBERS, env: { DRAIN_DELAY: DRAIN } });
    const { balancer, replicas } = world;
    const traffic = startTraffic(world.members, PER_SECOND);
    const { modern, inSession } = traffic;
    const codes: number[] = [];
    const ms = await timed(async () => {
      do {
        for (const replica of replicas) {
          codes.push(await replica.stop());
          await replica.start();
          await until("it to be in use", () => balancer.inUse().length === REPLICAS, 60_000);
        }
      } while (modern.length + inSession.length < ROLLING_REQUESTS);
    });
    await traffic.end();
    const failed = [...modern, ...inSession].filter((one) => !isOk(one));
    const count = modern.length + inSession.length;
    figure("F44", `requests during ${Math.round(ms / 1000)} s`, count, "half of them in sessions");
    figure("F44", "replicas restarted", codes.length, "one after the other");
    figure("F44", "failed", failed.length, "0");
    console.log(`F44  errors: ${errorsOf(failed)}`);
    figure("F44", "wrong answers", world.findings().length, "0");
    assertEquals(world.findings().slice(0, 20), []);
    assertEquals(new Set(codes), new Set([0]));
    assertEquals(world.members.filter(({ session }) => session.isLost()), []);
    assert(failedByGateways(failed).length <= FAILED_MAX * count, errorsOf(failed));
  },
);

longTest("F21, F23: Redis is killed in traffic, and comes back empty", async () => {
  await using world = await openCrowdWorld({ members: MEMBERS });
  const { redis, members } = world;
  const traffic = startTraffic(members, PER_SECOND);
  await pause(BEFORE_MS);
  const killedMs = performance.now();
  await redis.kill();
  await pause(AWAY_MS);
  const backMs = performance.now();
  await redis.start();
  await Promise.all(members.map(usedAgain));
  const againMs = performance.now() - backMs;
  await traffic.end();
  const { modern, inSession } = traffic;
  const isAway = ({ sentMs }: Outcome) => sentMs >= killedMs && sentMs < backMs;
  const refused = inSession.filter((one) => isAway(one) && one.error === "-31001");
  const first = Math.min(...refused.map(({ endedMs }) => endedMs - killedMs));
  const longest = Math.max(
    ...[...modern, ...inSession].filter(isAway).map(({ sentMs, endedMs }) => endedMs - sentMs),
  );
  figure(
    "F21",
    `success of ${modern.length} calls without a session`,
    shareOf(modern),
    "at least 99.9",
    " %",
  );
  console.log(`F21  errors without a session: ${errorsOf(modern)}`);
  console.log(`F21  errors in sessions: ${errorsOf(inSession)}`);
  figure("F21", "first 503 of a session after", first, "at most 1000", " ms");
  figure(
    "F21",
    "503 with Retry-After",
    100 * refused.filter(({ retryAfter }) => retryAfter !== undefined).length / refused.length,
    "100",
    " %",
  );
  figure("F21", "longest answer while it is away", longest, "at most 2000", " ms");
  figure("F23", "all clients work again after", againMs, "at most 10000", " ms");
  figure("F21", "wrong answers", world.findings().length, "0");
  assertEquals(world.findings().slice(0, 20), []);
  assert(refused.length > 0 && refused.every(({ retryAfter }) => retryAfter !== undefined));
  assert(failedByGateways(modern).length <= FAILED_MAX * modern.length, errorsOf(modern));
});

/** As a client does that is told that its session is over. */
async function usedAgain({ session, reopen }: Member): Promise<void> {
  let now: CrowdSession = session;
  await until("a session that can be used", async () => {
    if (now.isLost()) now = await reopen();
    return isOk(await now.call({ tool: "echo", ms: 0 }));
  }, 60_000);
}
