/**
 * The stub as a server of revision 2025-11-25 over Streamable HTTP, with sessions: what an ordinary server
 * of that revision does, and no more of it than its clients can see.
 *
 * Requests are answered with JSON, `notify` with a stream, whose events have ids when `ids` is asked for.
 * The stream of a session (GET) stays silent until `announce`.
 *
 * @module
 */

import { ANNOUNCEMENT, SESSION_REVISION } from "./payload.ts";
import {
  failure,
  notifyStream,
  SERVER_INFO,
  type StubRequest,
  success,
  tailOf,
  textTails,
  TOOLS,
} from "./stub_answers.ts";

const SESSION = "mcp-session-id";
const SSE_HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
};

const INITIALIZED = tailOf({
  protocolVersion: SESSION_REVISION,
  capabilities: {
    tools: { listChanged: true },
    logging: {},
    resources: { subscribe: true },
  },
  serverInfo: SERVER_INFO,
});
const LIST = tailOf({ tools: TOOLS });
const EMPTY = tailOf({});
const TEXTS = textTails({});
const DONE = JSON.stringify({ content: [{ type: "text", text: "done" }] });
const SAID = new TextEncoder().encode(
  `data: ${JSON.stringify({ jsonrpc: "2.0", method: ANNOUNCEMENT })}\n\n`,
);

type Stream = ReadableStreamDefaultController<Uint8Array>;

/** The stub's sessions. */
export interface SessionStub {
  answer(request: Request): Promise<Response>;
  /** Says one thing on every open stream. */
  announce(): void;
  counts(): { readonly sessions: number; readonly streams: number };
}

/** No sessions yet. */
export function createSessionStub(): SessionStub {
  /** Each session with its stream, which it need not have. */
  const sessions = new Map<string, Stream | undefined>();
  let callStreams = 0;

  async function answer(request: Request): Promise<Response> {
    const session = request.headers.get(SESSION);
    if (request.method === "POST") return post(await request.json(), session);
    if (session === null) return failure(null, 400, -32000, "No session");
    if (!sessions.has(session)) return failure(null, 404, -32001, "Session not found");
    if (request.method === "GET") return listen(session);
    if (request.method === "DELETE") return end(session);
    return new Response(null, { status: 405, headers: { allow: "GET, POST, DELETE" } });
  }

  function post(message: StubRequest, session: string | null): Response {
    const { id, method } = message;
    if (session === null && method === "initialize" && id !== undefined) return open(id);
    if (session === null) return failure(id ?? null, 400, -32000, "No session");
    if (!sessions.has(session)) return failure(id ?? null, 404, -32001, "Session not found");
    // Notifications, and answers to requests of ours, which there are none of.
    if (id === undefined || method === undefined) return new Response(null, { status: 202 });
    if (method === "tools/call") return call(id, message);
    if (method === "tools/list") return success(id, LIST);
    const isKnown = method === "ping" || method === "logging/setLevel" ||
      method === "resources/subscribe" || method === "resources/unsubscribe";
    return isKnown ? success(id, EMPTY) : failure(id, 200, -32601, "Method not found");
  }

  function open(id: number | string): Response {
    const session = crypto.randomUUID();
    sessions.set(session, undefined);
    return success(id, INITIALIZED, { "content-type": "application/json", [SESSION]: session });
  }

  function call(id: number | string, message: StubRequest): Response {
    const { name, arguments: args } = message.params ?? {};
    if (name === "text") {
      const text = TEXTS.get(args?.bytes ?? 0);
      return text === undefined ? failure(id, 200, -32602, "No such size") : success(id, text);
    }
    if (name !== "notify") return failure(id, 200, -32602, "Unknown tool");
    const eventIds = args?.ids === true ? `call-${++callStreams}` : undefined;
    return new Response(notifyStream(message, DONE, eventIds), { headers: SSE_HEADERS });
  }

  /** As the SDK's servers do: one stream per session, a second one is refused. */
  function listen(session: string): Response {
    if (sessions.get(session) !== undefined) {
      return failure(null, 409, -32000, "Only one stream per session");
    }
    let own: Stream | undefined;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        own = controller;
        sessions.set(session, controller);
      },
      cancel() {
        if (own !== undefined && sessions.get(session) === own) sessions.set(session, undefined);
      },
    });
    return new Response(body, { headers: SSE_HEADERS });
  }

  function end(session: string): Response {
    const stream = sessions.get(session);
    sessions.delete(session);
    stream?.close();
    return new Response(null, { status: 200 });
  }

  const streams = () => [...sessions.values()].filter((stream) => stream !== undefined);
  return {
    answer,
    announce: () => streams().forEach((stream) => stream.enqueue(SAID)),
    counts: () => ({ sessions: sessions.size, streams: streams().length }),
  };
}
