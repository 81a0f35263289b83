/**
 * What belongs to no session: one child process for each caller and server, made on first use. It is
 * also where a server is asked for its era.
 *
 * @module
 * @see MCP 2026-07-28, Transports, "stdio"; Base Protocol, "Version negotiation"
 */
import type { StdioUpstream } from "../../domain/server.ts";
import { DialError } from "../../platform/dial.ts";
import type { UpstreamRequest } from "../client.ts";
import { type UpstreamReply, UpstreamStatusError } from "../reply.ts";
import { accepted, ask, type AskingDeps } from "../channel/asking.ts";
import type { Child } from "./child.ts";
import { type Envelope, isRequest } from "../channel/envelope.ts";
import { ChildExited } from "./exit.ts";
import { type FirstAnswer, firstAnswer, isModern } from "../channel/first_answer.ts";
import type { Pool } from "./pool.ts";
import { programKey } from "./program.ts";

export interface Callers {
  readonly send: (
    server: StdioUpstream,
    request: UpstreamRequest,
    body: Uint8Array,
    envelope: Envelope,
  ) => Promise<UpstreamReply>;
  /** A process that has said to be of the session era, and has heard nothing else so far. */
  readonly takeSpare: (server: StdioUpstream) => Child | undefined;
}

export interface CallersDeps extends AskingDeps {
  readonly pool: Pool;
}

/** Programs may have to be fetched before they run; yet silence is how old servers say no. */
const SILENCE_MS = 10_000;
/** The question must be over before the patience of who asks. */
const SILENCE_PART = 0.8;
/** How long a server that was silent is not asked again. */
const SILENT_MS = 10 * 60_000;
const ATTEMPTS = 3;

export function createCallers({ pool, ...timing }: CallersDeps): Callers {
  const { timers, now } = timing;
  const children = new Map<string, Promise<Child>>();
  const spares = new Map<string, Child>();
  const silentUntilMs = new WeakMap<StdioUpstream, number>();

  async function childFor(server: StdioUpstream, caller: string, isProbe: boolean): Promise<Child> {
    const key = keyFor(server, caller);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const child = await (children.get(key) ?? begin(server, key, isProbe));
      if (child.isLive()) return child;
      children.delete(key);
    }
    throw new DialError("upstream_unavailable", "The upstream server does not stay alive");
  }

  function begin(server: StdioUpstream, key: string, isProbe: boolean): Promise<Child> {
    const spare = isProbe ? takeSpare(server) : undefined;
    const started = spare === undefined ? pool.start(server, true) : Promise.resolve(spare);
    const forget = () => {
      if (children.get(key) === started) children.delete(key);
    };
    children.set(key, started);
    started.then((child) => child.ended.then(forget), forget);
    return started;
  }

  function takeSpare(server: StdioUpstream): Child | undefined {
    const key = programKey(server);
    const spare = spares.get(key);
    spares.delete(key);
    return spare?.isLive() ? spare : undefined;
  }

  /** It can still become that of a session: nobody has said anything to it. */
  function keepSpare(server: StdioUpstream, caller: string, child: Child): void {
    const key = programKey(server);
    children.delete(keyFor(server, caller));
    spares.get(key)?.end("it was idle");
    spares.set(key, child);
    child.ended.then(() => spares.get(key) === child && spares.delete(key));
  }

  async function send(
    server: StdioUpstream,
    request: UpstreamRequest,
    body: Uint8Array,
    envelope: Envelope,
  ): Promise<UpstreamReply> {
    const isProbe = envelope.method === "server/discover";
    if (isProbe && (silentUntilMs.get(server) ?? 0) > now()) throw new UpstreamStatusError(400);
    const caller = request.caller ?? "";
    const child = await childFor(server, caller, isProbe);
    request.abort.signal.throwIfAborted();
    if (!isRequest(envelope) || request.isOneWay) {
      child.write(body, envelope.method);
      return accepted();
    }
    const reply = ask(timing, child, request, body, envelope);
    if (!isProbe || child.hasAnswered()) return reply;
    const answer = await answerToProbe(server, request, child, reply);
    if (!answer.isResult && !isModern(answer.errorCode) && child.isProbed()) {
      keepSpare(server, caller, child);
    }
    return answer.reply;
  }

  /** @throws {UpstreamStatusError} 400, as which a caller takes a server for one of before */
  async function answerToProbe(
    server: StdioUpstream,
    { firstMs }: UpstreamRequest,
    child: Child,
    reply: UpstreamReply,
  ): Promise<FirstAnswer> {
    const timer = timers.after(Math.min(SILENCE_MS, firstMs * SILENCE_PART), reply.close);
    try {
      const answer = await firstAnswer(reply);
      if (answer !== undefined) return answer;
    } catch (error) {
      // Some end at once when the first message is not `initialize`.
      throw error instanceof ChildExited ? new UpstreamStatusError(400) : error;
    } finally {
      timer.cancel();
    }
    silentUntilMs.set(server, now() + SILENT_MS);
    child.end("it did not answer");
    throw new UpstreamStatusError(400);
  }

  return { send, takeSpare };
}

function keyFor(server: StdioUpstream, caller: string): string {
  return JSON.stringify([programKey(server), caller]);
}
