/**
 * The gateway as a client of its own at upstream servers, in both eras.
 *
 * @module
 */
import type { Description, UpstreamReader } from "../../catalog/reader.ts";
import { announcedKinds } from "../../catalog/offering.ts";
import { GatewayError } from "../../domain/errors.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Pace } from "../../platform/pace.ts";
import type { Timers } from "../../platform/timers.ts";
import type { UpstreamClient } from "../../upstream/client.ts";
import type { Era, EraProbe } from "../era_probe.ts";
import { type JsonObject, METHOD_NOT_FOUND } from "../message.ts";
import { createOwnCalls, OwnRefusal } from "./calls.ts";
import { createSessionSide } from "./own_session.ts";
import { createStatelessSide } from "./own_stateless.ts";
import { LISTS, pageOf } from "./pages.ts";
import type { OwnSide } from "./side.ts";
import { watchServer } from "./watching.ts";

export interface OwnReaderDeps {
  readonly client: UpstreamClient;
  readonly eras: EraProbe;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly pace: Pace;
  /** A stream on which a server is listened to broke, or carried what is no message. */
  readonly failed: (server: UpstreamServer, error: unknown) => void;
  /** See `WatchingDeps`. */
  readonly told: (server: UpstreamServer, params: JsonObject) => void;
}

export interface OwnReaderOptions {
  /** Of this program. */
  readonly version: string;
  /** Longest silence of a server in a request. */
  readonly firstByteMs: number;
}

/** What is known of one server. */
interface Known {
  /** Aborted when the server is forgotten. */
  readonly life: AbortController;
  side: OwnSide | undefined;
  description: Description | undefined;
}

/** A whole answer: a list of several MiB over a slow line. */
const ANSWER_MS = 60_000;
/** How long is waited for a server to be told that it is forgotten. */
const CLOSE_MS = 3_000;

class Forgotten extends GatewayError {
  constructor() {
    super("unavailable", "The upstream server is not read any more");
  }
}

export function createOwnReader(deps: OwnReaderDeps, options: OwnReaderOptions): UpstreamReader {
  const { client, eras, timers } = deps;
  const calls = createOwnCalls(deps, {
    firstByteMs: options.firstByteMs,
    answerMs: Math.max(ANSWER_MS, options.firstByteMs),
  });
  const sides: Readonly<Record<Era, OwnSide>> = {
    stateless: createStatelessSide(calls, eras, options.version),
    session: createSessionSide({ client, calls, eras }, options),
  };
  const servers = new Map<UpstreamServer, Known>();
  let isClosed = false;

  function knownOf(server: UpstreamServer): Known {
    if (isClosed) throw new Forgotten();
    const known = servers.get(server) ??
      { life: new AbortController(), side: undefined, description: undefined };
    servers.set(server, known);
    return known;
  }

  /** The era is asked for anew: a server may have been replaced by one of the other. */
  async function described(server: UpstreamServer): Promise<Known & { side: OwnSide }> {
    const known = knownOf(server);
    const side = sides[await withAbort(known, () => eras.eraOf(server, true))];
    if (known.side !== undefined && known.side !== side) await known.side.end(server);
    known.side = side;
    const description = await withAbort(known, (abort) => side.describe(server, abort));
    known.life.signal.throwIfAborted();
    known.description = description;
    return Object.assign(known, { side });
  }

  async function sideOf(server: UpstreamServer): Promise<OwnSide> {
    const known = knownOf(server);
    if (known.side !== undefined && known.description !== undefined) return known.side;
    return (await described(server)).side;
  }

  async function forget(server: UpstreamServer): Promise<void> {
    const known = servers.get(server);
    servers.delete(server);
    known?.life.abort(new Forgotten());
    if (known?.side !== undefined) await inTime(timers, known.side.end(server));
  }

  return {
    async describe(server) {
      const { description } = await described(server);
      return description!;
    },
    async page(server, kind, cursor) {
      const side = await sideOf(server);
      const { method } = LISTS[kind];
      const params = cursor === undefined ? undefined : { cursor };
      const answer = await withAbort(
        knownOf(server),
        (abort) => side.ask(server, method, params, abort),
      );
      const { result, code } = answer;
      if (code === METHOD_NOT_FOUND) return undefined;
      if (result === undefined) throw new OwnRefusal(method, code ?? 0);
      return await pageOf({ ...answer, result }, kind, deps.pace);
    },
    async ping(server) {
      const known = knownOf(server);
      if (known.side === undefined || known.description === undefined) {
        await described(server);
        return;
      }
      const { side } = known;
      // An error is a sign of life, too.
      await withAbort(known, (abort) => side.ask(server, side.pingMethod, undefined, abort));
    },
    watch(server, heard) {
      const known = knownOf(server);
      const abort = new AbortController();
      const end = () => abort.abort(known.life.signal.reason);
      known.life.signal.addEventListener("abort", end);
      abort.signal.addEventListener(
        "abort",
        () => known.life.signal.removeEventListener("abort", end),
      );
      const kinds = announcedKinds(known.description?.capabilities ?? {});
      return watchServer(deps, { server, kinds, sideOf: () => sideOf(server), heard, abort });
    },
    forget,
    async close() {
      isClosed = true;
      await Promise.all([...servers.keys()].map(forget));
    },
  };
}

/** Waits until it is done or the server is forgotten, even for what cannot be aborted. */
async function withAbort<T>(
  { life }: Known,
  act: (abort: AbortController) => Promise<T>,
): Promise<T> {
  life.signal.throwIfAborted();
  const abort = new AbortController();
  const { promise: forgotten, reject } = Promise.withResolvers<never>();
  const end = () => {
    abort.abort(life.signal.reason);
    reject(life.signal.reason);
  };
  life.signal.addEventListener("abort", end);
  try {
    return await Promise.race([act(abort), forgotten]);
  } finally {
    life.signal.removeEventListener("abort", end);
  }
}

/** It goes on when nobody waits any more. */
function inTime(timers: Timers, ending: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const timer = timers.after(CLOSE_MS, resolve);
    void ending.then(() => {
      timer.cancel();
      resolve();
    });
  });
}
