/**
 * What goes wrong in a simulation, one at a time or several at once.
 *
 * @module
 * @see security.md, sections 5.1, 5.2, 5.4
 */
import type { FakeRedis } from "../support/fake_redis/server.ts";
import type { Seeded } from "../support/seeded.ts";
import { USUAL_DELAY_MS } from "./redis_link.ts";
import type { Replica } from "./replica.ts";
import type { Process, Schedule } from "./time.ts";
import type { SimUpstream } from "./upstream.ts";

export interface Faults {
  /** Begins one. */
  readonly strike: () => void;
  /** Ends all. */
  readonly heal: () => void;
  /** Whether Redis has kept all that it was told since then, and that replica has not been away. */
  readonly isCertainSince: (ms: number, process: Process) => boolean;
  /** Whether Redis knows all that it was told, and those who hold something know if it does not. */
  readonly isKnown: () => boolean;
  /** Of Redis. */
  readonly isUp: () => boolean;
  readonly awake: (happen: () => void) => void;
  readonly copies: () => number;
  /** How often Redis has gone on as it was before. */
  readonly failovers: () => number;
  /** How far the clock of Redis is ahead. */
  readonly aheadMs: () => number;
}

export interface FaultsDeps {
  readonly schedule: Schedule;
  readonly random: Seeded;
  readonly server: FakeRedis;
  readonly upstream: SimUpstream;
  readonly replicas: () => readonly Replica[];
  /** Kills one, and starts another one some time later. */
  readonly replace: (replica: Replica, afterMs: number) => void;
  readonly tell: (text: string) => void;
}

/** So long after Redis has lost something the others may not know of it yet. */
const UNCERTAIN_MS = 4_000;
const HOUR_MS = 3_600_000;

export function createFaults(deps: FaultsDeps): Faults {
  const { schedule, random, server, upstream, tell } = deps;
  const frozen: (() => void)[] = [];
  const troubles = new Map<Process, number>();
  const healing = new Set<() => void>();
  let isUp = true;
  let isFrozen = false;
  let isLossy = false;
  let aheadMs = 0;
  let failovers = 0;
  let lostMs = -Infinity;
  let forgotMs = -Infinity;

  const between = (low: number, high: number) => low + random.below(high - low);
  const anyone = () => random.pick(deps.replicas());

  /** Goes on for a while, or until all is healed. */
  function spell(what: string, ms: number, begin: () => void, end: () => void): void {
    tell(`--- ${what} for ${ms} ms`);
    begin();
    const over = () => {
      if (!healing.delete(over)) return;
      timer.cancel();
      tell(`--- over: ${what}`);
      end();
    };
    healing.add(over);
    const timer = schedule.after(ms, over);
  }

  function trouble({ process }: Replica): void {
    troubles.set(process, schedule.nowMs());
  }

  function cutAll(): void {
    for (const { link } of deps.replicas()) link.cut();
  }

  /** Redis has not kept what it was told. */
  function lose(what: string): void {
    tell(`--- ${what}`);
    lostMs = forgotMs = schedule.nowMs();
    cutAll();
  }

  const KINDS: readonly (readonly [number, () => void])[] = [
    [4, () => {
      const replica = anyone();
      trouble(replica);
      tell(`--- ${replica.name} dies`);
      deps.replace(replica, between(100, 2_000));
    }],
    [4, () => {
      const { name, process } = anyone();
      const again = () => {
        process.resume();
        troubles.set(process, schedule.nowMs());
      };
      spell(`${name} is stopped`, between(100, 4_500), process.pause, again);
      troubles.set(process, Infinity);
    }],
    [3, () => {
      const replica = anyone();
      tell(`--- the connection of ${replica.name} breaks`);
      trouble(replica);
      replica.link.cut();
    }],
    [2, () => {
      const replica = anyone();
      const { name, link, process } = replica;
      const again = () => {
        link.reach(true);
        trouble(replica);
      };
      spell(`${name} does not reach Redis`, between(200, 4_500), () => link.reach(false), again);
      troubles.set(process, Infinity);
    }],
    [3, () => {
      const { name, link } = anyone();
      const ms = between(20, 600);
      const usual = () => link.delay(USUAL_DELAY_MS);
      spell(`Redis is ${ms} ms from ${name}`, between(200, 3_000), () => link.delay(ms), usual);
    }],
    [2, () => {
      if (!isUp) return;
      const down = () => {
        isUp = false;
        cutAll();
      };
      const up = () => {
        isUp = true;
        lostMs = schedule.nowMs();
      };
      spell("Redis is away", between(200, 2_000), down, up);
      lostMs = Infinity;
    }],
    [2, () => {
      if (isFrozen) return;
      const thaw = () => {
        isFrozen = false;
        lostMs = schedule.nowMs();
        for (const happen of frozen.splice(0)) happen();
      };
      spell("Redis is frozen", between(100, 1_500), () => void (isFrozen = true), thaw);
      lostMs = Infinity;
    }],
    [1, () => {
      lose("Redis loses everything");
      server.keys.clear();
    }],
    [2, () => {
      const restore = server.keys.remember();
      schedule.after(between(5, 400), () => {
        lose("Redis fails over to a server that is behind");
        failovers++;
        restore();
      });
    }],
    [3, () => {
      if (isLossy) return;
      const change = (lossy: boolean) => () => void (isLossy = lossy);
      spell(
        "what is published is lost or comes twice",
        between(500, 4_000),
        change(true),
        change(false),
      );
    }],
    [2, () => {
      const { name, process } = anyone();
      const ms = random.pick([-HOUR_MS, -1_000, 1_000, HOUR_MS]);
      tell(`--- the clock of ${name} moves by ${ms} ms`);
      process.jump(ms);
    }],
    [1, () => {
      const ms = between(100, 5_000);
      tell(`--- the clock of Redis moves by ${ms} ms`);
      lostMs = forgotMs = schedule.nowMs();
      aheadMs += ms;
    }],
    [1, () => {
      tell("--- the server loses a session");
      upstream.forget();
    }],
    [3, () => {
      tell("--- a stream of the server breaks");
      upstream.breakOff();
    }],
  ];
  const all = KINDS.flatMap(([weight, begin]) => Array.from({ length: weight }, () => begin));

  return {
    strike: () => random.pick(all)(),
    heal() {
      for (const over of [...healing]) over();
    },
    isCertainSince: (ms, process) =>
      ms > lostMs + UNCERTAIN_MS && ms > (troubles.get(process) ?? -Infinity) &&
      schedule.nowMs() > lostMs + UNCERTAIN_MS,
    isKnown: () => schedule.nowMs() > forgotMs + UNCERTAIN_MS,
    isUp: () => isUp,
    awake: (happen) => isFrozen ? void frozen.push(happen) : happen(),
    copies: () => isLossy ? random.below(3) : 1,
    failovers: () => failovers,
    aheadMs: () => aheadMs,
  };
}
