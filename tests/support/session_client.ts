/**
 * A client of the session era by hand, revisions 2024-11-05 to 2025-11-25: what it sends is
 * correct unless a test says otherwise, and it answers nothing by itself.
 *
 * @module
 */
import { type Message, messagesOf, onlyResponse } from "./modern.ts";
import { openRaw, type OpenReply } from "./open_reply.ts";
import {
  headerOf,
  type HeaderValues,
  type RawOptions,
  type RawReply,
  requestTo,
  sendRaw,
} from "./raw_http.ts";
import { until } from "./until.ts";

export const SESSION_REVISIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] as const;
export const NEWEST_SESSION_REVISION = "2025-11-25";

const FIRST_WITH_VERSION_HEADER = "2025-06-18";

export interface SessionCall {
  /** HTTP verb, `POST` unless given. */
  readonly verb?: string;
  /** JSON-RPC method, `tools/call` unless given. */
  readonly method?: string;
  readonly params?: Message;
  /** The id as JSON text, one of its own unless given; `""` makes it a notification. */
  readonly idText?: string;
  readonly path?: string;
  readonly token?: string | undefined;
  /** `undefined` takes a usual one away, a list sends it several times. */
  readonly headers?: HeaderValues;
  /** The whole body, instead of the one that is built. */
  readonly body?: string | Uint8Array;
  readonly options?: RawOptions;
}

/** What a stream says at once. A priming event has an id and no data. */
export interface StreamEvent {
  readonly id?: string;
  readonly retry?: number;
  readonly data: string;
}

/** A reply that has ended. */
export interface SessionReply extends RawReply {
  /** In order: of a JSON body, of a batch, or of all events of a stream. */
  readonly messages: readonly Message[];
  /** The one message that is a response. */
  readonly response: Message;
  /** None for a JSON body. */
  readonly events: readonly StreamEvent[];
}

/** A reply that is read while it comes in. */
export interface SessionStream extends OpenReply {
  /** The whole events so far. */
  readonly events: () => StreamEvent[];
}

export interface SessionOptions {
  /** `/mcp` unless given. */
  readonly path?: string;
  readonly token?: string | undefined;
  /** To ask for; 2025-11-25 unless given. */
  readonly revision?: string;
  readonly capabilities?: Message;
  /** The id of `initialize` as JSON text, `0` unless given. */
  readonly idText?: string;
}

export interface Session extends AsyncDisposable {
  readonly id: string;
  /** As the server chose it. */
  readonly revision: string;
  /** What the server said of itself. */
  readonly server: Message;
  /** Sends a message and reads the whole reply. */
  readonly send: (call: SessionCall) => Promise<SessionReply>;
  /** Sends a message on a connection of its own, and does not wait for the reply. */
  readonly open: (call: SessionCall) => Promise<SessionStream>;
  readonly notify: (method: string, params?: Message) => Promise<SessionReply>;
  /** Answers a request of the server. */
  readonly answer: (request: Message, answer: Answer) => Promise<SessionReply>;
  /** Opens the session's own stream, or resumes the stream of an event. */
  readonly listen: (lastEventId?: string) => Promise<SessionStream>;
  readonly end: () => Promise<SessionReply>;
  /** The same session at another replica. */
  readonly at: (origin: string) => Session;
}

export type Answer = { readonly result: Message } | { readonly error: Message };

/** All that a server may ask for. */
export const ALL_CAPABILITIES: Message = { roots: {}, sampling: {}, elicitation: {} };

/** Sends a message of no session, unless its headers name one, and reads the whole reply. */
export async function callSession(origin: string, call: SessionCall): Promise<SessionReply> {
  const reply = await sendRaw(origin, sessionBytes(origin, call), call.options);
  const messages = messagesOf(reply).flat();
  const isStream = headerOf(reply, "content-type")?.startsWith("text/event-stream");
  return {
    ...reply,
    messages,
    events: isStream ? eventsIn(reply.text) : [],
    get response() {
      return onlyResponse(reply, messages);
    },
  };
}

/** Does what `callSession` does, and does not wait for the reply. */
export async function openSessionStream(origin: string, call: SessionCall): Promise<SessionStream> {
  const reply = await openRaw(origin, sessionBytes(origin, call));
  return { ...reply, events: () => eventsIn(reply.text()) };
}

/** Asks for a session; the reply is for the test to judge. */
export function initialize(origin: string, options: SessionOptions & SessionCall = {}) {
  const { revision = NEWEST_SESSION_REVISION, capabilities = ALL_CAPABILITIES } = options;
  return callSession(origin, {
    method: "initialize",
    params: {
      protocolVersion: revision,
      capabilities,
      clientInfo: { name: "sallyport-tests", version: "1.0.0" },
    },
    idText: "0",
    ...options,
  });
}

/**
 * Opens a session; it ends with the test.
 *
 * @throws when it is refused
 */
export async function openSession(origin: string, options: SessionOptions = {}): Promise<Session> {
  const reply = await initialize(origin, options);
  const id = headerOf(reply, "mcp-session-id");
  if (id === undefined || !("result" in reply.response)) {
    throw new Error(`No session was opened: ${reply.status} ${reply.text.slice(0, 500)}`);
  }
  const server = reply.response.result as Message;
  const revision = server.protocolVersion as string;
  const session = sessionOf(origin, id, revision, server, options);
  await session.notify("notifications/initialized");
  return session;
}

