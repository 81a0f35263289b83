/**
 * F40, F41: replicas are killed and started again, at random, while two hundred principals call in
 * both eras. Whatever is lost is said to be lost; nothing is answered wrongly.
 *
 * `KILL_CALLS` says how many calls, `TEST_SEED` repeats the choices.
 *
 * @module
 * @see security.md, F40, F41, and section 5.6; issue "Many replicas"
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert/strict";
import type { CrowdCall, CrowdSession, Outcome } from "../support/crowd_client.ts";
import {
  type CrowdWorld,
  errorsOf,
  isOk,
  openCrowdWorld,
  REPLICAS,
  shareOf,
} from "../support/crowd_world.ts";
import { figure, median, timed } from "../support/figures.ts";
import { pause } from "../support/fleet.ts";
import type { Finding } from "../support/history.ts";
import { often } from "../support/long.ts";
import { replicasTest } from "../support/replicas.ts";
import { type Seeded, seeded } from "../support/seeded.ts";
import { until } from "../support/until.ts";

const CALLS = Number(Deno.env.get("KILL_CALLS") ?? often(20_000, 700));
const PRINCIPALS = 200;
/** Sessions that are tried right after each kill. */
const WATCHED = 8;
/** Between a kill of which all is well again, and the next. */
const PEACE_MS = 1_000;
const NEW_MS_MAX = 1_000;
const SESSION_MS_MAX = 3_000;

interface Kill {
  readonly atMs: number;
  /** How many replicas at once. */
  readonly count: number;
  /** Until the last of the watched sessions was used again. */
  readonly sessionsMs: number;
  /** When all replicas were back. */
  readonly overMs: number;
}

interface Story {
  readonly findings: readonly Finding[];
  readonly calls: number;
  readonly modern: readonly Outcome[];
  readonly inSession: readonly Outcome[];
  readonly kills: readonly Kill[];
  readonly lostSessions: number;
}

replicasTest(
  `F40, F41: of ${CALLS} calls by ${PRINCIPALS} principals none is answered wrongly while replicas are killed`,
  async () => {
    const story = await play(seeded("kills"));
    print(story);
    assertEquals(story.findings.slice(0, 20), []);
    assertEquals(story.lostSessions, 0);
    assert(story.kills.length > 0);
    assert(story.modern.some(isOk) && story.inSession.some(isOk));
  },
);

async function play(random: Seeded): Promise<Story> {
  await using world = await openCrowdWorld({ members: PRINCIPALS + WATCHED });
  const { members } = world;
  const modern: Outcome[] = [];
  const inSession: Outcome[] = [];
  const crowd = new AbortController();
  let calls = 0;
  const calling = members.slice(WATCHED).map(async ({ session, alone }) => {
    while (calls++ < CALLS) {
      const isInSession = random.below(2) === 0;
      const client = isInSession ? session : random.pick(alone);
      (isInSession ? inSession : modern).push(await client.call(aCall(random)));
    }
  });
  const killing = killAtRandom(random, world, crowd.signal);
  await Promise.all(calling);
  crowd.abort();
  const kills = await killing;
  return {
    modern,
    inSession,
    kills,
    calls: world.sent(),
    findings: world.findings(),
    lostSessions: members.filter(({ session }) => session.isLost()).length,
  };
}

function aCall(random: Seeded): CrowdCall {
  const tool = random.pick(["echo", "steps"] as const);
  // Most are short, and some are under way when something dies.
  const ms = random.below(4) === 0 ? 50 + random.below(200) : random.below(20);
  return { tool, ms, leaves: tool === "steps" && random.below(10) === 0 };
}

