/**
 * Minds one upstream server: reads it, listens to it, and knows when to read it again.
 *
 * @module
 */
import type { ItemKind } from "../domain/item.ts";
import type { UpstreamServer } from "../domain/server.ts";
import type { Timers } from "../platform/timers.ts";
import { type KeepDeps, keepOffering, type KeepOptions, type Kept } from "./keep_offering.ts";
import { announcedKinds, type Offering, problemOf, readOffering, sentenceOf } from "./offering.ts";
import type { Description, ReaderWatch, UpstreamReader } from "./reader.ts";
import type { Slots } from "./slots.ts";
import { createTurns, type Turn } from "./turns.ts";

export interface Outcome {
  /** `gone` when the server does not exist any more, or is another by now. */
  readonly status: "connected" | "unreachable" | "disabled" | "gone";
  /** Whether anything was written. */
  readonly hasChanged: boolean;
  /** What is wrong, as one sentence; a server that answers may still have a list that fails. */
  readonly problem: string | undefined;
}

export interface Minder {
  readonly server: UpstreamServer;
  /** Reads it now, see `Turns.ask`. */
  readonly ask: () => Promise<Outcome>;
  readonly state: () => MinderState;
  /** Never again; resolves when it is not being read any more. */
  readonly leave: () => Promise<void>;
}

export interface MinderState {
  readonly status: "unknown" | "connected" | "unreachable";
  readonly lastSeenMs: number | undefined;
  readonly lastError: string | undefined;
}

export interface MinderDeps extends KeepDeps {
  readonly reader: UpstreamReader;
  readonly timers: Timers;
  readonly random: () => number;
  readonly slots: Slots;
  readonly noted: (server: UpstreamServer, problem: string | undefined, error: unknown) => void;
  readonly unexplained: (upstreamId: string, kinds: readonly ItemKind[]) => void;
}

export interface MinderOptions extends KeepOptions {
  readonly intervalMs: number;
  readonly totalMs: number;
}

const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 60_000;
/** However short-lived a server says that its lists are. */
const FRESH_MS_MIN = 1_000;
/** How long the lists wait for the watch to be open: what changes behind it is not missed. */
const OPENED_MS = 500;

export function createMinder(
  deps: MinderDeps,
  options: MinderOptions,
  server: UpstreamServer,
): Minder {
  const { reader, clock, timers } = deps;
  let state: MinderState = { status: "unknown", lastSeenMs: undefined, lastError: undefined };
  let watch: ReaderWatch | undefined;
  let watched = "";
  let failures = 0;
  let hasLeft = false;
  /** Kinds of which the server said that they have changed, and that were not read since. */
  let said = new Set<ItemKind>();
  const turns = createTurns({ run, timers, monotonic: clock.monotonic });
  const reading = { reader, pace: deps.pace, monotonic: clock.monotonic };

  async function run(): Promise<Turn<Outcome>> {
    const asked = said;
    said = new Set();
    try {
      return await deps.slots.within(async () => hasLeft ? gone() : await readAndKeep(asked));
    } catch (error) {
      const problem = sentenceOf(error);
      if (!hasLeft) note({ ...state, status: "unreachable", lastError: problem }, error);
      return again({ status: "unreachable", hasChanged: false, problem }, asked);
    }
  }

  async function readAndKeep(asked: ReadonlySet<ItemKind>): Promise<Turn<Outcome>> {
    const offering = await readOffering(reading, server, options.totalMs, listen);
    const kept = await keepOffering(deps, options, server.id, offering, () => !hasLeft);
    if (kept === undefined || hasLeft) return gone();
    const problem = problemOf(offering);
    note({ ...state, status: "connected", lastError: problem }, offering.failures[0]?.error);
    tellUnexplained(asked, offering, kept);
    const outcome: Outcome = { status: "connected", hasChanged: kept.isWritten, problem };
    if (offering.failures.length > 0) return again(outcome, asked);
    failures = 0;
    return { outcome, againMs: freshMs(offering) };
  }

  function note(next: MinderState, error: unknown): void {
    // How long it will take changes all the time.
    const isNews = withoutNumbers(next.lastError) !== withoutNumbers(state.lastError);
    state = next;
    if (isNews) deps.noted(server, next.lastError, error);
  }

  /** What was said counts until it was read. */
  function again(outcome: Outcome, asked: ReadonlySet<ItemKind>): Turn<Outcome> {
    for (const kind of asked) said.add(kind);
    const ms = Math.min(RETRY_MS_MIN * 2 ** failures++, RETRY_MS_MAX);
    return { outcome, againMs: ms * (1 + deps.random() / 5) };
  }

  function freshMs({ readings }: Offering): number {
    const intervalMs = options.intervalMs * (0.9 + deps.random() / 5);
    const times = readings.flatMap(({ ttlMs }) => ttlMs ? [ttlMs] : []);
    return Math.max(FRESH_MS_MIN, Math.min(intervalMs, ...times));
  }

  function tellUnexplained(asked: ReadonlySet<ItemKind>, { readings }: Offering, kept: Kept): void {
    const isExplained = (kind: ItemKind) => PEERS[kind].some((peer) => kept.changed.has(peer));
    const read = new Set(readings.map(({ kind }) => kind));
    const kinds = [...asked].filter((kind) => read.has(kind) && !isExplained(kind));
    if (kinds.length > 0 && !hasLeft) deps.unexplained(server.id, kinds);
  }

  /** Listens to a server that says when its lists change, as it says now. */
  async function listen({ capabilities }: Description): Promise<void> {
    state = { ...state, lastSeenMs: clock.now() };
    const kinds = announcedKinds(capabilities);
    if (hasLeft || watched === kinds.join()) return;
    watched = kinds.join();
    watch?.stop();
    watch = kinds.length === 0 ? undefined : reader.watch(server, (kinds, why) => {
      if (why === "said") { for (const kind of kinds) said.add(kind); }
      turns.notice();
    });
    const opened = watch?.opened;
    if (opened !== undefined) await inTime(opened);
  }

  /** One that is open too late makes the lists be read again. */
  function inTime(opened: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      let isLate = false;
      const timer = timers.after(OPENED_MS, () => {
        isLate = true;
        resolve();
      });
      void opened.then(() => {
        timer.cancel();
        if (isLate && !hasLeft) turns.notice();
        resolve();
      });
    });
  }

  return {
    server,
    ask: turns.ask,
    state: () => state,
    async leave() {
      hasLeft = true;
      turns.stop();
      watch?.stop();
      await reader.forget(server);
      await turns.settled();
      // A reading that was between two requests has begun anew with the second.
      await reader.forget(server);
    },
  };
}

function withoutNumbers(text: string | undefined): string | undefined {
  return text?.replace(/\d+/g, "");
}

function gone(): Turn<Outcome> {
  return {
    outcome: { status: "gone", hasChanged: false, problem: undefined },
    againMs: RETRY_MS_MAX,
  };
}

/** A server says of resources and templates together that they have changed. */
const PEERS: Readonly<Record<ItemKind, readonly ItemKind[]>> = {
  tool: ["tool"],
  prompt: ["prompt"],
  resource: ["resource", "template"],
  template: ["resource", "template"],
};
