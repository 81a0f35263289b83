/**
 * A client of upstream servers that has so many requests under way at each at once. Further ones wait
 * for a moment, callers in turns; then they are told that the server is busy, and nothing was sent.
 *
 * A request is under way until its answer is there, or its stream has been closed. Streams on which
 * a server is listened to do not count, nor what gets no answer: an answer to a server's question
 * must not wait for the call that asks it.
 *
 * @module
 * @see contract.md, section 2, `UPSTREAM_CONCURRENCY`
 */
import { GatewayError, RateLimited } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { UpstreamServer } from "../domain/server.ts";
import type { Timers } from "../platform/timers.ts";
import type { UpstreamClient, UpstreamRequest } from "./client.ts";
import type { UpstreamReply } from "./reply.ts";
import { createTurns, type Turns } from "./turns.ts";

/** The server has as much to do as it may have, and nothing was sent. */
export class UpstreamBusy extends RateLimited {
  constructor({ name }: Pick<UpstreamServer, "name">) {
    super(`The upstream server "${name}" is busy: nothing was sent to it`, RETRY_MS);
  }
}

const RETRY_MS = 1_000;

/** The client did not want the answer any more, before anything was sent. */
class NotWanted extends GatewayError {
  constructor() {
    super("outcome_unknown", "The request was cancelled before it was sent");
  }
}

export function createConcurrencyClient(
  client: UpstreamClient,
  timers: Timers,
  { upstreamConcurrency }: { readonly upstreamConcurrency: number },
): UpstreamClient {
  const known = new WeakMap<UpstreamServer, Turns>();

  function turnsOf(server: UpstreamServer): Turns {
    let turns = known.get(server);
    if (turns === undefined) {
      turns = createTurns(timers, {
        places: upstreamConcurrency,
        waitingMax: LIMITS.upstreamWaiting,
        waitMs: LIMITS.upstreamWaitMs,
        tooBusy: () => new UpstreamBusy(server),
      });
      known.set(server, turns);
    }
    return turns;
  }

  async function waited(turns: Turns, server: UpstreamServer, request: UpstreamRequest) {
    await turns.wait(request.caller ?? "", request.abort.signal);
    if (request.isWanted?.() !== false) return await placed(turns, server, request);
    turns.give();
    throw new NotWanted();
  }

  /** Has a place, and gives it back. */
  function placed(
    turns: Turns,
    server: UpstreamServer,
    request: UpstreamRequest,
  ): Promise<UpstreamReply> {
    let sent: Promise<UpstreamReply>;
    try {
      sent = client.send(server, request);
    } catch (error) {
      turns.give();
      throw error;
    }
    return sent.then((reply) => {
      if (reply.isStream === true) return untilClosed(reply, request, turns.give);
      turns.give();
      return reply;
    }, (error) => {
      turns.give();
      throw error;
    });
  }

  return {
    send(server, request) {
      // Its tools are of many APIs, which are counted one by one.
      if (!isCounted(request) || server.transport === "own") return client.send(server, request);
      const turns = turnsOf(server);
      return turns.take() ? placed(turns, server, request) : waited(turns, server, request);
    },
    remove: client.remove,
  };
}

function isCounted({ isOneWay, isQuiet, totalMs }: UpstreamRequest): boolean {
  return !isOneWay && !isQuiet && totalMs !== Infinity;
}

/** Tells once when nothing more comes on a stream, or nobody wants it. */
function untilClosed(
  reply: UpstreamReply,
  { abort: { signal } }: UpstreamRequest,
  closed: () => void,
): UpstreamReply {
  let isOpen = true;
  const over = () => {
    if (!isOpen) return;
    isOpen = false;
    signal.removeEventListener("abort", over);
    closed();
  };
  signal.addEventListener("abort", over);
  if (signal.aborted) over();
  return {
    ...reply,
    async next() {
      try {
        const message = await reply.next();
        if (message === undefined) over();
        return message;
      } catch (error) {
        over();
        throw error;
      }
    },
    close() {
      over();
      reply.close();
    },
  };
}
