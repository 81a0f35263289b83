/**
 * Three replicas, a Redis, a server and some clients in one process, on one clock: what happens is
 * decided by a seed, and after each step it is looked whether all promises are kept.
 *
 * @module
 */
import type { Claim } from "../../src/events/claims.ts";
import { GatewayError } from "../../src/domain/errors.ts";
import { repeat } from "../../src/platform/again.ts";
import { createFakeRedis } from "../support/fake_redis/server.ts";
import { fromSeed, type Seeded } from "../support/seeded.ts";
import {
  Broken,
  createCallCheck,
  createClaimCheck,
  createHistoryCheck,
  createRedisCheck,
  createStreamCheck,
  isAppendScript,
} from "./checks.ts";
import { createClients } from "./clients.ts";
import { createFaults, type Faults } from "./faults.ts";
import { BOUNDS, boxOf, type Replica, startReplica, type Wrapping } from "./replica.ts";
import { createSchedule, type Schedule } from "./time.ts";
import { createSimUpstream } from "./upstream.ts";

/** What is made differently, to see that it is found out. */
export interface Mutant extends Wrapping {
  readonly script?: (text: string) => string;
}

export interface Simulated {
  readonly seed: number;
  readonly steps: number;
  /** Calls that were executed. */
  readonly executed: number;
  /** What happened, in words; the last ones if there are many. */
  readonly told: readonly string[];
  /** What promise was not kept. */
  readonly broken: string | undefined;
}

const REPLICAS = 3;
/** How long things go wrong: in every fourth for longer than one that is away counts as alive. */
const chaosMsOf = (seed: number) => seed % 4 === 0 ? 7_000 : 2_000;
const STRIKES_MS = 450;
const ACTIONS_MS = 50;
/** How long it may take then until every call has its end. */
const CALM_MS = 45_000;
/** In every tenth it is seen that nothing is left after so long, in which sessions idle out. */
const EMPTY_EACH = 10;
const EMPTY_MS = 35_000;
/** Its own signals; what each replica does again and again; deadlines of what that has just sent. */
const LEFT_MAX = [1, 10, 6];
/** As long as nothing is kept for. */
const FOREVER_MS = 4 * 3_600_000;
const TASK = "task";
const TASK_MS = 600;
const TOLD_MAX = 5_000;
/** Midnight of some day, as the replicas have it. */
const REDIS_MS = Date.UTC(2026, 7, 1);

export async function simulate(seed: number, mutant: Mutant = {}): Promise<Simulated> {
  using _ = seededSurroundings(seed);
  const world = createWorld(seed, mutant);
  const { schedule, told } = world;
  const chaosMs = chaosMsOf(seed);
  let steps = 0;
  let broken: unknown;
  const until = async (ms: number, isDone = () => false) => {
    while (schedule.nextMs() <= ms && !isDone()) {
      await schedule.step();
      steps++;
      world.look();
    }
  };
  try {
    await until(chaosMs);
    world.calm();
    await until(chaosMs + CALM_MS, () => world.waiting() === 0);
    world.leave();
    if (seed % EMPTY_EACH === 0) {
      await until(schedule.nowMs() + EMPTY_MS);
      world.lookEmpty();
    }
    world.end();
  } catch (error) {
    broken = error;
  }
  const why = broken === undefined ? undefined : explained(broken);
  return { seed, steps, executed: world.executed(), told: [...told], broken: why };
}

/** Of a promise what it was, of a fault where it came from. */
function explained(error: unknown): string {
  if (error instanceof Broken) return error.message;
  return error instanceof Error ? error.stack ?? error.message : String(error);
}

