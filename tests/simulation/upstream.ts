/**
 * The server behind the gateway, of the session era: it says what it is asked to, and writes down
 * what it executes. Whatever it says of a principal carries that principal's name.
 *
 * @module
 */
import { GatewayError } from "../../src/domain/errors.ts";
import type { UpstreamServer } from "../../src/domain/server.ts";
import { ConnectionLost } from "../../src/platform/http1/connection.ts";
import type { Timer } from "../../src/platform/timers.ts";
import type { UpstreamClient, UpstreamRequest } from "../../src/upstream/client.ts";
import { type UpstreamReply, UpstreamStatusError } from "../../src/upstream/reply.ts";
import { PLAIN_UPSTREAM } from "../support/plain_upstream.ts";
import type { Seeded } from "../support/seeded.ts";
import { createLine, type Process, type Schedule } from "./time.ts";

export const SERVER: UpstreamServer = {
  ...PLAIN_UPSTREAM,
  transport: "http",
  id: "server",
  name: "server",
  slug: "server",
  url: new URL("http://upstream.invalid/mcp"),
  headers: {},
  auth: { type: "none" },
  seq: 0,
};

/** What a client wants a call to do. */
export interface Work {
  readonly call: string;
  /** Messages before the answer. */
  readonly notes: number;
  /** Whether one of them is a question, for whose answer it waits. */
  readonly asks: boolean;
  /** Whether the stream of the call can be resumed. */
  readonly resumes: boolean;
  /** Between two messages. */
  readonly ms: number;
}

/** A call as it is executed. */
export interface Executed {
  readonly work: Work;
  /** JSON text of the id. */
  readonly id: string;
  readonly session: string;
  readonly by: string;
  readonly from: Process;
  readonly startedMs: number;
  /** The gateway still waits for its answer. */
  readonly isRunning: () => boolean;
}

export interface SimUpstream {
  readonly clientOf: (process: Process) => UpstreamClient;
  /** Says something beside all calls, in one of its sessions. */
  readonly tell: () => void;
  /** Loses a session, as after a restart. */
  readonly forget: () => void;
  /** Breaks a stream off. */
  readonly breakOff: () => void;
  readonly sessions: () => number;
}

interface ServerSession {
  readonly id: string;
  readonly by: string;
  readonly said: Event[];
  listener: Reply | undefined;
  readonly running: Map<string, Call>;
}

interface Event {
  readonly id: string | undefined;
  readonly text: string;
}

interface Call extends Executed {
  readonly said: Event[];
  reply: Reply | undefined;
  isOver: boolean;
  answered: (() => void) | undefined;
}

type Message = { readonly [name: string]: unknown };

const LATENCY_MS = 3;
const SAID_MAX = 30;

export interface UpstreamDeps {
  readonly schedule: Schedule;
  readonly random: Seeded;
  readonly executed: (call: Executed) => void;
}

