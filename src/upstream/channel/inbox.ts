/**
 * What has come over a channel for one reader, and the reader has not taken yet.
 *
 * @module
 */
import type { ByteBudget } from "../../platform/byte_budget.ts";

export interface Inbox {
  readonly put: (message: Uint8Array) => void;
  /** Nothing more comes: what is there can still be taken. */
  readonly end: () => void;
  /** The same, and then this is thrown. */
  readonly fail: (reason: unknown) => void;
  /** Nobody reads any more; whoever waits gets `reason`. */
  readonly drop: (reason?: unknown) => void;
  /** The next message; `undefined` at the end. */
  readonly next: () => Promise<Uint8Array | undefined>;
  /** One that is there already. */
  readonly take: () => Uint8Array | undefined;
}

export interface Gate {
  /** Whether somebody is so far behind that nothing more should be read. */
  readonly isShut: () => boolean;
  /** Resolves when it is open, at once if it is. */
  readonly opened: () => Promise<void>;
  /** Another one is behind, or is not any more. */
  readonly add: (by: 1 | -1) => void;
  /** Opens for good. */
  readonly release: () => void;
}

/** Holds the reading of one channel back while any of its readers is behind. */
export function createGate(changed: () => void): Gate {
  let behind = 0;
  let isReleased = false;
  let waiting: PromiseWithResolvers<void> | undefined;

  function settle(): void {
    changed();
    if (behind > 0 && !isReleased) return;
    waiting?.resolve();
    waiting = undefined;
  }

  return {
    isShut: () => behind > 0 && !isReleased,
    opened() {
      if (behind === 0 || isReleased) return Promise.resolve();
      waiting ??= Promise.withResolvers<void>();
      return waiting.promise;
    },
    add(by) {
      behind += by;
      settle();
    },
    release() {
      isReleased = true;
      settle();
    },
  };
}

/** @param bytesMax above it, the gate is shut until some of it has been taken */
export function createInbox(gate: Gate, budget: ByteBudget, bytesMax: number): Inbox {
  let messages: Uint8Array[] = [];
  let bytes = 0;
  let isBehind = false;
  let end: { readonly reason: unknown } | undefined;
  let waiting: PromiseWithResolvers<Uint8Array | undefined> | undefined;

  function account(change: number): void {
    bytes += change;
    if (change > 0) budget.hold(change);
    else budget.release(-change);
    if (isBehind === bytes > bytesMax) return;
    isBehind = !isBehind;
    gate.add(isBehind ? 1 : -1);
  }

  function finish(reason: unknown): void {
    if (end !== undefined) return;
    end = { reason };
    if (reason === undefined) waiting?.resolve(undefined);
    else waiting?.reject(reason);
    waiting = undefined;
  }

  function take(): Uint8Array | undefined {
    const message = messages.shift();
    if (message !== undefined) account(-message.length);
    return message;
  }

  return {
    put(message) {
      if (end !== undefined) return;
      if (waiting !== undefined) {
        waiting.resolve(message);
        waiting = undefined;
        return;
      }
      messages.push(message);
      account(message.length);
    },
    end: () => finish(undefined),
    fail: finish,
    drop(reason) {
      messages = [];
      account(-bytes);
      finish(reason);
      if (end !== undefined && reason !== undefined) end = { reason };
    },
    next() {
      const message = take();
      if (message !== undefined) return Promise.resolve(message);
      if (end !== undefined) {
        return end.reason === undefined ? Promise.resolve(undefined) : Promise.reject(end.reason);
      }
      waiting ??= Promise.withResolvers();
      return waiting.promise;
    },
    take,
  };
}