function createWorld(seed: number, mutant: Mutant) {
  const random = fromSeed(seed);
  const schedule = createSchedule();
  const told: string[] = [];
  const tell = (text: string) => {
    told.push(`${schedule.nowMs().toFixed(2).padStart(9)} ${text}`);
    if (told.length > TOLD_MAX) told.shift();
  };
  let failure: { readonly error: unknown } | undefined;
  const broken = (error: unknown) => void (failure ??= { error });
  let executed = 0;
  const history = createHistoryCheck();
  const claims = createClaimCheck();
  const server = createFakeRedis(() => REDIS_MS + schedule.nowMs() + faults.aheadMs());
  const check = createRedisCheck(server, boxOf("stored events"), BOUNDS);
  const callCheck = createCallCheck((ms, process) => faults.isCertainSince(ms, process));
  const upstream = createSimUpstream({
    schedule,
    random,
    executed(call) {
      executed++;
      tell(`${call.work.call} is executed`);
      history.tell({ what: "executed", call: call.work.call, session: call.session });
      try {
        callCheck(call);
      } catch (error) {
        broken(error);
      }
    },
  });
  const redis = {
    server,
    run(text: string, keys: readonly string[], args: readonly string[]) {
      try {
        return check.run(mutant.script?.(text) ?? text, keys, args, isAppendScript(text));
      } catch (error) {
        if (error instanceof Broken) broken(error);
        throw error;
      }
    },
    isUp: () => faults.isUp(),
    awake: (happen: () => void) => faults.awake(happen),
    copies: () => faults.copies(),
  };
  const replicas: Replica[] = [];
  const forged = () => broken(new Broken("A value was not written by this installation"));

  function start(): void {
    const deps = { schedule, redis, upstream, random, wrapping: mutant, forged, logged: tell };
    const replica = startReplica(deps);
    tell(`${replica.name} starts`);
    replicas.push(replica);
    lead(replica, random, (claim) => {
      tell(`${replica.name} holds the task with ${claim.fence}`);
      try {
        claims.taken(TASK, claim, replica.process);
      } catch (error) {
        broken(error);
      }
    });
  }

  const faults: Faults = createFaults({
    schedule,
    random,
    server,
    upstream,
    replicas: () => replicas,
    replace(replica, afterMs) {
      if (replicas.length < 2) return;
      replicas.splice(replicas.indexOf(replica), 1);
      replica.kill();
      schedule.after(afterMs, start);
    },
    tell,
  });
  for (let i = 0; i < REPLICAS; i++) start();
  const streams = createStreamCheck(faults.failovers);
  const clients = createClients({
    schedule,
    random,
    replicas: () => replicas,
    history,
    streams,
    failovers: faults.failovers,
    tell,
    broken,
  });
  const stops = [
    often(schedule, random, ACTIONS_MS, clients.act),
    often(schedule, random, ACTIONS_MS, upstream.tell),
    often(schedule, random, STRIKES_MS, faults.strike),
  ];
  function look(): void {
    if (failure !== undefined) throw failure.error;
    claims.look(faults.isKnown());
    history.look();
  }

  return {
    schedule,
    told,
    executed: () => executed,
    look,
    waiting: () => clients.waiting().length,
    calm() {
      tell("--- from now on nothing goes wrong");
      for (const stop of stops) stop();
      faults.heal();
    },
    leave() {
      history.end();
      clients.leave();
    },
    /** Nothing is done any more for sessions that are over. */
    lookEmpty() {
      for (const { name, link, process } of replicas) {
        const found = [link.subscriptions(), process.timersOpen(), link.waiting()];
        const isLeft = found.some((count, i) => count > LEFT_MAX[i]!);
        if (isLeft) {
          throw new Broken(`${name} still has subscriptions, timers, commands: ${found}`);
        }
      }
    },
    end() {
      for (const { kill } of replicas) kill();
      schedule.skip(FOREVER_MS);
      const [left] = server.keys.names();
      if (left !== undefined) throw new Broken(`The key ${left} is never forgotten`);
    },
  };
}

/** Each replica wants to do a task that one of them is to do. */
function lead({ claims, process }: Replica, random: Seeded, took: (claim: Claim) => void): void {
  repeat(process.timers, TASK_MS, async () => {
    try {
      const claim = await claims.take(TASK, () => {});
      if (typeof claim === "string") return;
      took(claim);
      if (random.below(8) === 0) await claim.release();
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
    }
  });
}

/** Again and again, about so often. Gives what ends it. */
function often(schedule: Schedule, random: Seeded, ms: number, happen: () => void): () => void {
  let isOver = false;
  const later = () =>
    void schedule.after(1 + random.below(2 * ms), () => {
      if (isOver) return;
      happen();
      later();
    });
  later();
  return () => void (isOver = true);
}

/** Ids and jitter come from the seed too, as long as this is held. */
function seededSurroundings(seed: number): Disposable {
  const { below } = fromSeed(seed ^ 0x5eed);
  const { random } = Math;
  Math.random = () => below(2 ** 30) / 2 ** 30;
  const getRandomValues = (bytes: Uint8Array) => {
    for (let i = 0; i < bytes.length; i++) bytes[i] = below(256);
    return bytes;
  };
  Object.defineProperty(crypto, "getRandomValues", { configurable: true, value: getRandomValues });
  return {
    [Symbol.dispose]() {
      Math.random = random;
      Reflect.deleteProperty(crypto, "getRandomValues");
    },
  };
}
