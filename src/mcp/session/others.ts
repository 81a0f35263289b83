/**
 * Messages of a session that are about what another replica does: the call that is cancelled runs
 * there, or the question is answered that was asked there.
 *
 * @module
 * @see design.md, "Sessions belong to no replica, running calls do", "Cancel and answers"
 */
import type { Note, Remote } from "../../events/remote.ts";
import type { StreamId } from "../../events/store.ts";
import { sleep, type Timers } from "../../platform/timers.ts";
import { type ClientMessage, decodeClientMessage } from "../message.ts";
import type { SessionCalls } from "./calls.ts";
import type { SessionKey } from "./directory.ts";
import { COPY_MS, type SessionRegistry } from "./registry.ts";
import { cancelledKey, questionOf } from "./reverse.ts";
import type { Session } from "./session.ts";
import type { Streams } from "./streams.ts";

export interface Others {
  /**
   * Has another replica take the message.
   * @returns false when it is to be taken here: it is about nothing that another one does
   */
  readonly take: (session: Session, message: ClientMessage) => Promise<boolean>;
  /** Whether a client reads the stream at another replica. */
  readonly isRead: (stream: StreamId) => Promise<boolean>;
  /** It is read here from now on: who reads it at another replica is sent away. */
  readonly readsHere: (stream: StreamId) => Promise<void>;
  /**
   * The session has ended: what is done for it elsewhere must end too. Resolves when no other replica
   * takes a message of it any more.
   */
  readonly ended: (session: Session) => Promise<void>;
}

export interface OthersDeps {
  readonly remote: Remote;
  readonly timers: Timers;
  readonly calls: Pick<SessionCalls, "serverOf" | "isAsked">;
  readonly registry: Pick<SessionRegistry, "held" | "drop">;
  readonly streams: Pick<Streams, "hasReader" | "stop">;
  /** Takes a message here. */
  readonly oneWay: (session: Session, message: ClientMessage) => Promise<unknown>;
  readonly failed: (kind: string, error: unknown) => void;
}

const TAKE = "take a message of a session";
const END = "end what is left of a session";
const READ = "whether a stream is read";
const LEAVE = "leave a stream to another reader";

export function createOthers(deps: OthersDeps): Others {
  const { remote, registry } = deps;

  remote.serve(TAKE, async function* ({ about, body }) {
    const session = registry.held(about as SessionKey);
    const message = decodeClientMessage(body!);
    const isTaken = session !== undefined && isAbout(deps.calls, session, message) === "here";
    if (isTaken) await deps.oneWay(session, message);
    yield { about: isTaken };
  });

  remote.serve(END, async function* ({ about }) {
    registry.drop(about as SessionKey);
    yield { about: undefined };
  });

  remote.serve(READ, async function* ({ about }) {
    yield { about: deps.streams.hasReader(about as StreamId) };
  });

  remote.serve(LEAVE, async function* ({ about }) {
    deps.streams.stop(about as StreamId);
    yield { about: undefined };
  });

  /** Whether one of the others says yes. One that does not answer says nothing. */
  async function ask(kind: string, note: Note): Promise<boolean> {
    const told = (await remote.others()).map(async (replica) => {
      try {
        return (await remote.tell(replica, kind, note))?.about === true;
      } catch (error) {
        deps.failed(kind, error);
        return false;
      }
    });
    return (await Promise.all(told)).includes(true);
  }

  return {
    async take(session, message) {
      if (isAbout(deps.calls, session, message) !== "elsewhere") return false;
      return await ask(TAKE, { about: session.key, body: message.bytes });
    },
    isRead: (stream) => ask(READ, { about: stream }),
    readsHere: async (stream) => void await ask(LEAVE, { about: stream }),
    async ended(session) {
      const told = ask(END, { about: session.key }).catch((error) => deps.failed(END, error));
      // Whoever could not be told has to look by then.
      await Promise.race([told, sleep(deps.timers, COPY_MS)]);
    },
  };
}

/** Where that happens which the message is about, as far as it is known here. */
function isAbout(
  calls: OthersDeps["calls"],
  session: Session,
  message: ClientMessage,
): "here" | "elsewhere" | "nothing" {
  if (message.kind === "response") {
    const question = questionOf(JSON.parse(decoder.decode(message.id)));
    if (question === undefined) return "nothing";
    return calls.isAsked(session, question) ? "here" : "elsewhere";
  }
  if (message.method !== "notifications/cancelled") return "nothing";
  return calls.serverOf(session, cancelledKey(message) ?? "") === undefined ? "elsewhere" : "here";
}

const decoder = new TextDecoder();
