/**
 * Signals within one process: between replicas of a test, or of a gateway to itself.
 *
 * @module
 */
import type { Timers } from "../platform/timers.ts";
import { ANSWER_MS, type Delivery, type Receive, type SignalBus } from "./bus.ts";
import type { ReplicaId } from "./presence.ts";

/** Who can be reached. */
export type Exchange = Map<ReplicaId, Receive>;

export function createMemoryBus(
  exchange: Exchange,
  self: ReplicaId,
  { timers }: { readonly timers: Timers },
): SignalBus {
  return {
    send(to, signal) {
      const receive = exchange.get(to);
      if (receive === undefined) return Promise.resolve({ kind: "undelivered" });
      return new Promise<Delivery>((resolve) => {
        const timer = timers.after(ANSWER_MS, () => resolve({ kind: "unknown" }));
        Promise.try(receive, signal, self).then((answer) => {
          timer.cancel();
          resolve({ kind: "answered", answer });
        }, () => {});
      });
    },
    receive: (receive) => void exchange.set(self, receive),
    close: () => void exchange.delete(self),
  };
}
