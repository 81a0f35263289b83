/**
 * All child processes: not more of them than the operator allows, none that nobody uses, and none
 * that is started again and again in vain.
 *
 * @module
 */
import { GatewayError } from "../../domain/errors.ts";
import type { StdioUpstream } from "../../domain/server.ts";
import type { ByteBudget } from "../../platform/byte_budget.ts";
import { DialError } from "../../platform/dial.ts";
import { NotStarted, type startProcess } from "../../platform/process.ts";
import type { Timers } from "../../platform/timers.ts";
import { createBackoff } from "./backoff.ts";
import { type Child, type ChildEnd, type ChildLog, createChild } from "./child.ts";
import { isFault } from "./exit.ts";
import { programOf } from "./program.ts";
import { createRedaction } from "./secrets.ts";

export interface Pool {
  /**
   * Starts a server, in the place of an idle one if need be.
   * @throws {DialError} `upstream_unavailable` when it cannot be started, or not now
   */
  readonly start: (server: StdioUpstream, isStateless: boolean) => Promise<Child>;
  /** Those that are there, dying ones included. */
  readonly list: () => readonly Child[];
  /** Ends all of them; resolves when that is done. */
  readonly close: () => Promise<void>;
}

export interface PoolDeps {
  readonly timers: Timers;
  readonly now: () => number;
  readonly budget: ByteBudget;
  readonly log: ChildLog;
  readonly jittered: (ms: number) => number;
  readonly startProcess: typeof startProcess;
}

export interface PoolOptions {
  readonly childrenMax: number;
  readonly idleMs: number;
  readonly messageBytesMax: number;
  /** What every server is given besides what its entry lists. */
  readonly env: Readonly<Record<string, string>>;
}

/** One that has worked for so long and ends is started again at once. */
const STEADY_MS = 10_000;

export function createPool(deps: PoolDeps, options: PoolOptions): Pool {
  const { timers, now, log } = deps;
  const backoff = createBackoff(now, deps.jittered);
  const children = new Set<Child>();
  /** Dying ones whose place is taken already. */
  const replaced = new Set<Child>();
  /** Of children that are there, or for which somebody waits. */
  let places = 0;
  let isClosed = false;

  async function start(server: StdioUpstream, isStateless: boolean): Promise<Child> {
    refuseClosed();
    backoff.check(server);
    if (places < options.childrenMax) places++;
    else await placeOf(children);
    try {
      refuseClosed();
      return add(server, isStateless);
    } catch (error) {
      places--;
      throw error;
    }
  }

  function refuseClosed(): void {
    if (isClosed) throw new GatewayError("unavailable", "The gateway is stopping");
  }

  /** Takes the place of one that is dying, or is idle for longest. */
  async function placeOf(all: ReadonlySet<Child>): Promise<void> {
    const free = [...all].filter((child) => !replaced.has(child));
    const found = free.find((child) => !child.isLive()) ?? longestIdle(free);
    if (found === undefined) {
      const text = `All ${options.childrenMax} processes that STDIO_CHILDREN_MAX allows are in use`;
      throw new DialError("upstream_unavailable", text);
    }
    replaced.add(found);
    found.end("it was idle");
    await found.ended;
  }

  function add(server: StdioUpstream, isStateless: boolean): Child {
    const startedMs = now();
    try {
      const process = deps.startProcess(programOf(server, options.env));
      const own = { ...deps, redact: createRedaction(server) };
      const { messageBytesMax } = options;
      const child = createChild(own, process, { server, isStateless, messageBytesMax });
      children.add(child);
      const stop = endWhenIdle(child);
      child.ended.then((end) => {
        stop();
        gone(child, end);
      });
      return child;
    } catch (cause) {
      if (!(cause instanceof NotStarted)) throw cause;
      const why = `The upstream server could not be started: ${cause.message}`;
      log.warning("A stdio server could not be started", { server: server.slug, error: cause });
      backoff.failed(server, startedMs, why, true);
      throw new DialError("upstream_unavailable", why, { cause });
    }
  }

  function gone(child: Child, { text, ending }: ChildEnd): void {
    children.delete(child);
    if (!replaced.delete(child)) places--;
    if (!isFault(ending)) return;
    const isSteady = child.hasAnswered() && now() - child.startedMs >= STEADY_MS;
    // A server of the session era may end at the question for its era: that says nothing.
    if (child.isProbed()) return;
    if (isSteady) backoff.worked(child.server);
    else backoff.failed(child.server, child.startedMs, text, !child.hasAnswered());
  }

  function endWhenIdle(child: Child): () => void {
    let timer = timers.after(options.idleMs, check);
    function check(): void {
      const leftMs = isInUse(child) ? options.idleMs : child.usedMs() + options.idleMs - now();
      if (leftMs <= 0) child.end("it was idle");
      else timer = timers.after(leftMs, check);
    }
    return () => timer.cancel();
  }

  return {
    start,
    list: () => [...children],
    async close() {
      isClosed = true;
      for (const child of children) child.end("the gateway is stopping");
      await Promise.all([...children].map((child) => child.ended));
    },
  };
}

function isInUse(child: Child): boolean {
  // One that has just been started is about to be used.
  if (child.router.count() > 0 || child.written() === 0) return true;
  return child.hasSubscriptions() && child.own.isOpen();
}

function longestIdle(children: readonly Child[]): Child | undefined {
  const isIdle = (child: Child) => child.router.count() === 0 && child.written() > 0;
  return children.filter(isIdle).sort((a, b) => a.usedMs() - b.usedMs())[0];
}
