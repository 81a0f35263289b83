/**
 * A server of the transport of 2024-11-05 by hand, and the client that is tested against it: the test
 * says what comes on each stream and how each message is taken.
 *
 * @module
 */
import type { HttpUpstream } from "../../src/domain/server.ts";
import { createByteBudget } from "../../src/platform/byte_budget.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createHttpClient } from "../../src/platform/http1/client.ts";
import { createTimers } from "../../src/platform/timers.ts";
import { createEgressPolicy } from "../../src/policy/egress.ts";
import type { UpstreamRequest } from "../../src/upstream/client.ts";
import { createMcpClient, type HttpMcpClient } from "../../src/upstream/mcp_client.ts";
import { createHttpSide } from "../../src/upstream/old_transport.ts";
import type { UpstreamReply } from "../../src/upstream/reply.ts";
import { createSseClient, type SseMcpClient } from "../../src/upstream/sse_client.ts";
import type { Message } from "../support/modern.ts";
import { openRawServer, type RawPeer, type RawServer } from "../support/raw_server.ts";
import { until } from "../support/until.ts";
import { anUpstream } from "./client_world.ts";

export const MESSAGE_BYTES_MAX = 100_000;
export const ENDPOINT = "event: endpoint\ndata: /message?id=7\n\n";

/** A stream that the client has opened. */
export interface OldStream {
  readonly head: string;
  /** Text of the event stream as it is. */
  readonly text: (text: string) => Promise<void>;
  readonly message: (message: unknown) => Promise<void>;
  /** Breaks it off. */
  readonly drop: () => void;
  /** Resolves when the client has closed it. */
  readonly left: Promise<void>;
}

export interface Posted {
  readonly head: string;
  readonly message: Message;
  /** Of the connection that was opened last. */
  readonly stream: OldStream;
}

export interface OldServer extends RawServer {
  readonly url: string;
  readonly streams: readonly OldStream[];
  readonly posts: readonly Posted[];
  /** Methods of all messages that were posted, in order. */
  readonly methods: () => unknown[];
}

export interface OldBehaviour {
  /** What a GET is answered with; an event stream with an endpoint unless given. */
  readonly get?: (peer: RawPeer, nth: number) => Promise<void> | void;
  /** What a stream begins with; the endpoint unless given. */
  readonly begin?: (stream: OldStream) => Promise<void> | void;
  /** What a POST is answered with, besides what comes on the stream; 202 unless given. */
  readonly post?: (posted: Posted) => string | undefined | Promise<string | undefined>;
  /** Whether a GET is refused now. */
  readonly isRefusing?: () => boolean;
  /** What a POST of a message to the URL of the stream, without a query, is answered with. */
  readonly postToStream?: () => string;
}

export const STREAM_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
export const ACCEPTED = "HTTP/1.1 202 Accepted\r\nContent-Length: 8\r\n\r\nAccepted";

export function status(code: number, body = "", type = "text/plain"): string {
  const head = `HTTP/1.1 ${code} Status\r\nContent-Type: ${type}\r\n`;
  return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
}

/** Listens on a free port. Greets whoever posts `initialize`, unless told otherwise. */
export function openOldServer(behaviour: OldBehaviour = {}): OldServer {
  const streams: OldStream[] = [];
  const posts: Posted[] = [];
  let gets = 0;

  async function serve(peer: RawPeer): Promise<void> {
    for (let one = await peer.request(); one !== undefined; one = await peer.request()) {
      if (one.head.startsWith("GET ")) return await openStream(peer, one.head);
      await take(peer, one);
    }
  }

  async function openStream(peer: RawPeer, head: string): Promise<void> {
    if (behaviour.isRefusing?.()) return await peer.write(status(405));
    if (behaviour.get !== undefined) return await behaviour.get(peer, gets++);
    await peer.write(STREAM_HEAD);
    const left = peer.left();
    const text = (text: string) => peer.write(text);
    const message = (message: unknown) => text(`data: ${JSON.stringify(message)}\n\n`);
    const stream = { head, text, message, drop: peer.close, left };
    streams.push(stream);
    await (behaviour.begin?.(stream) ?? text(ENDPOINT));
    await left;
  }

  async function take(peer: RawPeer, { head, body }: { head: string; body: string }) {
    if (head.startsWith("POST /sse ")) {
      return await peer.write(behaviour.postToStream?.() ?? status(405));
    }
    const posted = { head, message: JSON.parse(body), stream: streams.at(-1)! };
    posts.push(posted);
    const answer = await behaviour.post?.(posted);
    await peer.write(answer ?? ACCEPTED);
    if (answer === undefined && posted.message.method === "initialize") await greet(posted);
  }

  const raw = openRawServer(serve);
  return {
    ...raw,
    url: `http://127.0.0.1:${raw.port}/sse`,
    streams,
    posts,
    methods: () => posts.map(({ message }) => message.method),
    [Symbol.asyncDispose]: () => raw[Symbol.asyncDispose](),
  };
}