/** Until it is told to stop, and once at least. */
async function killAtRandom(
  random: Seeded,
  { balancer, replicas, members }: CrowdWorld,
  ended: AbortSignal,
): Promise<Kill[]> {
  const watched = members.slice(0, WATCHED);
  const kills: Kill[] = [];
  do {
    await pause(random.below(PEACE_MS));
    const count = random.below(4) === 0 ? 2 : 1;
    const from = random.below(REPLICAS);
    const dying = Array.from({ length: count }, (_, i) => replicas[(from + i) % REPLICAS]!);
    const atMs = performance.now();
    await Promise.all(dying.map(({ kill }) => kill()));
    const usable = Promise.all(watched.map(({ session }) => timed(() => usedAgain(session))));
    await pause(random.below(PEACE_MS));
    await Promise.all(dying.map(({ start }) => start()));
    const sessionsMs = Math.max(...await usable);
    await until("all replicas in use", () => balancer.inUse().length === REPLICAS, 60_000);
    kills.push({ atMs, count, sessionsMs, overMs: performance.now() });
  } while (!ended.aborted);
  return kills;
}

async function usedAgain(session: CrowdSession): Promise<void> {
  const isUsed = async () => isOk(await session.call({ tool: "echo", ms: 0 }));
  await until("a session to be used again", () => session.isLost() || isUsed(), 60_000);
}

/**
 * Milliseconds from a kill to the sending of the last new request that failed, before the next kill
 * could be the reason.
 */
function failingMs(story: Story, kill: Kill): number {
  return Math.max(0, ...failingOf(story, kill).map(({ sentMs }) => sentMs - kill.atMs));
}

function failingOf({ modern }: Story, { atMs, overMs }: Kill): readonly Outcome[] {
  return modern.filter((one) => !isOk(one) && one.sentMs >= atMs && one.endedMs <= overMs);
}

/** What happened to requests that failed later than they may. */
function lateOf(story: Story, kill: Kill): readonly string[] {
  return failingOf(story, kill).filter(({ sentMs }) => sentMs - kill.atMs > NEW_MS_MAX).map((one) =>
    `${one.error}, sent ${
      Math.round(one.sentMs - kill.atMs)
    } ms after ${kill.count} were killed, ` +
    `ended after ${Math.round(one.endedMs - one.sentMs)} ms; ` +
    `all were back after ${Math.round(kill.overMs - kill.atMs)} ms`
  );
}

function print(story: Story): void {
  const { kills, findings, calls, modern, inSession, lostSessions } = story;
  const all = [...modern, ...inSession];
  const killed = kills.reduce((sum, { count }) => sum + count, 0);
  figure("F40", `calls of ${PRINCIPALS} principals`, calls, `${modern.length} without a session`);
  figure("F40", "replicas killed", killed, `${kills.length} times`);
  figure("F40", "wrong answers", findings.length, "0");
  figure("F40", "calls that succeeded", shareOf(all), "", " %");
  for (const [name, outcomes] of Object.entries({ "without a session": modern, inSession })) {
    console.log(`F40  errors ${name}: ${errorsOf(outcomes)}`);
  }
  const failing = kills.map((kill) => failingMs(story, kill));
  const bar = `at most ${NEW_MS_MAX}`;
  figure("F40", "new requests fail for, median of the kills", median(failing), bar, " ms");
  figure("F40", "new requests fail for, at the longest", Math.max(...failing), bar, " ms");
  for (const late of kills.flatMap((kill) => lateOf(story, kill))) console.log(`F40  ${late}`);
  const sessionsMs = Math.max(...kills.map((kill) => kill.sessionsMs));
  figure("F40", "sessions are used again after", sessionsMs, `at most ${SESSION_MS_MAX}`, " ms");
  figure("F40", "sessions lost", lostSessions, "0");
  const resumed = inSession.filter((one) => one.resumed > 0);
  const ended = resumed.filter(isOk).length;
  figure("F41", "streams resumed", resumed.length, `${ended} to their results`);
  const longest = Math.max(0, ...resumed.map(({ sentMs, endedMs }) => endedMs - sentMs));
  figure("F41", "the longest of them", longest, "no hang", " ms");
}
