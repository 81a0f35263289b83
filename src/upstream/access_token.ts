/**
 * Access tokens for upstream servers, by client credentials: one for each server, kept until
 * shortly before its end, asked for by one request however many wait.
 *
 * @module
 * @see RFC 6749, section 4.4; RFC 8707; security.md, UPC-05
 */
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Clock } from "../platform/clock.ts";
import { DialError } from "../platform/dial.ts";
import { jittered } from "../platform/random.ts";
import type { Timers } from "../platform/timers.ts";
import {
  type ClientAuthentication,
  type ClientCredentials,
  type Grant,
  TokenRefused,
} from "./token_request.ts";

/** @typeParam S record that a token is for; one that has changed is another */
export interface AccessTokens<S extends object> {
  /**
   * @throws {DialError} `upstream_unavailable` when there is none to be had
   * @throws {GatewayError} `egress_denied`
   * @throws the reason of `signal`, which ends the waiting of this caller only
   */
  readonly get: (
    server: S,
    auth: ClientCredentials,
    signal: AbortSignal,
  ) => Promise<string>;
  /**
   * Another token than the one that the server has refused.
   * @returns `undefined` while it would be refused as well
   * @throws as `get`
   */
  readonly renew: (
    server: S,
    auth: ClientCredentials,
    token: string,
    signal: AbortSignal,
  ) => Promise<string | undefined>;
  /** The server has refused the token that `renew` gave. */
  readonly refused: (server: S, token: string) => void;
}

export interface AccessTokenDeps<S extends object> {
  readonly clock: Clock;
  readonly timers: Timers;
  /** One request to the token endpoint, as `requestToken`. */
  readonly request: (
    server: S,
    auth: ClientCredentials,
    by: ClientAuthentication,
    signal: AbortSignal,
  ) => Promise<Grant>;
}

/** What is known of one server's tokens. */
interface Holding {
  token: string | undefined;
  untilMs: number;
  fetching: Promise<string> | undefined;
  /** The authentication that the token endpoint is known to take. */
  by: ClientAuthentication | undefined;
  /** No token is asked for before. */
  readonly failed: Pause;
  /** No refused token is renewed before. */
  readonly refused: Pause;
  failure: unknown;
}

export function createAccessTokens<S extends object>(deps: AccessTokenDeps<S>): AccessTokens<S> {
  const { clock, timers } = deps;
  /** By record: one that has changed begins anew. */
  const holdings = new WeakMap<S, Holding>();

  function holdingOf(server: S): Holding {
    let holding = holdings.get(server);
    if (holding === undefined) {
      holding = {
        token: undefined,
        untilMs: 0,
        fetching: undefined,
        by: undefined,
        failed: createPause(clock),
        refused: createPause(clock),
        failure: undefined,
      };
      holdings.set(server, holding);
    }
    return holding;
  }

  async function get(server: S, auth: ClientCredentials, signal: AbortSignal) {
    const holding = holdingOf(server);
    const { token, untilMs } = holding;
    if (token !== undefined && clock.monotonic() < untilMs) return token;
    if (holding.fetching === undefined && holding.failed.holds()) throw shown(holding.failure);
    holding.fetching ??= fetched(holding, server, auth);
    return await untilAborted(holding.fetching, signal);
  }

  /** One that is fetched outlives its callers: the next ones will want it. */
  async function fetched(holding: Holding, server: S, auth: ClientCredentials) {
    const abort = new AbortController();
    const timer = timers.after(LIMITS.tokenReplyMs, () => abort.abort(new Error("Too late")));
    const startedMs = clock.monotonic();
    try {
      const { token, lifeMs } = await granted(holding, server, auth, abort.signal);
      holding.token = token;
      holding.untilMs = startedMs + usableMs(lifeMs);
      holding.failed.end();
      return token;
    } catch (error) {
      holding.token = undefined;
      holding.failure = error;
      holding.failed.begin();
      throw shown(error);
    } finally {
      timer.cancel();
      holding.fetching = undefined;
    }
  }

  /**
   * Servers must take HTTP Basic (RFC 6749, section 2.3.1), and some only take the body: as other
   * clients do, the second is tried when the first may not have been understood.
   */
  async function granted(
    holding: Holding,
    server: S,
    auth: ClientCredentials,
    signal: AbortSignal,
  ): Promise<Grant> {
    const known = holding.by;
    holding.by = undefined;
    let by = known ?? "basic";
    let grant: Grant;
    try {
      grant = await deps.request(server, auth, by, signal);
    } catch (error) {
      if (known !== undefined || !(error instanceof TokenRefused && error.mayBeMisread)) {
        throw error;
      }
      grant = await deps.request(server, auth, by = "body", signal);
    }
    holding.by = by;
    return grant;
  }

  return {
    get,
    async renew(server, auth, token, signal) {
      const holding = holdingOf(server);
      if (holding.token === token) {
        if (holding.refused.holds()) return undefined;
        holding.token = undefined;
      }
      return await get(server, auth, signal);
    },
    refused(server, token) {
      const holding = holdingOf(server);
      if (holding.token === token && !holding.refused.holds()) holding.refused.begin();
    },
  };
}

/** Shortly before its end: a tenth of its life, at most 30 s, for clocks and for the way there. */
function usableMs(lifeMs: number | undefined): number {
  const ms = Math.min(lifeMs ?? UNSAID_MS, LIMITS.tokenMsMax);
  return Math.max(USABLE_MS_MIN, ms - Math.min(EARLY_MS_MAX, ms / 10));
}

const EARLY_MS_MAX = 30_000;
/** A token that lives no time would be asked for with each call. */
const USABLE_MS_MIN = 1_000;
/** Of a token that nothing was said about. */
const UNSAID_MS = 5 * 60_000;

/** A time in which nothing is tried again: longer each time, until something has worked. */
interface Pause {
  readonly begin: () => void;
  readonly end: () => void;
  readonly holds: () => boolean;
}

function createPause(clock: Clock): Pause {
  let untilMs = -Infinity;
  let nextMs = PAUSE_MS_MIN;
  return {
    begin() {
      untilMs = clock.monotonic() + jittered(nextMs);
      nextMs = Math.min(2 * nextMs, LIMITS.tokenRetryMs);
    },
    end() {
      untilMs = -Infinity;
      nextMs = PAUSE_MS_MIN;
    },
    holds: () => clock.monotonic() < untilMs,
  };
}

const PAUSE_MS_MIN = 1_000;

/** The failure as each caller gets it: nothing was sent to the upstream server. */
function shown(cause: unknown): GatewayError {
  if (cause instanceof GatewayError && cause.code === "egress_denied") {
    return new GatewayError(cause.code, cause.message, { cause });
  }
  const text = cause instanceof TokenRefused
    ? "The token endpoint of the upstream server refused the gateway's credentials"
    : "The gateway could not get an access token for the upstream server";
  return new DialError("upstream_unavailable", text, { cause });
}

function untilAborted<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    result.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
