/**
 * Signals and claims within one process.
 *
 * @module
 */
import { createMemoryBus, type Exchange } from "../../src/events/memory_bus.ts";
import { type ClaimTable, createMemoryClaims } from "../../src/events/memory_claims.ts";
import type { Presence } from "../../src/events/presence.ts";
import { claimsContract } from "../contract/claims.ts";
import { signalBusContract } from "../contract/signal_bus.ts";
import { plainTimers } from "../support/redis_server.ts";

signalBusContract("signals in memory:", () => {
  const exchange: Exchange = new Map();
  return Promise.resolve({
    of(replica) {
      const bus = createMemoryBus(exchange, replica, { timers: plainTimers });
      bus.receive((signal) => signal);
      return Promise.resolve(bus);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});

claimsContract("claims in memory:", () => {
  const table: ClaimTable = new Map();
  const present = new Set<string>();
  return Promise.resolve({
    of(replica) {
      present.add(replica);
      const listeners: (() => void)[] = [];
      const presence: Presence = {
        isAlive: (other) => Promise.resolve(present.has(other)),
        count: () => present.size,
        isPresent: () => present.has(replica),
        onLost: (lost) => void listeners.push(lost),
        close: () => Promise.resolve(),
      };
      return Promise.resolve({
        claims: createMemoryClaims(table, { presence }, replica),
        die() {
          present.delete(replica);
          for (const lost of listeners) lost();
          return Promise.resolve();
        },
      });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});