export function greet({ stream, message }: Posted): Promise<void> {
  const result = {
    protocolVersion: "2024-11-05",
    capabilities: {},
    serverInfo: { name: "old", version: "1" },
  };
  return stream.message({ jsonrpc: "2.0", id: message.id, result });
}

export interface OldWorld extends Disposable {
  readonly client: HttpMcpClient;
  readonly sse: SseMcpClient;
  /** What was told of events that are no messages. */
  readonly garbage: readonly string[];
  readonly heldBytes: () => number;
  /** Opens a session and gives its id. */
  readonly open: (server: HttpUpstream, firstMs?: number) => Promise<string>;
  readonly send: (
    server: HttpUpstream,
    message: unknown,
    more?: Partial<UpstreamRequest>,
  ) => Promise<UpstreamReply>;
}

/** Servers that are not declared may be reached at public addresses only. */
export function openOldWorld(): OldWorld {
  const timers = createTimers(systemClock.monotonic);
  const http = createHttpClient(systemClock);
  const egress = createEgressPolicy({ allowPrivate: [], own: [] });
  const garbage: string[] = [];
  let held = 0;
  const budget = {
    ...createByteBudget(Infinity),
    hold: (bytes: number) => void (held += bytes),
    release: (bytes: number) => void (held -= bytes),
  };
  const streamable = createMcpClient({ http, clock: systemClock, timers, budget }, {
    connectMs: 1_000,
    messageBytesMax: MESSAGE_BYTES_MAX,
    userAgent: "sallyport/test",
    checkAddress(server, target, address) {
      if (!server.declared) egress.checkAddress(target, address);
    },
  });
  const sse = createSseClient({
    http: streamable,
    timers,
    now: systemClock.monotonic,
    budget,
    garbage: (_, text) => void garbage.push(text),
  }, { replica: "this" });
  const client = createHttpSide({ http: streamable, sse, clock: systemClock });
  const send: OldWorld["send"] = async (server, message, more = {}) =>
    await client.send(server, aRequest(message, more));
  return {
    client,
    sse,
    garbage,
    heldBytes: () => held,
    send,
    async open(server, firstMs = 10_000) {
      const reply = await send(server, INITIALIZE, { firstMs });
      while (await reply.next() !== undefined);
      reply.close();
      return reply.sessionId()!;
    },
    [Symbol.dispose]() {
      sse.close();
      http.close();
    },
  };
}

export const INITIALIZE = {
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: {
    protocolVersion: "2024-11-05",
    capabilities: {},
    clientInfo: { name: "test", version: "1" },
  },
};

export function oldUpstream(url: string, more: Partial<HttpUpstream> = {}): HttpUpstream {
  return anUpstream(url, { transport: "sse", ...more });
}

export function aRequest(message: unknown, more: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    body: message === undefined ? undefined : new TextEncoder().encode(JSON.stringify(message)),
    headers: "",
    idempotent: false,
    firstMs: 10_000,
    silenceMs: 10_000,
    totalMs: 20_000,
    abort: new AbortController(),
    ...more,
  };
}

export function call(id: unknown, params: Message = {}): Message {
  return { jsonrpc: "2.0", id: id as string, method: "tools/call", params };
}

/** The messages of a reply to its end. */
export async function messagesOf(reply: UpstreamReply): Promise<Message[]> {
  const messages: Message[] = [];
  for (let one = await reply.next(); one !== undefined; one = await reply.next()) {
    messages.push(JSON.parse(new TextDecoder().decode(one)));
  }
  reply.close();
  return messages;
}

/** Waits for a message of this method. */
export function posted(server: OldServer, method: string): Promise<Posted> {
  return until(
    `a message ${method}`,
    () => server.posts.find(({ message }) => message.method === method),
  );
}