export function createSimUpstream({ schedule, random, executed }: UpstreamDeps): SimUpstream {
  const sessions = new Map<string, ServerSession>();
  const streams = new Set<Reply>();
  const latency = () => 0.1 + random.below(1000) / 1000 * LATENCY_MS;
  let opened = 0;

  function handle(request: Incoming, open: (reply: Head) => Reply): void {
    const { message, session: id } = request;
    if (message?.method === "initialize") return initialize(message, open);
    const session = sessions.get(id ?? "");
    if (session === undefined) throw new UpstreamStatusError(404);
    if (message === undefined) return listen(session, request, open);
    if (message.method === "tools/call") return call(session, request, message, open);
    if (message.method === "notifications/cancelled") {
      const { requestId } = message.params as Message;
      end(session, session.running.get(JSON.stringify(requestId)));
    } else if (message.method === undefined) answered(session, message);
    if (message.method === undefined || message.id === undefined) {
      return void open({ status: 202, isStream: undefined }).end();
    }
    whole(open, message.id, {});
  }

  function initialize({ id, params }: Message, open: (reply: Head) => Reply): void {
    const { clientInfo } = params as { readonly clientInfo: { readonly name: string } };
    const session: ServerSession = {
      id: `u${++opened}`,
      by: clientInfo.name,
      said: [],
      listener: undefined,
      running: new Map(),
    };
    sessions.set(session.id, session);
    whole(open, id, {
      protocolVersion: "2025-11-25",
      capabilities: { logging: {}, tools: {}, resources: { subscribe: true } },
      serverInfo: { name: "simulated", version: "1" },
    }, session.id);
  }

  function whole(open: (reply: Head) => Reply, id: unknown, result: Message, sessionId?: string) {
    const reply = open({ status: 200, isStream: false, sessionId });
    reply.put({ id: undefined, text: JSON.stringify({ jsonrpc: "2.0", id, result }) });
    reply.end();
  }

  function listen(session: ServerSession, { eventId }: Incoming, open: (reply: Head) => Reply) {
    if (eventId !== undefined && !eventId.startsWith("l/")) {
      return resume(session, eventId, open);
    }
    const after = session.said.findIndex(({ id }) => id === eventId);
    // What it does not know any more it cannot go on from.
    if (eventId !== undefined && after < 0) throw new UpstreamStatusError(404);
    session.listener = open({ status: 200, isStream: true });
    if (eventId === undefined) return;
    for (const event of session.said.slice(after + 1)) session.listener.put(event);
  }

  function resume(session: ServerSession, eventId: string, open: (reply: Head) => Reply): void {
    const [name, seq] = eventId.split("/");
    const call = [...session.running.values()].find(({ work }) => work.call === name);
    if (call === undefined) throw new UpstreamStatusError(404);
    call.reply = open({ status: 200, isStream: true });
    for (const event of call.said.slice(Number(seq))) call.reply.put(event);
    if (call.isOver) call.reply.end();
  }

  function call(
    session: ServerSession,
    { from }: Incoming,
    { id, params }: Message,
    open: (reply: Head) => Reply,
  ): void {
    const work = (params as { readonly arguments: Work }).arguments;
    const key = JSON.stringify(id);
    const isStream = work.notes > 0;
    const reply = isStream ? open({ status: 200, isStream }) : undefined;
    const one: Call = {
      work,
      id: key,
      session: session.id,
      by: session.by,
      from,
      startedMs: schedule.nowMs(),
      isRunning: () => !one.isOver && one.reply?.isOpen() !== false,
      said: [],
      reply,
      isOver: false,
      answered: undefined,
    };
    executed(one);
    session.running.set(key, one);
    const answer = () => {
      one.reply ??= open({ status: 200, isStream: false });
      say(one, { id, result: { content: [{ type: "text", text: work.call }], by: one.by } });
      end(session, one);
    };
    proceed(one, 1, answer);
  }

  /** Says the message with this number, and all after it. */
  function proceed(one: Call, nth: number, answer: () => void): void {
    const { work, by } = one;
    schedule.after(work.ms * (0.5 + random.below(1000) / 1000), () => {
      if (one.isOver) return;
      if (nth > work.notes) return answer();
      const data = { call: work.call, nth, by };
      const isQuestion = work.asks && nth === 1;
      if (!isQuestion) {
        say(one, { method: "notifications/message", params: { level: "info", data } });
      } else {
        const params = { message: "?", requestedSchema: { type: "object", properties: {} }, data };
        say(one, { id: `q-${work.call}`, method: "elicitation/create", params });
        one.answered = () => proceed(one, nth + 1, answer);
        return;
      }
      proceed(one, nth + 1, answer);
    });
  }

  function say(one: Call, message: Message): void {
    const id = one.work.resumes ? `${one.work.call}/${one.said.length + 1}` : undefined;
    const event = { id, text: JSON.stringify({ jsonrpc: "2.0", ...message }) };
    one.said.push(event);
    one.reply?.put(event);
  }

  function answered(session: ServerSession, { id }: Message): void {
    for (const one of session.running.values()) {
      if (id !== `q-${one.work.call}`) continue;
      const go = one.answered;
      one.answered = undefined;
      go?.();
    }
  }

  function end(session: ServerSession, one: Call | undefined): void {
    if (one === undefined || one.isOver) return;
    one.isOver = true;
    one.reply?.end();
    // What can be resumed is kept for a while.
    schedule.after(one.work.resumes ? 20_000 : 0, () => {
      if (session.running.get(one.id) === one) session.running.delete(one.id);
    });
  }

  function clientOf(process: Process): UpstreamClient {
    const there = createLine(schedule, latency);

    function send(_: UpstreamServer, request: UpstreamRequest): Promise<UpstreamReply> {
      const { promise, resolve, reject } = Promise.withResolvers<UpstreamReply>();
      const { signal } = request.abort;
      const back = createLine(schedule, latency);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      const watch = createDeadline(process, request);
      const incoming = incomingOf(request, process);
      there(schedule.after, () => {
        if (signal.aborted) return;
        try {
          handle(incoming, (head) => {
            const carry = (happen: () => void) =>
              back(process.arrive, () => {
                watch.heard();
                happen();
              });
            const reply = createReply(head, carry, signal, watch.end);
            if (head.isStream) streams.add(reply);
            back(process.arrive, () => resolve(reply.reply));
            return reply;
          });
        } catch (error) {
          back(process.arrive, () => {
            watch.end();
            reject(error);
          });
        }
      });
      return promise;
    }

    return {
      send,
      remove(_, { session }) {
        sessions.delete(session ?? "");
        return Promise.resolve(200);
      },
    };
  }

  return {
    clientOf,
    tell() {
      if (sessions.size === 0) return;
      const session = random.pick([...sessions.values()]);
      const nth = Number(session.said.at(-1)?.id?.slice(2) ?? 0) + 1;
      const data = { session: session.id, nth, by: session.by };
      const params = { level: "info", data };
      const message = { jsonrpc: "2.0", method: "notifications/message", params };
      const event = { id: `l/${nth}`, text: JSON.stringify(message) };
      session.said.push(event);
      if (session.said.length > SAID_MAX) session.said.shift();
      session.listener?.put(event);
    },
    forget() {
      const session = sessions.size > 0 ? random.pick([...sessions.values()]) : undefined;
      if (session === undefined) return;
      sessions.delete(session.id);
      session.listener?.fail();
      for (const one of session.running.values()) {
        one.isOver = true;
        one.reply?.fail();
      }
    },
    breakOff() {
      for (const reply of streams) if (!reply.isOpen()) streams.delete(reply);
      if (streams.size > 0) random.pick([...streams]).fail();
    },
    sessions: () => sessions.size,
  };
}

