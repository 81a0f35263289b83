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
  /** Resolves when the stream is open, or cannot be opened for now. */
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

/** How long a client waits for it: it may never be said that the stream is open. */
const OPENED_MS = 500;
const BACKOFF_MS_MAX = 30_000;
const PING_MS = 5_000;

class Ended extends GatewayError {
  constructor() {
    super("unavailable", "The stream is not watched any more");
  }
}

export function createWatches(deps: WatchesDeps): Watches {
  const { timers } = deps;

  function begin(session: Session, server: UpstreamServer, occasion: Occasion): Watch {
    const abort = new AbortController();
    let opened!: () => void;
    const watch: Watch = {
      abort,
      opened: new Promise<void>((resolve) => opened = resolve),
      isOver: false,
    };
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
    const lastId = occasion === "again" ? await deps.lastEventId(session) : undefined;
    let eventId = lastId === NO_EVENT ? undefined : lastId;
    /** Whether something may have been said that nobody can ask for any more. */
    let hasGap = occasion !== "first" && eventId === undefined;
    let attempts = 0;
    for (;;) {
      abort.signal.throwIfAborted();
      const reply = await openStream(deps, session, server, abort, eventId);
      let waitMs = Math.min(RETRY_MS * 2 ** attempts++, BACKOFF_MS_MAX);
      if (typeof reply === "number") {
        // It may be the event that it does not know; only then the session, or the stream at all.
        if (eventId !== undefined) {
          eventId = undefined;
          hasGap = true;
          continue;
        }
        if (NOT_OFFERED.includes(reply)) return;
      } else if (reply !== undefined) {
        // Nor can anybody ask later for what an event of another session stood before.
        if (hasGap && !await deps.say(session, [GAP], NO_EVENT)) return;
        opened();
        const said = await pump(deps, session, server, reply);
        if (said === "nobody listens") return;
        eventId = reply.lastEventId() ?? eventId;
        hasGap = eventId === undefined;
        // One that ends its stream at once, again and again, is asked less and less often.
        if (said > 0) attempts = 0;
        waitMs = Math.max(reply.retryMs() ?? waitMs, RETRY_MS_MIN);
      }
      opened();
      await sleep(timers, jittered(waitMs), abort.signal);
    }
  }

  async function isOpen({ opened }: Watch): Promise<void> {
    await Promise.race([opened, sleep(timers, OPENED_MS)]);
  }

  return {
    ensure(session, server, wasWatched) {
      const begun = session.watches.get(server.slug);
      return isOpen(begun ?? begin(session, server, wasWatched ? "again" : "first"));
    },
    again(session, server, isFirst) {
      session.watches.get(server.slug)?.abort.abort(new Ended());
      return isOpen(begin(session, server, isFirst ? "first" : "new session"));
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
): Promise<number | "nobody listens"> {
  let said = 0;
  try {
    for (let one = await reply.next(); one !== undefined; one = await reply.next()) {
      const arrived = takeArrived(reply, one, deps.messagesMax);
      const events = arrived.flatMap((bytes) => told(deps, session, server, bytes, reply.epoch));
      if (!await deps.say(session, events, reply.lastEventId())) return "nobody listens";
      said += events.length;
    }
  } catch (error) {
    if (error instanceof Ended) throw error;
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