function sessionOf(
  origin: string,
  id: string,
  revision: string,
  server: Message,
  options: SessionOptions,
): Session {
  const { path, token } = options;
  let last = 0;
  const own: SessionCall = {
    ...path !== undefined && { path },
    ...token !== undefined && { token },
  };
  const headers = {
    "Mcp-Session-Id": id,
    ...revision >= FIRST_WITH_VERSION_HEADER && { "MCP-Protocol-Version": revision },
  };
  const complete = (call: SessionCall): SessionCall => ({
    idText: String(++last),
    ...own,
    ...call,
    headers: { ...headers, ...call.headers },
  });
  const send = (call: SessionCall) => callSession(origin, complete(call));
  const open = (call: SessionCall) => openSessionStream(origin, complete(call));
  return {
    id,
    revision,
    server,
    send,
    open,
    notify: (method, params) => send({ method, idText: "", ...params && { params } }),
    answer: (request, answer) =>
      send({ body: JSON.stringify({ jsonrpc: "2.0", id: request.id, ...answer }) }),
    listen: (lastEventId) =>
      open({
        verb: "GET",
        headers: {
          "Accept": "text/event-stream",
          ...lastEventId !== undefined && { "Last-Event-ID": lastEventId },
        },
      }),
    end: () => send({ verb: "DELETE" }),
    at: (other) => sessionOf(other, id, revision, server, options),
    async [Symbol.asyncDispose]() {
      // It may have ended already, and so may have the server.
      await send({ verb: "DELETE" }).catch(() => {});
    },
  };
}

/** Calls a tool by name; progress is asked for under the token of that name. */
export function toolCall(name: string, args: Message = {}, progressToken?: string): SessionCall {
  return {
    method: "tools/call",
    params: {
      name,
      arguments: args,
      ...progressToken !== undefined && { _meta: { progressToken } },
    },
  };
}

/** The request as it goes over the wire. */
export function sessionBytes(origin: string, call: SessionCall): Uint8Array<ArrayBuffer> {
  const { verb = "POST", path = "/mcp", token, headers = {} } = call;
  const hasBody = verb === "POST" || call.body !== undefined;
  return requestTo(origin, {
    verb,
    path,
    token,
    headers: { ...hasBody && { "Accept": "application/json, text/event-stream" }, ...headers },
    ...hasBody && { body: call.body ?? sessionBody(call) },
  });
}

/** The JSON-RPC message of a call. */
export function sessionBody(call: SessionCall): string {
  const id = call.idText === "" ? "" : `"id":${call.idText ?? "1"},`;
  const method = JSON.stringify(call.method ?? "tools/call");
  const params = call.params ? `,"params":${JSON.stringify(call.params)}` : "";
  return `{"jsonrpc":"2.0",${id}"method":${method}${params}}`;
}

/** Where a stream can be resumed: the id of the last event that had one. */
export function lastEventId(events: readonly StreamEvent[]): string {
  const id = events.findLast((event) => event.id !== undefined)?.id;
  if (id === undefined) throw new Error("No event of the stream had an id");
  return id;
}

/** All that a client can see of a reply, but what is new in each: when it came, and its number. */
export function visibleIn({ status, headers, text }: RawReply): string {
  const shown = text.replace(/("correlationId":)[^,}]*/, "$1");
  // Numbers grow longer now and then.
  const length = (value: string) => String(Number(value) - (text.length - shown.length));
  const kept = headers.filter(([name]) => name !== "date")
    .map(([name, value]) => [name, name === "content-length" ? length(value) : value]);
  return JSON.stringify([status, kept, shown]);
}

/** The messages of events, in order. */
export function messagesIn(events: readonly StreamEvent[]): Message[] {
  return events.flatMap(({ data }) => data ? [JSON.parse(data)] : []);
}

/**
 * Reads the stream of a call to its response, as a client does that may resume: when it ends
 * before, it waits as long as it was told and comes back.
 *
 * @returns all events that came, in order
 */
export async function followCall(session: Session, first: SessionStream): Promise<StreamEvent[]> {
  const seen: StreamEvent[] = [];
  for (let stream = first;;) {
    await until("the end of the stream", () => stream.ended(), 30_000);
    seen.push(...stream.events());
    if (messagesIn(seen).some((message) => "result" in message || "error" in message)) return seen;
    const retryMs = seen.findLast((event) => event.retry !== undefined)?.retry ?? 0;
    await new Promise((resolve) => setTimeout(resolve, retryMs));
    stream = await session.listen(lastEventId(seen));
  }
}

/** The events of a stream; comments are left out, and so is what is not whole. */
export function eventsIn(stream: string): StreamEvent[] {
  const blocks = stream.split(/\r\n\r\n|\n\n|\r\r/).slice(0, -1);
  return blocks.flatMap((block) => {
    const fields = block.split(/\r\n|\n|\r/).flatMap((line): [string, string][] => {
      const [, name, value] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
      return name ? [[name, value ?? ""]] : [];
    });
    if (fields.length === 0) return [];
    const last = (name: string) => fields.findLast(([key]) => key === name)?.[1];
    const [id, retry] = [last("id"), last("retry")];
    return [{
      ...id !== undefined && { id },
      ...retry !== undefined && { retry: Number(retry) },
      data: fields.filter(([key]) => key === "data").map(([, value]) => value).join("\n"),
    }];
  });
}
