/**
 * Calls that wait for their client to come back with answers: few, not for long, and each for the
 * request that it belongs to.
 *
 * @module
 * @see security.md, SESS-16
 */
import { GatewayError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { callerOf } from "../../domain/principal.ts";
import { createByteBudget } from "../../platform/byte_budget.ts";
import { randomText } from "../../platform/random.ts";
import type { Timer, Timers } from "../../platform/timers.ts";
import type { UpstreamCall } from "../stateless_calls.ts";
import { badState, type RequestStates } from "./request_state.ts";

export interface Parking<T extends Parkable> {
  /**
   * @returns the `requestState` that leads back to it, once
   * @throws {GatewayError} `rate_limited` when too many wait
   */
  readonly park: (call: UpstreamCall, parked: T) => string;
  /**
   * The call that a request goes on with; `undefined` when that is to be made again.
   * @throws {ProtocolError} -32602 for a state that is not good for this request, or was used
   */
  readonly takeOut: (call: UpstreamCall) => T | undefined;
  /**
   * The other replica on which the call waits that a request goes on with.
   * @throws as `takeOut`
   */
  readonly elsewhere: (call: UpstreamCall) => string | undefined;
  /** The state of a request that is to be made again. */
  readonly again: (call: UpstreamCall) => string;
  /** So many bytes more wait with a parked call, or less. */
  readonly held: (parked: T, bytes: number) => void;
  readonly size: () => number;
  /** Gives all of them up. */
  readonly close: () => void;
}

export interface Parkable {
  /** Nobody has come back in time. */
  readonly giveUp: () => void;
}

interface Place<T> {
  readonly id: string;
  readonly caller: string;
  readonly parked: T;
  readonly timer: Timer;
}

export interface ParkingDeps {
  readonly states: RequestStates;
  readonly timers: Timers;
  /** Wall clock. */
  readonly now: () => number;
  /** This one: the ids of parked calls begin with it. */
  readonly replica: string;
}

const ID_BYTES = 16;

export function createParking<T extends Parkable>(
  { states, timers, now, replica }: ParkingDeps,
  { askMs }: { readonly askMs: number },
): Parking<T> {
  const places = new Map<string, Place<T>>();
  const perCaller = new Map<string, number>();
  const budget = createByteBudget(LIMITS.parkedBytes);

  function remove({ id, caller, timer }: Place<T>): void {
    timer.cancel();
    places.delete(id);
    const left = perCaller.get(caller)! - 1;
    if (left === 0) perCaller.delete(caller);
    else perCaller.set(caller, left);
  }

  function giveUp(place: Place<T>): void {
    remove(place);
    place.parked.giveUp();
  }

  return {
    park(call, parked) {
      const caller = callerOf(call.principal);
      const own = perCaller.get(caller) ?? 0;
      if (own >= LIMITS.parkedCallsPerPrincipal || places.size >= LIMITS.parkedCalls) {
        const text = "Too many calls wait for answers of their clients";
        throw new GatewayError("rate_limited", text);
      }
      const id = `${replica}.${randomText(ID_BYTES)}`;
      const place = { id, caller, parked, timer: timers.after(askMs, () => giveUp(place)) };
      places.set(id, place);
      perCaller.set(caller, own + 1);
      return states.seal(call, { parked: id, expiresMs: now() + askMs });
    },
    takeOut(call) {
      const state = states.open(call);
      if (state.parked === undefined) return undefined;
      const place = places.get(state.parked);
      if (place === undefined) throw badState();
      remove(place);
      return place.parked;
    },
    elsewhere(call) {
      const owner = states.open(call).parked?.split(".", 1)[0];
      return owner === replica ? undefined : owner;
    },
    again: (call) => states.seal(call, { parked: undefined, expiresMs: now() + askMs }),
    held(parked, bytes) {
      budget.hold(bytes);
      if (bytes <= 0 || !budget.isSpent()) return;
      for (const place of places.values()) if (place.parked === parked) giveUp(place);
    },
    size: () => places.size,
    close() {
      for (const place of places.values()) giveUp(place);
    },
  };
}
