/**
 * Signals between replicas of one process, in order, and lost when a test wants it.
 *
 * @module
 */
import type { Post } from "../../src/events/remote.ts";

export interface MemoryPosts {
  readonly of: (replica: string) => Post;
  /** The replica is gone: nothing reaches it, nothing comes from it. */
  readonly kill: (replica: string) => void;
  /** Signals for which this is true are lost. */
  readonly lose: (isLost: (from: string, to: string, text: string) => boolean) => void;
}

export function memoryPosts(): MemoryPosts {
  const boxes = new Map<string, (from: string, signal: Uint8Array) => void>();
  const dead = new Set<string>();
  let isLost = (_from: string, _to: string, _text: string) => false;
  return {
    of: (self) => ({
      self,
      async send(to, signal) {
        await Promise.resolve();
        if (dead.has(self) || dead.has(to)) return;
        if (isLost(self, to, new TextDecoder().decode(signal))) return;
        boxes.get(to)?.(self, signal.slice());
      },
      receive: (took) => void boxes.set(self, took),
      others: () =>
        Promise.resolve([...boxes.keys()].filter((name) => name !== self && !dead.has(name))),
      isAlive: (replica) => Promise.resolve(boxes.has(replica) && !dead.has(replica)),
    }),
    kill: (replica) => void dead.add(replica),
    lose: (wanted) => void (isLost = wanted),
  };
}
