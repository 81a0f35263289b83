/**
 * What is counted against the limits of rates: by source address, by principal, and by principal
 * and tool.
 *
 * @module
 * @see contract.md, section 2, `RATE_LIMIT_PRINCIPAL`, `RATE_LIMIT_TOOL`, `RATE_LIMIT_SOURCE`
 */
import { RateLimited, untraced } from "../domain/errors.ts";
import { callerOf, type Principal } from "../domain/principal.ts";
import type { Rate } from "../domain/rate.ts";
import { parseAddress } from "../platform/addresses.ts";
import type { RateLimiter } from "./rate_limit.ts";

/** Why something is refused; `undefined` when it is not. */
export type Verdict = RateLimited | undefined;

/** Each counts one, and is `undefined` where there is no such limit. */
export interface RateLimits {
  /** @param peer address at the other end of the connection */
  readonly source: ((peer: string) => Verdict | Promise<Verdict>) | undefined;
  readonly principal: ((principal: Principal) => Verdict | Promise<Verdict>) | undefined;
  /** @param tool what is counted as one tool, under whatever name it is called */
  readonly tool:
    | ((principal: Principal, tool: string) => Verdict | Promise<Verdict>)
    | undefined;
}

export interface RateLimitsOptions {
  readonly rateOfSource: Rate | undefined;
  readonly rateOfPrincipal: Rate | undefined;
  readonly rateOfTool: Rate | undefined;
}

/** @param createLimiter makes a budget; `name` tells budgets apart that are kept in one place */
export function createRateLimits(
  createLimiter: (rate: Rate, name: string) => RateLimiter,
  { rateOfSource, rateOfPrincipal, rateOfTool }: RateLimitsOptions,
): RateLimits {
  const limitOf = (rate: Rate | undefined, name: string, what: string) => {
    if (rate === undefined) return undefined;
    const limiter = createLimiter(rate, name);
    const text = `${what}: ${rate.text} is the limit`;
    // To make one takes longer than all else about a refusal, and clients are told seconds.
    const refusals = new Map<number, RateLimited>();
    const verdict = (waitMs: number): Verdict => {
      if (waitMs <= 0) return undefined;
      const seconds = Math.ceil(waitMs / 1000);
      let refusal = refusals.get(seconds);
      if (refusal === undefined) {
        refusal = untraced(() => new RateLimited(text, seconds * 1000));
        refusals.set(seconds, refusal);
      }
      return refusal;
    };
    return (key: string) => {
      const waitMs = limiter.take(key);
      return typeof waitMs === "number" ? verdict(waitMs) : waitMs.then(verdict);
    };
  };
  const source = limitOf(rateOfSource, "source", "Too many requests from this address");
  const principal = limitOf(rateOfPrincipal, "principal", "Too many requests");
  const tool = limitOf(rateOfTool, "tool", "Too many calls of this tool");
  return {
    source: source && ((peer) => source(sourceOf(peer))),
    principal: principal && ((who) => principal(callerOf(who))),
    // With its length before it, no other tool and caller can come to the same text.
    tool: tool && ((who, name) => tool(`${name.length} ${name} ${callerOf(who)}`)),
  };
}

/** Bits of an IPv6 address that a host cannot choose: it has all that follows to itself. */
const NETWORK_BITS = 64n;

/** What is counted as one source: an IPv4 address, or the network of an IPv6 one. */
export function sourceOf(peer: string): string {
  if (!peer.includes(":")) return peer;
  const address = parseAddress(peer);
  if (address === undefined) return peer;
  if (address.bits === 32) return `4 ${address.value}`;
  return `6 ${address.value >> NETWORK_BITS}`;
}
