/**
 * One call at a server of the session era, as its client of the stateless era takes part in it: in
 * rounds. A round ends with the answer, or with what the server wants to know; then the call waits
 * for its client to come back.
 *
 * What the server says between two rounds waits too; when that is too much, the server is read no
 * further.
 *
 * @module
 * @see design.md, "One call model, two codecs"
 */
import { LIMITS } from "../../domain/limits.ts";
import type { Timers } from "../../platform/timers.ts";
import type { Reply } from "../dispatch.ts";
import type { JsonObject } from "../message.ts";
import type { Outlet, Said } from "../session/outlet.ts";
import type { UpstreamCall } from "../stateless_calls.ts";
import { answerOf } from "../upstream_message.ts";
import { inputRequired } from "./ask.ts";
import { type Asking, type AskingDeps, createAsking } from "./asking.ts";
import { finalFor } from "./final.ts";
import { type Asker, notificationFor } from "./results.ts";

/** One request of the client: the call itself, or one that brings answers. */
export interface Round extends Asker {
  readonly call: UpstreamCall;
  /** What the client declared. */
  readonly declared: JsonObject;
}

export interface Conversation {
  /** Where the call's messages go. */
  readonly outlet: Outlet;
  /** What the client of this round is told. Never rejects. */
  readonly reply: (round: Round) => Promise<Reply>;
  /** The same, for a round that brings answers to what was asked in the last one. */
  readonly answered: (round: Round) => Promise<Reply>;
  /** Nobody will come back: what waits is forgotten. */
  readonly abandon: () => void;
}

export interface ConversationDeps extends Pick<AskingDeps, "settle"> {
  readonly timers: Timers;
  /** The server's own, as JSON text. */
  readonly serverInfo: () => string | undefined;
  /**
   * The call waits for its client now. Gives the `requestState` with which that comes back.
   * @throws {GatewayError} when it cannot wait
   */
  readonly park: (call: UpstreamCall) => string;
  /** The same for a call that is over, and is made again. */
  readonly again: (call: UpstreamCall) => string;
  /** So many bytes more wait for a client that is not there, or less. */
  readonly held: (bytes: number) => void;
  /** The client of this round has left, or the call must end for another reason. */
  readonly left: (reason: unknown) => void;
}

/** Several messages for the client of a round. */
interface Step {
  readonly messages: readonly Uint8Array[];
  readonly isLast: boolean;
  /** HTTP status, if the last one is all there is to say. */
  readonly status: number;
}

/** Most calls are answered at once: what only the others need is made when it is needed. */
export function createConversation(deps: ConversationDeps): Conversation {
  let queue: Queue | undefined;
  let asking: Asking | undefined;
  /** Of what came since the last round ended; none while there is one. */
  let heldBytes = 0;
  let answer: Uint8Array | undefined;
  let failure: unknown;
  let isOver = false;
  /** Nobody will hear more than the last word. */
  let isGone = false;
  let round: Round | undefined;
  let declared: JsonObject = {};
  let wake: (() => void) | undefined;

  async function say({ events, done }: Said): Promise<boolean> {
    let bytes = 0;
    for (const { message, isResponse } of events) {
      bytes += message.length;
      if (isResponse) answer = message;
      else if (!isGone) put(message);
    }
    if (done > 0) isOver = true;
    if (round === undefined && !isGone) hold(bytes);
    wake?.();
    if (!isOver && !isGone) await queue?.hasRoom();
    return true;
  }

  function put(message: Uint8Array): void {
    asking ??= createAsking({ ...deps, ready: () => wake?.() });
    if (asking.take(message, declared)) return;
    queue ??= createQueue();
    queue.put(message);
  }

  function hold(bytes: number): void {
    heldBytes += bytes;
    deps.held(bytes);
  }

  async function next(of: Round): Promise<Step> {
    for (;;) {
      const said = queue?.take() ?? [];
      const messages = said.flatMap((message) => notificationFor(message, of) ?? []);
      const last = lastWord(of);
      if (last !== undefined) {
        of.call.abort.signal.removeEventListener("abort", leave);
        round = undefined;
        return { messages: [...messages, last.message], isLast: true, status: last.status };
      }
      if (messages.length > 0) return { messages, isLast: false, status: 200 };
      await new Promise<void>((resolve) => wake = resolve);
    }
  }

  /** `undefined` for as long as there is something to wait for. */
  function lastWord(of: Round) {
    const { call } = of;
    const serverInfo = deps.serverInfo();
    if (isOver) {
      const { again } = deps;
      const about = { serverInfo, failure, refused: asking?.refused(), again };
      return finalFor(answer && answerOf(answer), of, about);
    }
    if (asking?.isReady() !== true || call.abort.signal.aborted) return undefined;
    const asks = asking.show();
    try {
      const message = inputRequired(call.message.id, asks, deps.park(call), serverInfo);
      return { message, status: 200 };
    } catch (error) {
      failure = error;
      deps.left(error);
      return undefined;
    }
  }

  function leave(): void {
    failure = round?.call.abort.signal.reason;
    nobodyListens();
    deps.left(failure);
  }

  function nobodyListens(): void {
    isGone = true;
    queue?.take();
  }

  function over(): void {
    isOver = true;
    wake?.();
  }

  async function reply(of: Round): Promise<Reply> {
    round = of;
    ({ declared } = of);
    const { signal } = of.call.abort;
    signal.addEventListener("abort", leave);
    if (signal.aborted) leave();
    const first = await next(of);
    if (first.isLast && first.messages.length === 1) {
      return { kind: "message", status: first.status, body: first.messages[0]! };
    }
    return { kind: "stream", next: stepsOf(first, () => next(of)) };
  }

  return {
    outlet: { ...NO_STREAM, say, giveUp: over },
    reply,
    answered(of) {
      hold(-heldBytes);
      asking?.answered(of.call.message);
      return reply(of);
    },
    abandon() {
      hold(-heldBytes);
      nobodyListens();
    },
  };
}

type Queue = ReturnType<typeof createQueue>;

/** What has been said and not been passed on. */
function createQueue() {
  let messages: Uint8Array[] = [];
  let bytes = 0;
  let goOn = () => {};
  return {
    put(message: Uint8Array): void {
      messages.push(message);
      bytes += message.length;
    },
    /** Resolves when more may be put in. */
    hasRoom(): Promise<void> {
      if (bytes < LIMITS.streamBufferBytes) return Promise.resolve();
      return new Promise((resolve) => goOn = resolve);
    },
    take(): readonly Uint8Array[] {
      const taken = messages;
      messages = [];
      bytes = 0;
      goOn();
      return taken;
    },
  };
}

function stepsOf(first: Step, next: () => Promise<Step>) {
  let step: Step | undefined = first;
  let isLast = false;
  return async (): Promise<readonly Uint8Array[] | undefined> => {
    if (isLast) return undefined;
    const now = step ?? await next();
    step = undefined;
    isLast = now.isLast;
    return now.messages;
  };
}

/** There is one client at a time, and nothing is kept to be resumed. */
const NO_STREAM: Omit<Outlet, "say" | "giveUp"> = {
  whole: new Promise(() => {}),
  open: () => Promise.resolve(""),
  hasStream: () => false,
  mark() {},
  keep() {},
  streamId: () => undefined,
  attached() {},
  poll: () => Promise.resolve(),
  pollMs: () => undefined,
};
