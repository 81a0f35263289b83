/**
 * The two ends of a question between replicas: what has come of its answer, and how far it may go on.
 *
 * @module
 */
import { errorOf, type Failure, Lost } from "./remote_signal.ts";

/** What a question, or a part of its answer, consists of. */
export interface Note {
  /** What JSON can say. */
  readonly about: unknown;
  readonly body?: Uint8Array | undefined;
}

/** Parts that may be on their way at once. */
const AHEAD_MAX = 16;

type Body = Uint8Array | undefined;
export type Asked = ReturnType<typeof createAsked>;
export type Answered = ReturnType<typeof createAnswered>;

/** A question of ours, and what has come of its answer. */
export function createAsked(taken: (seq: number) => void) {
  let parts: Note[] = [];
  let received = 0;
  let handedOut = 0;
  let waiting: PromiseWithResolvers<Note | undefined> | undefined;
  let outcome: { readonly error: unknown } | undefined;
  const got = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  got.promise.catch(() => {});

  function finish(error: unknown): void {
    if (outcome !== undefined) return;
    outcome = { error };
    if (error === undefined) got.resolve();
    else got.reject(error);
    wake();
    ended.resolve();
  }

  function wake(): void {
    if (waiting === undefined) return;
    const one = parts.shift();
    if (one === undefined && outcome === undefined) return;
    const { resolve, reject } = waiting;
    waiting = undefined;
    if (one !== undefined) resolve(handed(one));
    else if (outcome!.error === undefined) resolve(undefined);
    else reject(outcome!.error);
  }

  function handed(one: Note): Note {
    taken(++handedOut);
    return one;
  }

  return {
    got: got.promise,
    ended: ended.promise,
    acknowledged: () => got.resolve(),
    put(seq: number, about: unknown, body: Body): void {
      if (outcome !== undefined) return;
      if (seq !== ++received) return finish(new Lost());
      parts.push({ about, body });
      wake();
    },
    /** So many parts were sent before this was said. */
    at(seq: number): void {
      if (seq !== received) finish(new Lost());
    },
    taken: () => handedOut,
    end(seq: number, error: Failure | undefined): void {
      if (error !== undefined) return finish(errorOf(error));
      finish(seq === received ? undefined : new Lost());
    },
    fail: (error: unknown) => finish(error),
    next(): Promise<Note | undefined> {
      waiting = Promise.withResolvers();
      const { promise } = waiting;
      wake();
      return promise;
    },
    /** Whether the other replica has to be told. */
    close(): boolean {
      const isOver = outcome !== undefined;
      parts = [];
      finish(undefined);
      return !isOver;
    },
  };
}

/** Another replica's question. */
export function createAnswered() {
  const wanted = new AbortController();
  let takenUpTo = 0;
  let sent = 0;
  let goOn = () => {};
  return {
    wanted: wanted.signal,
    sent: () => sent,
    /** Resolves when the next part may be sent. */
    async room(): Promise<void> {
      while (sent >= takenUpTo + AHEAD_MAX && !wanted.signal.aborted) {
        await new Promise<void>((resolve) => goOn = resolve);
      }
    },
    /** It is sent now: its number. */
    next: () => ++sent,
    taken(seq: number): void {
      takenUpTo = Math.max(takenUpTo, seq);
      goOn();
    },
    stop(): void {
      wanted.abort();
      goOn();
    },
  };
}
