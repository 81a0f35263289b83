/**
 * Places for event streams on which clients listen, so many for each principal: GET streams of
 * sessions, `subscriptions/listen`, and the streams of the transport of 2024-11-05 together.
 *
 * @module
 * @see contract.md, section 2, `STREAMS_PER_PRINCIPAL`; security.md, LIM-10
 */
import { GatewayError } from "../domain/errors.ts";
import { callerOf, type Principal } from "../domain/principal.ts";

export interface StreamPlaces {
  /**
   * Takes a place, which is given back when the response has been sent, or sooner.
   * @param delivered settles when the response has been sent, or cannot be any more
   * @returns gives the place back; a second time does nothing
   * @throws {GatewayError} `rate_limited`
   */
  readonly take: (principal: Principal, delivered: Promise<void>) => () => void;
}

export function createStreamPlaces({ perPrincipal }: { readonly perPrincipal: number }) {
  const taken = new Map<string, number>();

  function give(name: string): void {
    const left = taken.get(name)! - 1;
    if (left === 0) taken.delete(name);
    else taken.set(name, left);
  }

  return {
    take(principal, delivered) {
      const name = callerOf(principal);
      const count = taken.get(name) ?? 0;
      if (count >= perPrincipal) throw tooMany(perPrincipal);
      taken.set(name, count + 1);
      let isTaken = true;
      const back = () => {
        if (isTaken) give(name);
        isTaken = false;
      };
      // However it comes to its end, and whether or not anybody notices.
      delivered.then(back, back);
      return back;
    },
  } satisfies StreamPlaces;
}

function tooMany(max: number): GatewayError {
  const text = `You have ${max} open event streams, which is the most allowed; close one first`;
  return new GatewayError("rate_limited", text);
}
