/**
 * A server of the session era whose behaviour a test scripts, method by method, in the process of
 * the test. It records what reaches it exactly as it came.
 *
 * It has many slots, each an MCP endpoint of its own, so that the tests of a file can share one
 * gateway. What a script leaves out is answered as usual: sessions are given and known, messages
 * taken, calls answered at once, and there is no stream to listen on.
 *
 * @module
 */
import { createServer, type Socket } from "node:net";
import { createByteReader } from "../../fixtures/hostile/byte_reader.ts";
import { readRequest } from "../../fixtures/hostile/http_request.ts";
import { parseRpc } from "../../fixtures/hostile/rpc.ts";
import type { Json, Message } from "./modern.ts";
import { isOwnRequest, OWN_SESSION } from "./own_requests.ts";
import { until } from "./until.ts";

export interface SessionRequest {
  readonly verb: string;
  /** In order of arrival, names as they were written. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The only value of a header, by its lower-case name. */
  readonly header: (name: string) => string | undefined;
  readonly body: string;
  /** Empty where the body is none. */
  readonly message: Message;
  /** JSON-RPC method of a message; `response` for an answer, the verb where there is no body. */
  readonly method: string;
  /** The id as it was written; `null` when there is none. */
  readonly idText: string;
}

/** How one request is answered. Exactly one of these is called, or nothing is answered. */
export interface SessionReply {
  readonly json: (body: string | Message, options?: ReplyOptions) => void;
  /** Without a body. */
  readonly empty: (status: number, headers?: HeaderMap) => void;
  /** The head of an event stream; its events follow. */
  readonly stream: (headers?: HeaderMap) => ScriptedStream;
  /** Exactly these bytes, which are not the whole reply. */
  readonly write: (bytes: string | Uint8Array) => void;
  /** Exactly these bytes; the connection stays open for the next request. */
  readonly whole: (bytes: string | Uint8Array) => void;
  /** Breaks the connection off. */
  readonly drop: () => void;
  /** Resolves when the other side has closed the connection. */
  readonly left: Promise<void>;
}

export interface ReplyOptions {
  readonly status?: number;
  readonly headers?: HeaderMap;
}

export type HeaderMap = Readonly<Record<string, string>>;

export interface ScriptedStream {
  /** One message, with this event id. */
  readonly message: (message: string | Message, id?: string) => void;
  /** Text of the event stream as it is. */
  readonly text: (text: string | Uint8Array) => void;
  /** Ends the reply as HTTP does. */
  readonly end: () => void;
  readonly drop: () => void;
  /** Whether the other side has closed the connection. */
  readonly hasLeft: () => boolean;
  /** Resolves when there is room for more, or when the other side has left. */
  readonly drained: () => Promise<void>;
}

export type Handler = (request: SessionRequest, reply: SessionReply) => unknown;

/** By JSON-RPC method, `response`, `GET` or `DELETE`. */
export type SessionScript = Readonly<Record<string, Handler>>;

/** One endpoint, as the test that plays there sees it. */
export interface Slot {
  readonly number: number;
  /** In order of arrival. */
  readonly requests: SessionRequest[];
  readonly requestsOf: (method: string) => SessionRequest[];
  /** Waits for the request of this method that is the `nth`, counted from 0. */
  readonly arrival: (method: string, nth?: number) => Promise<SessionRequest>;
  /** The methods of all requests so far. */
  readonly methods: () => string[];
  /** Sessions that are open: forgotten ones are unknown, as after a restart of the server. */
  readonly sessions: Set<string>;
  /** The usual answer to a request. */
  readonly usual: Handler;
  /** The usual answer to `initialize`, with these members in its result. */
  readonly greeting: (members: Message) => Handler;
}

export interface ScriptedSessionsOptions {
  /**
   * What the gateway asks on its own account is answered as by a server that offers nothing, before
   * the slot is played too, and is not recorded: slots are for what clients make it do.
   */
  readonly setsGatewayAside?: boolean;
}

export interface ScriptedSessions extends AsyncDisposable {
  readonly origin: string;
  /** An endpoint that nobody has used yet. */
  readonly play: (script?: (slot: Slot) => SessionScript) => Slot;
}

/** Path of a slot's endpoint. */
export function slotPath(number: number): string {
  return `/${number}/mcp`;
}

interface Stage extends Slot {
  readonly script: SessionScript;
}

