/**
 * What a server of the stateless era says outside of requests, as the stream of a session: one
 * `subscriptions/listen` for each session and server, opened anew when the client subscribes to
 * something else. The new one is open before the old one is left, so nothing is missed.
 *
 * @module
 * @see MCP 2026-07-28, Utilities, "Subscriptions"
 */
import { GatewayError } from "../../../domain/errors.ts";
import type { UpstreamServer } from "../../../domain/server.ts";
import type { Timers } from "../../../platform/timers.ts";
import type { UpstreamClient, UpstreamRequest } from "../../../upstream/client.ts";
import { ServerGone } from "../../../upstream/lifetimes.ts";
import { type UpstreamReply, UpstreamStatusError } from "../../../upstream/reply.ts";
import { scanUpstream, sortMembers } from "../../upstream_message.ts";
import { NO_SESSION } from "../../replies.ts";
import { agreedIn, LISTEN_HEADERS, listenBody, toldBy, type Wants } from "./subscription.ts";

export interface Listening {
  /** The stream, as its reader sees it. */
  readonly reply: UpstreamReply;
  /**
   * Subscribes to other resources, or to no more of them.
   * @returns those that the server agrees to tell of
   * @throws as `UpstreamClient.send`; what was listened to before still is
   */
  readonly change: (change: (uris: ReadonlySet<string>) => ReadonlySet<string>) => Promise<
    ReadonlySet<string>
  >;
}

export interface ListeningDeps {
  readonly client: UpstreamClient;
  readonly timers: Timers;
  readonly newId: () => string;
}

export interface ListeningOptions {
  readonly server: UpstreamServer;
  readonly caller: string;
  /** Members of `_meta`. */
  readonly envelope: string;
  readonly wants: Wants;
  /** Of the one who reads; aborted when it leaves. */
  readonly request: Pick<UpstreamRequest, "abort" | "clientHeaders">;
  readonly firstByteMs: number;
  /** Called once, when it has ended. */
  readonly done: () => void;
}

/** One `subscriptions/listen`, or none where there is nothing to listen to. */
interface Line {
  readonly wants: Wants;
  readonly abort: AbortController;
  readonly reply: UpstreamReply | undefined;
  /** The resources that the server agreed to tell of. */
  readonly honoured: ReadonlySet<string>;
}

/** How long a server may take to agree. */
const AGREED_MS = 5_000;

/** It was opened anew. */
class Replaced extends GatewayError {
  constructor() {
    super("unavailable", "The subscription was replaced");
  }
}

/** @throws as `UpstreamClient.send`; {UpstreamStatusError} when the server does not take it */
export async function createListening(
  deps: ListeningDeps,
  options: ListeningOptions,
): Promise<Listening> {
  const outer = options.request.abort;
  let line = await openLine(deps, options, options.wants);
  let changing: Promise<unknown> = Promise.resolve();
  const ready: Uint8Array[] = [];
  let isOver = false;
  let isLeft = false;

  function tell(bytes: Uint8Array, from: Line): void {
    const told = toldOrBroken(bytes, line.wants);
    // The end of one that was replaced is not the end.
    if (told === "end") isOver ||= from === line;
    else if (told !== undefined) ready.push(told);
  }

  function take(): Uint8Array | undefined {
    while (ready.length === 0 && !isOver) {
      const bytes = line.reply?.take();
      if (bytes === undefined) return undefined;
      tell(bytes, line);
    }
    return ready.shift();
  }

  async function next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const one = take();
      if (one !== undefined) return one;
      if (isOver) return undefined;
      const from = line;
      try {
        const bytes = from.reply === undefined
          ? await silence(from.abort)
          : await from.reply.next();
        if (bytes !== undefined) tell(bytes, from);
        else if (from === line) return undefined;
      } catch (error) {
        if (from === line) throw error;
      }
    }
  }

  async function change(
    to: (uris: ReadonlySet<string>) => ReadonlySet<string>,
  ): Promise<ReadonlySet<string>> {
    const uris = to(line.wants.uris);
    const old = line;
    if (isSame(uris, old.wants.uris)) return old.honoured;
    const opened = await openLine(deps, options, { ...old.wants, uris });
    if (isLeft) opened.abort.abort(new Replaced());
    opened.abort.signal.throwIfAborted();
    line = opened;
    for (let left = old.reply?.take(); left !== undefined; left = old.reply?.take()) {
      tell(left, old);
    }
    old.abort.abort(new Replaced());
    return opened.honoured;
  }

  function end(): void {
    isLeft = true;
    outer.signal.removeEventListener("abort", end);
    line.abort.abort(outer.signal.reason ?? new Replaced());
    options.done();
  }

  outer.signal.addEventListener("abort", end);
  if (outer.signal.aborted) end();
  return {
    reply: {
      ...NO_SESSION,
      status: 200,
      isStream: true,
      isOwned: true,
      next,
      take,
      close: end,
    },
    change(to) {
      // One at a time: each begins with what the one before has reached.
      const result = changing.then(() => change(to));
      changing = result.catch(() => {});
      return result;
    },
  };
}