/** As the gateway's own clients wait: not longer than it says for the next word, or for all. */
function createDeadline(
  { clock: { monotonic }, timers }: Process,
  { silenceMs, totalMs, pausedAtMs, abort }: UpstreamRequest,
) {
  const startedMs = monotonic();
  let heardMs = startedMs;
  let timer: Timer | undefined;

  function later(): void {
    const silentMs = monotonic() - Math.max(heardMs, pausedAtMs?.() ?? 0);
    const leftMs = Math.min(silenceMs - silentMs, totalMs - (monotonic() - startedMs));
    if (leftMs <= 0) {
      return abort.abort(new GatewayError("upstream_timeout", "The server does not answer"));
    }
    if (Number.isFinite(leftMs)) timer = timers.after(leftMs, later);
  }

  later();
  return {
    heard: () => void (heardMs = monotonic()),
    end: () => timer?.cancel(),
  };
}

interface Incoming {
  /** `undefined` for a stream that is to be opened or resumed. */
  readonly message: Message | undefined;
  readonly session: string | undefined;
  readonly eventId: string | undefined;
  readonly from: Process;
}

function incomingOf({ body, headers }: UpstreamRequest, from: Process): Incoming {
  return {
    message: body && JSON.parse(new TextDecoder().decode(body)),
    session: /Mcp-Session-Id: (\S+)/.exec(headers)?.[1],
    eventId: /Last-Event-ID: (\S+)/.exec(headers)?.[1],
    from,
  };
}

type Head = Pick<UpstreamReply, "status" | "isStream"> & {
  readonly sessionId?: string | undefined;
};

type Reply = ReturnType<typeof createReply>;

/** One reply, from its server's side and from its reader's. */
function createReply(
  { status, isStream, sessionId }: Head,
  carry: (happen: () => void) => void,
  signal: AbortSignal,
  done: () => void,
) {
  const waiting: Event[] = [];
  let over: { readonly error: unknown } | undefined;
  let isClosed = false;
  let isEnded = false;
  let lastId: string | undefined;
  let wake = () => {};

  function finish(error: unknown): void {
    done();
    over ??= { error };
    wake();
  }

  function take(): Uint8Array | undefined {
    const event = waiting.shift();
    if (event === undefined) return undefined;
    lastId = event.id ?? lastId;
    return new TextEncoder().encode(event.text);
  }

  signal.addEventListener("abort", () => {
    waiting.length = 0;
    over = { error: signal.reason };
    isClosed = true;
    wake();
  });

  const reply: UpstreamReply = {
    status,
    isStream,
    isOwned: true,
    sessionId: () => sessionId,
    lastEventId: () => lastId,
    retryMs: () => undefined,
    async next() {
      for (;;) {
        if (waiting.length > 0) return take();
        if (over?.error !== undefined) throw over.error;
        if (over !== undefined) return undefined;
        await new Promise<void>((resolve) => wake = resolve);
      }
    },
    take,
    close() {
      isClosed = true;
      done();
    },
  };
  const stop = (error: unknown) => {
    if (isEnded) return;
    isEnded = true;
    carry(() => finish(error));
  };
  return {
    reply,
    put(event: Event) {
      if (isEnded) return;
      carry(() => {
        if (over !== undefined) return;
        waiting.push(event);
        wake();
      });
    },
    end: () => stop(undefined),
    fail: () => stop(new ConnectionLost(true)),
    /** Whether the gateway still reads it. */
    isOpen: () => !isClosed && !isEnded,
  };
}
