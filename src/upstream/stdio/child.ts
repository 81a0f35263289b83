/**
 * One child process that speaks MCP: what is said to it is written line by line, what it says is
 * brought to whom it belongs, and when it ends everybody is told why.
 *
 * @module
 * @see MCP 2025-11-25, Base Protocol, "Lifecycle", "Shutdown", "stdio"
 */
import { LIMITS } from "../../domain/limits.ts";
import type { StdioUpstream } from "../../domain/server.ts";
import type { ByteBudget } from "../../platform/byte_budget.ts";
import type { ChildProcess, Exit } from "../../platform/process.ts";
import type { Timers } from "../../platform/timers.ts";
import type { Fields } from "../../telemetry/log.ts";
import type { Channel } from "../channel/channel.ts";
import { createDelivery } from "../channel/delivery.ts";
import { createEnd } from "./ending.ts";
import { ChildExited, type Ending, explainExit } from "./exit.ts";
import { createGate, createInbox } from "../channel/inbox.ts";
import { createInput } from "./input.ts";
import { createLineReader } from "./lines.ts";
import { createOwnStream } from "../channel/own_stream.ts";
import { createRouter } from "../channel/router.ts";
import { createServerLog, type ServerLog } from "./server_log.ts";
import { within } from "../channel/waiting.ts";

export interface Child extends Channel {
  readonly server: StdioUpstream;
  readonly startedMs: number;
  /** How many messages have been written. */
  readonly written: () => number;
  /** Whether it has been asked for its era, and nothing else. */
  readonly isProbed: () => boolean;
  /** Whether it was asked to tell of changes of resources. */
  readonly hasSubscriptions: () => boolean;
  /** Whether a request with a result has shown that it works. */
  readonly hasAnswered: () => boolean;
  /** When something last went in either direction. */
  readonly usedMs: () => number;
  /** It belongs to a session from now on. */
  readonly adopt: () => void;
  /** Closes its input, and becomes less polite; see `ended`. */
  readonly end: (ending: Ending) => void;
  /** It is gone, and all that it said has been passed on. Never rejects. */
  readonly ended: Promise<ChildEnd>;
}

export interface ChildEnd {
  /** One sentence, which may be shown. */
  readonly text: string;
  /** `undefined` when the gateway has not asked for it. */
  readonly ending: Ending | undefined;
}

export interface ChildDeps {
  readonly timers: Timers;
  readonly now: () => number;
  readonly budget: ByteBudget;
  readonly log: ChildLog;
  readonly redact: (text: string) => string;
}

export interface ChildLog {
  readonly debug: (message: string, fields: Fields) => void;
  readonly info: (message: string, fields: Fields) => void;
  readonly warning: (message: string, fields: Fields) => void;
}

export interface ChildOptions {
  readonly server: StdioUpstream;
  readonly isStateless: boolean;
  readonly messageBytesMax: number;
}

/** For what was written before the end and has not been read yet. */
const LAST_OUTPUT_MS = 1_000;
const GARBAGE_CHARS = 200;

export function createChild(deps: ChildDeps, process: ChildProcess, options: ChildOptions): Child {
  const { timers, now, budget, log, redact } = deps;
  const { server } = options;
  const about = { server: server.slug, pid: process.pid };
  const startedMs = now();
  let isStateless = options.isStateless;
  let usedMs = startedMs;
  let pausedAtMs = -Infinity;
  let hasExited = false;
  let written = 0;
  let probes = 0;
  let hasSubscriptions = false;
  const end = createEnd(process, timers);
  const gate = createGate(() => pausedAtMs = now());
  const router = createRouter(() => isStateless);
  const own = createOwnStream();
  const input = createInput(process.write, () => end.soon("it closed its input or output"));
  const lines = createLineReader(options.messageBytesMax, () => end.atOnce(TOO_LARGE));
  const { heard, hasAnswered } = createDelivery({
    router,
    own,
    write: input,
    garbage: (text) =>
      log.warning("A stdio server wrote something that is no message to its output", {
        ...about,
        text: redact(text).slice(0, GARBAGE_CHARS),
      }),
  });
  const serverLog = createServerLog({
    redact,
    now,
    write: (line) => log.info("A stdio server wrote", { ...about, line }),
    dropped: (lines) => log.warning("A stdio server wrote too much", { ...about, dropped: lines }),
  });

  async function readOutput(): Promise<void> {
    let held = 0;
    const hold = (bytes: number) => {
      budget.hold(bytes - held);
      held = bytes;
    };
    for (let piece = await process.stdout(); piece; piece = await process.stdout()) {
      usedMs = now();
      lines.push(piece);
      hold(lines.heldBytes());
      for (let line = lines.take(); line !== undefined; line = lines.take()) {
        if (end.ending() === TOO_LARGE) return hold(0);
        heard(line);
        if (gate.isShut()) await gate.opened();
      }
      hold(lines.heldBytes());
    }
    hold(0);
    end.soon("it closed its input or output");
  }

  async function follow(): Promise<ChildEnd> {
    let isRead = false;
    const read = Promise.all([readOutput(), readLog(process, serverLog)]).then(() =>
      void (isRead = true)
    );
    const exit = await process.exited;
    hasExited = true;
    end.done();
    // What it has started and left behind.
    process.kill("SIGKILL");
    do await within(timers, LAST_OUTPUT_MS, read); while (
      !isRead && gate.isShut() && end.ending() === undefined
    );
    process.release();
    return finish(exit);
  }

  function finish(exit: Exit): ChildEnd {
    const ending = end.ending();
    const text = explainExit(exit, ending, serverLog.lastLine());
    const reason = new ChildExited(text);
    for (const request of router.requests()) {
      router.close(request);
      request.inbox.fail(reason);
    }
    // Over HTTP, whoever listens would come again at once, and that would start it again.
    if (ending !== "it was idle") own.end();
    gate.release();
    const level = ending === undefined ? "warning" : "debug";
    log[level]("A stdio server has ended", { ...about, ...exit, ending, text });
    return { text, ending };
  }

  return {
    server,
    startedMs,
    router,
    own,
    newInbox: () => createInbox(gate, budget, LIMITS.streamBufferBytes),
    write(message, method) {
      usedMs = now();
      input(message);
      written++;
      if (method === "server/discover") probes++;
      if (method === "resources/subscribe") hasSubscriptions = true;
    },
    written: () => written,
    isProbed: () => probes > 0 && written === probes,
    hasSubscriptions: () => hasSubscriptions,
    isLive: () => end.ending() === undefined && !hasExited,
    hasAnswered,
    pausedAtMs: () => gate.isShut() ? now() : pausedAtMs,
    usedMs: () => usedMs,
    adopt: () => void (isStateless = false),
    isStateless: () => isStateless,
    abandon: (hasExpired) => end.politely(hasExpired ? "it did not answer" : "its session ended"),
    end: end.politely,
    ended: follow(),
  };
}

async function readLog({ stderr }: ChildProcess, serverLog: ServerLog): Promise<void> {
  for (let piece = await stderr(); piece; piece = await stderr()) serverLog.push(piece);
  serverLog.end();
}

const TOO_LARGE = "it sent a message that is too large";