/** What is no message is left to whoever reads the stream. */
function toldOrBroken(bytes: Uint8Array, wants: Wants): ReturnType<typeof toldBy> {
  try {
    return toldBy(bytes, wants);
  } catch (error) {
    if (error instanceof GatewayError) return bytes;
    throw error;
  }
}

async function openLine(
  { client, timers, newId }: ListeningDeps,
  options: ListeningOptions,
  wants: Wants,
): Promise<Line> {
  const { server, caller, envelope, firstByteMs, request } = options;
  const abort = new AbortController();
  if (!wants.lists && wants.uris.size === 0) {
    return { wants, abort, reply: undefined, honoured: new Set() };
  }
  // Who reads has to know why it ends.
  abort.signal.addEventListener("abort", () => {
    const { reason } = abort.signal;
    if (reason instanceof ServerGone) request.abort.abort(reason);
  });
  const leave = () => abort.abort(request.abort.signal.reason);
  request.abort.signal.addEventListener("abort", leave);
  const timer = timers.after(AGREED_MS, () => {
    abort.abort(new GatewayError("upstream_timeout", "The upstream server did not subscribe"));
  });
  try {
    const reply = await client.send(server, {
      body: listenBody(newId(), envelope, wants),
      headers: LISTEN_HEADERS,
      caller,
      clientHeaders: request.clientHeaders,
      idempotent: true,
      isQuiet: true,
      firstMs: firstByteMs,
      silenceMs: Infinity,
      totalMs: Infinity,
      abort,
    });
    if (reply.isStream !== true) refuse(reply);
    return { wants, abort, reply, honoured: await agreed(reply) };
  } catch (error) {
    abort.abort(error);
    throw error;
  } finally {
    timer.cancel();
    request.abort.signal.removeEventListener("abort", leave);
  }
}

/** @throws {UpstreamStatusError} 405 when the server has no such method */
function refuse(reply: UpstreamReply): never {
  const bytes = reply.take();
  const { status } = reply;
  const isError = bytes !== undefined &&
    sortMembers(bytes, scanUpstream(bytes).members).error !== undefined;
  reply.close();
  throw new UpstreamStatusError(isError && (status < 500 && status !== 429) ? 405 : status);
}

/** Reads until the server has agreed: that is the first thing that it may say. */
async function agreed(reply: UpstreamReply): Promise<ReadonlySet<string>> {
  const first = await reply.next();
  const honoured = first && agreedIn(first);
  if (honoured !== undefined) return honoured;
  reply.close();
  const text = "The upstream server did not agree to the subscription";
  throw new GatewayError("upstream_protocol", text);
}

/** Until it is replaced, or the reader leaves. */
function silence({ signal }: AbortController): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    if (signal.aborted) reject(signal.reason);
  });
}

function isSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((uri) => b.has(uri));
}
