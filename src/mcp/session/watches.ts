/**
 * Watches upstream servers' own streams (GET): what a server says outside of calls goes onto the
 * stream on which the client listens, whether or not it is connected.
 *
 * @module
 * @see MCP 2025-11-25, Transports, "Listening for Messages from the Server"
 */
import { GatewayError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { NewEvent } from "../../events/store.ts";
import { jittered } from "../../platform/random.ts";
import { sleep, type Timers } from "../../platform/timers.ts";
import { ServerGone } from "../../upstream/lifetimes.ts";
import { UpstreamStatusError } from "../../upstream/reply.ts";
import { broken } from "../upstream_message.ts";
import { takeArrived } from "./exchange.ts";
import { type InboundEdits, sessionInbound } from "./inbound.ts";
import { sendOneWay } from "./one_way.ts";
import type { Questions } from "./questions.ts";
import { RETRY_MS, RETRY_MS_MIN, warning } from "./reader.ts";
import { ownId } from "./reverse.ts";
import type { Session } from "./session.ts";
import type { SessionReply, UpstreamSessions } from "./upstream_sessions.ts";

/** One server's stream, watched for one session. */
export interface Watch {
  readonly abort: AbortController;
  /** Resolves when the stream is open, cannot be opened for now, or is not waited for any more. */
  readonly opened: Promise<void>;
  /** Whether the server has no such stream, or does not give it any more. */
  isOver: boolean;
}

export interface Watches {
  /**
   * Resolves when the stream is open, cannot be, or takes too long to wait for.
   * @param wasWatched whether it was watched before, by this process or another
   */
  readonly ensure: (
    session: Session,
    server: UpstreamServer,
    wasWatched: boolean,
  ) => Promise<void>;
  /**
   * The same, on the session that the server has now.
   * @param isFirst whether it had none before, of which something could have been missed
   */
  readonly again: (session: Session, server: UpstreamServer, isFirst: boolean) => Promise<void>;
  /** Nobody wants to hear it any more. */
  readonly stop: (session: Session, server: Pick<UpstreamServer, "slug">) => void;
}

/** Why a watch begins: for the first time, after a restart, or on another upstream session. */
type Occasion = "first" | "again" | "new session";

export interface WatchesDeps {
  /** Late bound: sessions that are opened anew are watched before they are used. */
  readonly upstream: () => UpstreamSessions;
  readonly questions: () => Questions;
  readonly timers: Timers;
  /** Keeps what is for the client; false when the session is over. */
  readonly say: (
    session: Session,
    events: readonly NewEvent[],
    eventId: string | undefined,
  ) => Promise<boolean>;
  /** Passed on at once. */
  readonly messagesMax: number;
  /** Where the server's stream was left, by this replica or another. */
  readonly lastEventId: (session: Session) => Promise<string | undefined>;
  /** The server with this slug, whoever may see it. */
  readonly serverOf: (slug: string) => UpstreamServer | undefined;
  /** Whether what this server says is for the client: rights may have changed meanwhile. */
  readonly mayHear: (session: Session, server: UpstreamServer) => boolean;
  /** What is different in a view. */
  readonly editsOf: (session: Session, server: UpstreamServer) => InboundEdits | undefined;
  readonly failed: (session: Session, server: UpstreamServer, error: unknown) => void;
}

/** How long a client waits for the stream to be open. */
export const OPENED_MS = 500;
/** The same where that is not said: some servers send the head of it with the first event only. */
const ASKED_MS = 100;
const BACKOFF_MS_MAX = 30_000;
const PING_MS = 5_000;

class Ended extends GatewayError {
  constructor() {
    super("unavailable", "The stream is not watched any more");
  }
}

/** The server's last event that was kept, and one behind it of which nobody knows. */
interface Doubt {
  readonly sure: string | undefined;
  readonly tried: string | undefined;
}

/** The store is away: what a server said was perhaps kept. */
class NotKept extends Error {
  readonly doubt: Doubt | undefined;

  constructor(cause: unknown, doubt: Doubt | undefined) {
    super("What a server said could not be kept", { cause });
    this.doubt = doubt;
  }
}

function kept<T>(asked: Promise<T>, doubt?: Doubt): Promise<T> {
  return asked.catch((cause) => {
    throw new NotKept(cause, doubt);
  });
}

/** Where a server's stream is to be gone on with. */
interface Place {
  readonly eventId: string | undefined;
  /** Whether something may have been said that nobody can ask for any more. */
  readonly hasGap: boolean;
}

const NOWHERE: Place = { eventId: undefined, hasGap: true };

function placeBehind(eventId: string | undefined): Place {
  return eventId === undefined || eventId === NO_EVENT ? NOWHERE : { eventId, hasGap: false };
}

/** @param eventId where the store says that it was left */
function placeAfter(eventId: string | undefined, doubt: Doubt | undefined): Place {
  if (doubt === undefined) return placeBehind(eventId);
  // A store that failed over may name one that clients have heard long ago.
  return placeBehind(eventId === doubt.tried ? eventId : doubt.sure);
}

export function createWatches(deps: WatchesDeps): Watches {
  const { timers } = deps;
  /** Servers that did not say in time that the stream is open, until they do. */
  const late = new WeakSet<UpstreamServer>();

  function begin(session: Session, server: UpstreamServer, occasion: Occasion): Watch {
    const abort = new AbortController();
    const { promise, resolve: opened } = Promise.withResolvers<void>();
    const watch: Watch = { abort, opened: inTime(server, promise), isOver: false };
    const end = () => abort.abort(new Ended());
    session.end.signal.addEventListener("abort", end);
    session.watches.set(server.slug, watch);
    run(session, server, abort, occasion, opened).catch((error) => {
      const isGone = abort.signal.reason instanceof ServerGone;
      if (abort.signal.aborted && !isGone) return;
      // Whoever listens next tries again.
      session.watches.delete(server.slug);
      const now = isGone ? deps.serverOf(server.slug) : undefined;
      if (now !== undefined) return void begin(session, now, "new session");
      deps.failed(session, server, error);
    }).finally(() => {
      watch.isOver = true;
      opened();
      session.end.signal.removeEventListener("abort", end);
    });
    return watch;
  }

  async function run(
    session: Session,
    server: UpstreamServer,
    abort: AbortController,
    occasion: Occasion,
    opened: () => void,
  ): Promise<void> {
    let place: Place | undefined = occasion === "again"
      ? undefined
      : { eventId: undefined, hasGap: occasion === "new session" };
    let doubt: Doubt | undefined;
    let attempts = 0;
    for (;;) {
      abort.signal.throwIfAborted();
      let waitMs = Math.min(RETRY_MS * 2 ** attempts++, BACKOFF_MS_MAX);
      try {
        place ??= placeAfter(await kept(deps.lastEventId(session)), doubt);
        const reply = await openStream(deps, session, server, abort, place.eventId);
        if (typeof reply === "number") {
          // It may be the event that it does not know; only then the session, or the stream at all.
          if (place.eventId !== undefined) {
            place = NOWHERE;
            continue;
          }
          if (NOT_OFFERED.includes(reply)) return;
        } else if (reply !== undefined) {
          // Nor can anybody ask later for what an event of another session stood before.
          if (place.hasGap && !await kept(deps.say(session, [GAP], NO_EVENT))) return;
          opened();
          const { eventId }: Place = place;
          place = undefined;
          const said = await pump(deps, session, server, reply, eventId);
          if (said === "nobody listens") return;
          place = placeBehind(reply.lastEventId() ?? eventId);
          // One that ends its stream at once, again and again, is asked less and less often.
          if (said > 0) attempts = 0;
          waitMs = Math.max(reply.retryMs() ?? waitMs, RETRY_MS_MIN);
        }
      } catch (error) {
        if (!(error instanceof NotKept)) throw error;
        doubt = error.doubt ?? doubt;
        deps.failed(session, server, error.cause);
      }
      opened();
      await sleep(timers, jittered(waitMs), abort.signal);
    }
  }

  async function inTime(server: UpstreamServer, opened: Promise<void>): Promise<void> {
    const enough = new AbortController();
    const waitMs = late.has(server) ? ASKED_MS : OPENED_MS;
    const isOpen = await Promise.race([
      opened.then(() => true),
      sleep(timers, waitMs, enough.signal).then(() => false),
    ]);
    enough.abort();
    if (isOpen) late.delete(server);
    else late.add(server);
  }

  return {
    ensure(session, server, wasWatched) {
      const begun = session.watches.get(server.slug);
      return (begun ?? begin(session, server, wasWatched ? "again" : "first")).opened;
    },
    again(session, server, isFirst) {
      session.watches.get(server.slug)?.abort.abort(new Ended());
      return begin(session, server, isFirst ? "first" : "new session").opened;
    },
    stop(session, server) {
      session.watches.get(server.slug)?.abort.abort(new Ended());
      session.watches.delete(server.slug);
    },
  };
}

/** A status when the server refuses, `undefined` when it cannot be reached. */
async function openStream(
  deps: WatchesDeps,
  session: Session,
  server: UpstreamServer,
  abort: AbortController,
  eventId: string | undefined,
): Promise<SessionReply | number | undefined> {
  try {
    const reply = await deps.upstream().send(session, server, {
      body: undefined,
      idempotent: true,
      isQuiet: true,
      // Some servers send the head of their reply with the first event only.
      firstMs: Infinity,
      silenceMs: Infinity,
      totalMs: Infinity,
      abort,
      eventId,
      primed: (id) => void deps.say(session, [], id).catch(() => {}),
    });
    if (reply.isStream) return reply;
    reply.close();
    return await refused(deps, session, server, reply.status, eventId, abort);
  } catch (error) {
    abort.signal.throwIfAborted();
    if (!(error instanceof UpstreamStatusError)) return undefined;
    return await refused(deps, session, server, error.status, eventId, abort);
  }
}

/**
 * A 404 says that there is no such session, or no such stream: a ping tells which. If it was the
 * session, that has been opened anew then, and is watched by a watch of its own.
 */
async function refused(
  deps: WatchesDeps,
  session: Session,
  server: UpstreamServer,
  status: number,
  eventId: string | undefined,
  abort: AbortController,
): Promise<number | undefined> {
  if (status !== 404 || eventId !== undefined) return status;
  try {
    const ping = { jsonrpc: "2.0", id: ownId("ping"), method: "ping" };
    const body = new TextEncoder().encode(JSON.stringify(ping));
    await sendOneWay(deps.upstream(), session, server, body, PING_MS);
  } catch (error) {
    if (!(error instanceof UpstreamStatusError)) return undefined;
  }
  abort.signal.throwIfAborted();
  return status;
}

/** Passes on what the server says until it closes the stream; gives the number of messages. */
async function pump(
  deps: WatchesDeps,
  session: Session,
  server: UpstreamServer,
  reply: SessionReply,
  after: string | undefined,
): Promise<number | "nobody listens"> {
  let said = 0;
  let sure = after;
  try {
    for (let one = await reply.next(); one !== undefined; one = await reply.next()) {
      const arrived = takeArrived(reply, one, deps.messagesMax);
      const events = arrived.flatMap((bytes) => told(deps, session, server, bytes, reply.epoch));
      const tried = reply.lastEventId();
      if (!await kept(deps.say(session, events, tried), { sure, tried })) return "nobody listens";
      sure = tried ?? sure;
      said += events.length;
    }
  } catch (error) {
    if (error instanceof Ended || error instanceof NotKept) throw error;
    deps.failed(session, server, error);
  } finally {
    reply.close();
  }
  return said;
}

/** One message for the client; what is none is left out, and the server's stream goes on. */
function told(
  deps: WatchesDeps,
  session: Session,
  server: UpstreamServer,
  bytes: Uint8Array,
  epoch: number,
): NewEvent[] {
  if (!deps.mayHear(session, server)) return [];
  try {
    // Every message of a stream is a buffer of its own.
    const edits = deps.editsOf(session, server);
    const origin = { server: server.slug, epoch, isOwned: true, status: 200, edits };
    const inbound = sessionInbound(bytes, undefined, origin);
    const { question, withdrawn } = inbound ?? {};
    if (question !== undefined && (session.asks?.size ?? 0) >= LIMITS.questionsOpen) {
      throw broken("too many questions at once");
    }
    if (question !== undefined) deps.questions().open({ session, server, at: session }, question);
    if (withdrawn !== undefined) deps.questions().close(session, server, withdrawn);
    return inbound === undefined ? [] : [{ message: inbound.message, isResponse: false }];
  } catch (error) {
    deps.failed(session, server, error);
    return [];
  }
}

/** Something may be lost, nobody knows how much. */
const GAP: NewEvent = {
  message: new TextEncoder().encode(JSON.stringify(warning({ gap: true }))),
  isResponse: false,
};

/** There is no event of the server's to go on from. */
const NO_EVENT = "";

/** How servers say that they have no such stream. */
const NOT_OFFERED = [400, 404, 405, 406, 501];
