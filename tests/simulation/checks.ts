/**
 * What must hold after each step, whatever has happened.
 *
 * @module
 * @see security.md, sections 5.6 and 5.7
 */
import { Buffer } from "node:buffer";
import type { Claim } from "../../src/events/claims.ts";
import { APPEND, sessionPrefix } from "../../src/events/redis_scripts.ts";
import type { OutEvent } from "../../src/mcp/session/reader.ts";
import type { SecretBox } from "../../src/platform/secret_box.ts";
import type { RedisValue } from "../support/fake_redis/commands.ts";
import type { FakeRedis } from "../support/fake_redis/server.ts";
import { createHistoryChecker, type Finding } from "../support/history.ts";
import type { Process } from "./time.ts";
import type { Executed } from "./upstream.ts";

/** A promise that was not kept. */
export class Broken extends Error {
  override readonly name = "Broken";
}

export interface Bounds {
  readonly eventsMax: number;
  readonly sessionStreamsMax: number;
}

/** What Redis holds when a script has run. */
export function createRedisCheck(server: FakeRedis, box: SecretBox, bounds: Bounds) {
  const owners = new Map<string, string>();
  const { keys } = server;

  function checkAppend(names: readonly string[], args: readonly string[], runner: string | null) {
    const [stream, events] = names as [string, string];
    const [isRun, writer] = [args[5], args[6]];
    if (isRun === "1" && runner !== writer) {
      throw new Broken(`${writer} wrote to ${stream}, which is ${runner}'s: fenced out`);
    }
    const session = /\{([^}]+)\}/.exec(stream)![1]!;
    const id = stream.slice(`${sessionPrefix(session)}stream:`.length);
    for (let i = 14; i < args.length; i += 2) {
      const plain = box.open(Buffer.from(args[i]!, "latin1"), `${session}/${id}`);
      const text = plain === undefined ? "" : new TextDecoder().decode(plain);
      for (const [, by] of text.matchAll(/"by":"([^"]+)"/g)) {
        const owner = owners.get(session) ?? by!;
        owners.set(session, owner);
        if (by !== owner) throw new Broken(`An event of ${by} is on a stream of ${owner}`);
      }
    }
    const count = keys.get(events, "list")?.length ?? 0;
    if (count > bounds.eventsMax) throw new Broken(`${events} holds ${count} events`);
  }

  return {
    /** @param text of the script, as it was run */
    run(text: string, names: readonly string[], args: readonly string[], isAppend: boolean) {
      const runner = isAppend ? keys.get(names[0]!, "hash")?.get("runner") ?? null : null;
      const reply: RedisValue = server.run(text, names, args);
      if (isAppend && reply !== null) checkAppend(names, args, runner);
      for (const name of names) {
        if (keys.left(name) === -1) throw new Broken(`The key ${name} has no end`);
        if (!name.endsWith(":streams")) continue;
        const count = keys.get(name, "list")?.length ?? 0;
        if (count > 4 * bounds.sessionStreamsMax) {
          throw new Broken(`${name} lists ${count} streams`);
        }
      }
      return reply;
    },
  };
}

export const isAppendScript = (text: string): boolean => text === APPEND.text;

/** Who holds what only one may hold. */
export function createClaimCheck() {
  const fences = new Map<string, number>();
  const held: { readonly claim: Claim; readonly name: string; readonly process: Process }[] = [];

  return {
    taken(name: string, claim: Claim, process: Process): void {
      if (held.some((one) => one.claim === claim)) return;
      held.push({ claim, name, process });
      const before = fences.get(name) ?? 0;
      if (claim.fence <= before) {
        throw new Broken(`${name} was taken with ${claim.fence} after ${before}`);
      }
      fences.set(name, claim.fence);
    },
    /** @param isKnown whether Redis knows what it was told */
    look(isKnown: boolean): void {
      const holders = new Map<string, number>();
      for (let i = held.length - 1; i >= 0; i--) {
        const { claim, name, process } = held[i]!;
        if (process.isDead() || !claim.isHeld()) {
          if (process.isDead()) held.splice(i, 1);
          continue;
        }
        holders.set(name, (holders.get(name) ?? 0) + 1);
        if (isKnown && holders.get(name)! > 1) throw new Broken(`Two replicas hold ${name}`);
      }
    },
  };
}

/**
 * What clients see of a stream: each number is one event, and none is missing without a word.
 * @param failovers how often Redis has gone on as it was before
 */
export function createStreamCheck(failovers: () => number) {
  const events = new Map<string, string>();

  /**
   * One connection's view of it.
   * @param isShared whether several replicas write there: after a failover, one of them does not know
   *   what numbers the others have given
   */
  return function begin(stream: string, lastEventId: string | undefined, isShared: boolean) {
    let last = seqOf(lastEventId);
    return ({ id, data }: OutEvent): void => {
      if (isShared && failovers() > 0) return;
      const seq = seqOf(id);
      if (seq === undefined) return;
      if (data === undefined) return void (last = Math.max(last ?? 0, seq));
      const text = new TextDecoder().decode(data);
      const lost = lostOf(text);
      const expected = (last ?? 0) + (lost ?? 1);
      const isFirst = last === undefined && lost === undefined;
      if (!isFirst && seq !== expected) {
        throw new Broken(`Event ${seq} of ${stream} came where ${expected} was due: a hole`);
      }
      last = seq;
      const known = events.get(id!) ?? text;
      events.set(id!, known);
      if (known !== text && lost === undefined && lostOf(known) === undefined) {
        throw new Broken(`Event ${seq} of ${stream} is two: ${known} and ${text}`);
      }
    };
  };
}

function seqOf(id: string | undefined): number | undefined {
  return id === undefined ? undefined : Number(id.split(".")[1]);
}

/** How many events a gap mark stands for; `undefined` for every other message. */
export function lostOf(text: string): number | undefined {
  if (!text.includes('"gap":true')) return undefined;
  return Number(/"lost":(\d+)/.exec(text)?.[1] ?? NaN) || undefined;
}

/** What was sent, executed and answered. */
export function createHistoryCheck() {
  const checker = createHistoryChecker();

  function refuse(breach: Finding | undefined): void {
    if (breach === undefined) return;
    throw new Broken(`${breach.call}: ${breach.breach} (${breach.more})`);
  }

  return {
    tell: checker.take,
    look: () => refuse(checker.findings[0]),
    /** Nothing more will happen. */
    end: () => refuse(checker.end()[0]),
  };
}

/** That no id of a session's is executed while a call with it runs. */
export function createCallCheck(isCertainSince: (ms: number, process: Process) => boolean) {
  const running = new Set<Executed>();
  return function executed(call: Executed): void {
    for (const other of running) {
      if (!other.isRunning()) running.delete(other);
      else if (other.session === call.session && other.id === call.id) {
        if (!isCertainSince(other.startedMs, other.from)) continue;
        throw new Broken(`${call.work.call} runs while ${other.work.call} has its id`);
      }
    }
    running.add(call);
  };
}