export async function startScriptedSessions(
  { setsGatewayAside = false }: ScriptedSessionsOptions = {},
): Promise<ScriptedSessions> {
  const stages: Stage[] = [];
  const sockets = new Set<Socket>();

  async function serve(socket: Socket): Promise<void> {
    const reader = createByteReader(socket);
    const left = new Promise<void>((resolve) => socket.once("close", resolve));
    for (;;) {
      const raw = await readRequest(reader);
      if (raw === undefined) return void socket.destroy();
      const request = requestOf(raw);
      const done = Promise.withResolvers<void>();
      const reply = replyOn(socket, left, done.resolve);
      if (setsGatewayAside && isOwn(request)) {
        answerGateway(request, reply);
        continue;
      }
      const stage = stages[Number(raw.target.split("/")[1])];
      if (stage === undefined) return void socket.destroy();
      stage.requests.push(request);
      await (stage.script[request.method] ?? stage.usual)(request, reply);
      await Promise.race([done.promise, left]);
      if (socket.destroyed) return;
    }
  }

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => {});
    serve(socket).catch((error) => {
      console.error("A scripted reply failed", error);
      socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("Not a TCP address");
  return {
    origin: `http://127.0.0.1:${address.port}`,
    play(script = () => ({})) {
      const slot = newSlot(stages.length);
      stages.push({ ...slot, script: script(slot) });
      return slot;
    },
    [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function newSlot(number: number): Omit<Stage, "script"> {
  const requests: SessionRequest[] = [];
  const sessions = new Set<string>();
  let opened = 0;
  const requestsOf = (method: string) => requests.filter((one) => one.method === method);
  const greeting = (members: Message): Handler => (request, reply) => {
    const id = `upstream-${number}-${++opened}`;
    sessions.add(id);
    reply.json(initialized(request, members), { headers: { "Mcp-Session-Id": id } });
  };
  return {
    number,
    requests,
    requestsOf,
    arrival: (method, nth = 0) =>
      until(`request ${nth} of ${method}`, () => requestsOf(method)[nth], 15_000),
    methods: () => requests.map(({ method }) => method),
    sessions,
    greeting,
    usual(request, reply) {
      if (request.method === "initialize") return greeting({})(request, reply);
      const id = request.header("mcp-session-id") ?? "";
      if (!sessions.has(id)) return reply.empty(404);
      if (request.verb === "DELETE") {
        sessions.delete(id);
        return reply.empty(200);
      }
      if (request.verb !== "POST") return reply.empty(405);
      if (request.idText === "null" || request.method === "response") return reply.empty(202);
      reply.json(result(request, { content: [{ type: "text", text: "usual" }] }));
    },
  };
}

function isOwn({ message, headers }: SessionRequest): boolean {
  const [, session] = headers.find(([name]) => name.toLowerCase() === "mcp-session-id") ?? [];
  return isOwnRequest(message, session);
}

/** As a server of the session era that offers nothing: then there is nothing to ask it. */
function answerGateway(request: SessionRequest, reply: SessionReply): void {
  if (request.method === "initialize") {
    const headers = { "Mcp-Session-Id": `${OWN_SESSION}${crypto.randomUUID()}` };
    return reply.json(initialized(request, { capabilities: {} }), { headers });
  }
  if (request.method === "server/discover") return reply.empty(404);
  if (request.verb === "DELETE") return reply.empty(200);
  if (request.verb !== "POST") return reply.empty(405);
  if (request.idText === "null") return reply.empty(202);
  reply.json(result(request, {}));
}

/** The answer to `initialize`: what was asked for. */
export function initialized(request: SessionRequest, more: Message = {}): string {
  const params = request.message.params as Message;
  return result(request, {
    protocolVersion: params.protocolVersion ?? "2025-11-25",
    capabilities: { logging: {}, resources: { subscribe: true }, tools: { listChanged: true } },
    serverInfo: { name: "scripted", version: "1.0.0" },
    ...more,
  });
}

/** A response with the id of the request as it was written. */
export function result({ idText }: SessionRequest, value: Json | string): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return `{"jsonrpc":"2.0","id":${idText},"result":${text}}`;
}

/** The result of a tool that says one thing. */
export function said(request: SessionRequest, text: string): string {
  return result(request, { content: [{ type: "text", text }] });
}

/** A notification with something to tell it by. */
export function note(data: Json): string {
  const params = { level: "info", data };
  return JSON.stringify({ jsonrpc: "2.0", method: "notifications/message", params });
}

function requestOf(
  { method: verb, headers, body }: NonNullable<Awaited<ReturnType<typeof readRequest>>>,
): SessionRequest {
  const rpc = parseRpc(body);
  const message = (rpc?.message ?? {}) as Message;
  return {
    verb,
    headers,
    header(name) {
      const values = headers.filter(([key]) => key.toLowerCase() === name);
      if (values.length > 1) throw new Error(`Header "${name}" came ${values.length} times`);
      return values[0]?.[1];
    },
    body,
    message,
    method: body === "" ? verb : typeof message.method === "string" ? message.method : "response",
    idText: rpc?.idText ?? "null",
  };
}

function replyOn(socket: Socket, left: Promise<void>, done: () => void): SessionReply {
  const write = (bytes: string | Uint8Array) => void (socket.destroyed || socket.write(bytes));
  const drop = () => void socket.destroy();
  return {
    json(body, { status = 200, headers = {} } = {}) {
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const length = String(new TextEncoder().encode(text).length);
      const all = { "Content-Type": "application/json", "Content-Length": length, ...headers };
      write(headOf(status, all) + text);
      done();
    },
    empty(status, headers = {}) {
      write(headOf(status, { "Content-Length": "0", ...headers }));
      done();
    },
    stream(headers = {}) {
      const fixed = { "Content-Type": "text/event-stream", "Transfer-Encoding": "chunked" };
      write(headOf(200, { ...fixed, ...headers }));
      return streamOn(socket, write, done);
    },
    write,
    whole(bytes) {
      write(bytes);
      done();
    },
    drop,
    left,
  };
}

function streamOn(
  socket: Socket,
  write: (bytes: string | Uint8Array) => void,
  done: () => void,
): ScriptedStream {
  const text = (text: string | Uint8Array) => {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    if (bytes.length === 0) return;
    write(`${bytes.length.toString(16)}\r\n`);
    write(bytes);
    write("\r\n");
  };
  return {
    message(message, id) {
      const data = typeof message === "string" ? message : JSON.stringify(message);
      text(`${id === undefined ? "" : `id: ${id}\n`}data: ${data}\n\n`);
    },
    text,
    end() {
      write("0\r\n\r\n");
      done();
    },
    drop: () => void socket.destroy(),
    hasLeft: () => socket.destroyed,
    drained: () =>
      new Promise((resolve) => {
        if (!socket.writableNeedDrain || socket.destroyed) return resolve();
        const stop = () => {
          socket.off("drain", stop).off("close", stop);
          resolve();
        };
        socket.on("drain", stop).on("close", stop);
      }),
  };
}

function headOf(status: number, headers: HeaderMap): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Scripted\r\n${lines.join("")}\r\n`;
}
