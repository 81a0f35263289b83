/**
 * Replicas ask each other for what only one of them can do: it has the child process, the parked
 * call, the call that runs. An answer comes in parts.
 *
 * Signals may be lost, and whoever sends them may die: a question is acknowledged within `ACK_MS`,
 * parts are numbered so that a hole is noticed, and both sides look whether the other is there. Who
 * waits asks now and then how far the answer is, as the last of it may be lost too.
 *
 * @module
 * @see design.md, "Sessions belong to no replica, running calls do"
 */
import { GatewayError } from "../domain/errors.ts";
import { randomText } from "../platform/random.ts";
import { sleep, type Timers } from "../platform/timers.ts";
import {
  type Answered,
  type Asked,
  createAnswered,
  createAsked,
  type Note,
} from "./remote_halves.ts";
import {
  decoded,
  encoded,
  type Failure,
  failureOf,
  Lost,
  NotThere,
  type Signal,
} from "./remote_signal.ts";

export { Lost, type Note, NotThere };

/** The way of signals from replica to replica. */
export interface Post {
  /** This replica. */
  readonly self: string;
  /** Rejects when it cannot be handed over; what was, may be lost all the same. */
  readonly send: (to: string, signal: Uint8Array) => Promise<void>;
  /** From now on `took` is told of what comes, in the order in which one sender has sent it. */
  readonly receive: (took: (from: string, signal: Uint8Array) => void) => void;
  /** Whether the replica lives, as far as anybody knows. */
  readonly isAlive: (replica: string) => Promise<boolean>;
  /** The other replicas that live. */
  readonly others: () => Promise<readonly string[]>;
}

export interface Answer {
  /** The next part; `undefined` at the end. @throws {Lost}, or what the other replica threw */
  readonly next: () => Promise<Note | undefined>;
  /** Nothing more is wanted. */
  readonly close: () => void;
}

/** @param wanted aborted when nobody wants to know any more */
export type Answering = (question: Note, wanted: AbortSignal) => AsyncIterable<Note>;

export interface Remote {
  readonly self: string;
  readonly isAlive: Post["isAlive"];
  readonly others: Post["others"];
  /**
   * Resolves when the other replica has the question.
   * @throws {NotThere} when there is no such replica: nothing was carried out
   * @throws {Lost} when it does not say that it has it
   */
  readonly ask: (to: string, kind: string, question: Note) => Promise<Answer>;
  /** The first part of the answer. @throws as `ask` and `Answer.next` */
  readonly tell: (to: string, kind: string, question: Note) => Promise<Note | undefined>;
  /** Answers all questions of this kind. */
  readonly serve: (kind: string, answering: Answering) => void;
  readonly close: () => void;
}

/** That of a gateway that has one replica only. */
export function alone(self: string): Remote {
  return {
    self,
    isAlive: (replica) => Promise.resolve(replica === self),
    others: () => Promise.resolve([]),
    ask: () => Promise.reject(new NotThere()),
    tell: () => Promise.reject(new NotThere()),
    serve() {},
    close() {},
  };
}

export interface RemoteDeps {
  readonly post: Post;
  readonly timers: Timers;
  /** Told of what another replica's question failed with, unless it is told so itself. */
  readonly failed: (kind: string, error: unknown) => void;
}

const ACK_MS = 500;
/** A large question takes its time over a slow line: 2 s for 8 MiB. */
const BODY_BYTES_PER_MS = 4 * 1024;
const LOOK_MS = 1_000;

export function createRemote({ post, timers, failed }: RemoteDeps): Remote {
  const asked = new Map<string, Asked>();
  const answered = new Map<string, Answered>();
  const kinds = new Map<string, Answering>();
  const closing = new AbortController();
  const watch = watchWith({ post, timers }, closing.signal);

  function say(to: string, signal: Signal, body?: Uint8Array): Promise<void> {
    return post.send(to, encoded(signal, body));
  }

  function aside(to: string, signal: Signal): void {
    say(to, signal).catch(() => {});
  }

  async function ask(to: string, kind: string, question: Note): Promise<Answer> {
    if (!await post.isAlive(to)) throw new NotThere();
    const id = randomText(12);
    const one = createAsked((seq) => aside(to, { op: "taken", id, seq }));
    asked.set(id, one);
    const over = () => void asked.delete(id);
    one.ended.then(over, over);
    const lives = () => aside(to, { op: "where", id, seq: one.taken() });
    watch(to, one.ended, { gone: () => one.fail(new Lost()), lives });
    try {
      await say(to, { op: "ask", id, kind, about: question.about }, question.body);
      await within(timers, ACK_MS + (question.body?.length ?? 0) / BODY_BYTES_PER_MS, one.got);
    } catch (cause) {
      const lost = cause instanceof GatewayError ? cause : new Lost();
      one.fail(lost);
      aside(to, { op: "stop", id });
      throw lost;
    }
    return {
      next: one.next,
      close() {
        if (one.close()) aside(to, { op: "stop", id });
      },
    };
  }

  function begin(
    from: string,
    { id, kind, about }: Extract<Signal, { op: "ask" }>,
    body: Uint8Array,
  ) {
    const answering = kinds.get(kind);
    const one = createAnswered();
    answered.set(id, one);
    aside(from, { op: "got", id });
    const done = (async () => {
      let error: Failure | undefined;
      try {
        const parts = answering?.({ about, body }, one.wanted) ?? [];
        for await (const part of parts) {
          if (one.wanted.aborted) return;
          await one.room();
          await say(from, { op: "part", id, seq: one.next(), about: part.about }, part.body);
        }
      } catch (cause) {
        if (one.wanted.aborted) return;
        failed(kind, cause);
        error = failureOf(cause);
      }
      await say(from, { op: "end", id, seq: one.sent(), ...error && { error } });
    })().catch((error) => failed(kind, error)).finally(() => answered.delete(id));
    watch(from, done, { gone: one.stop, lives() {} });
  }

  /** What was said last may have been lost, and nothing would come after it. */
  function tellWhere(from: string, id: string, seq: number): void {
    const one = answered.get(id);
    one?.taken(seq);
    aside(from, { op: "at", id, seq: one?.sent() ?? -1 });
  }

  post.receive((from, bytes) => {
    const { signal, body } = decoded(bytes);
    if (signal.op === "ask") begin(from, signal, body);
    else if (signal.op === "got") asked.get(signal.id)?.acknowledged();
    else if (signal.op === "part") asked.get(signal.id)?.put(signal.seq, signal.about, body);
    else if (signal.op === "end") asked.get(signal.id)?.end(signal.seq, signal.error);
    else if (signal.op === "at") asked.get(signal.id)?.at(signal.seq);
    else if (signal.op === "where") tellWhere(from, signal.id, signal.seq);
    else if (signal.op === "taken") answered.get(signal.id)?.taken(signal.seq);
    else if (signal.op === "stop") answered.get(signal.id)?.stop();
  });

  return {
    self: post.self,
    isAlive: post.isAlive,
    others: post.others,
    ask,
    async tell(to, kind, question) {
      const answer = await ask(to, kind, question);
      try {
        return await answer.next();
      } finally {
        answer.close();
      }
    },
    serve: (kind, answering) => void kinds.set(kind, answering),
    close() {
      closing.abort();
      for (const one of answered.values()) one.stop();
      for (const one of asked.values()) one.fail(new Lost());
    },
  };
}

interface Watched {
  readonly gone: () => void;
  /** Now and then. */
  readonly lives: () => void;
}

/** Looks until `ended` whether the other replica lives. */
function watchWith({ post, timers }: Pick<RemoteDeps, "post" | "timers">, closing: AbortSignal) {
  return (replica: string, ended: Promise<unknown>, { gone, lives }: Watched): void => {
    const stop = new AbortController();
    const over = () => stop.abort();
    ended.then(over, over);
    const signal = AbortSignal.any([stop.signal, closing]);
    const look = async () => {
      for (;;) {
        await sleep(timers, LOOK_MS, signal);
        if (!await post.isAlive(replica).catch(() => true)) return gone();
        lives();
      }
    };
    look().catch(() => {});
  };
}

async function within(timers: Timers, ms: number, promise: Promise<void>): Promise<void> {
  const late = new AbortController();
  const expired = sleep(timers, ms, late.signal).then(() => Promise.reject(new Lost()));
  try {
    await Promise.race([promise, expired]);
  } finally {
    expired.catch(() => {});
    late.abort();
  }
}
