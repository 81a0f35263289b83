/**
 * A client of the transport of 2024-11-05 by hand: what it sends is correct unless a test says
 * otherwise, and it answers nothing by itself.
 *
 * @module
 */
import type { Json, Message } from "./modern.ts";
import { openRaw, type OpenReply, statusOf } from "./open_reply.ts";
import { type HeaderValues, type RawReply, requestTo, sendRaw } from "./raw_http.ts";
import { until } from "./until.ts";

export interface OldEvent {
  readonly type: string;
  readonly id: string | undefined;
  readonly retry: number | undefined;
  readonly data: string;
}

export interface OldStream extends Disposable {
  readonly reply: OpenReply;
  /** Where messages are posted, once it has been said. */
  readonly endpoint: () => Promise<string>;
  /** The whole events so far, the endpoint's included. */
  readonly events: () => OldEvent[];
  /** Waits for the response to the request with this id. */
  readonly response: (id: unknown) => Promise<Message>;
  /** Waits for a message of this method. */
  readonly message: (method: string) => Promise<Message>;
  /** Messages that are responses, by their ids, in order. */
  readonly answered: () => unknown[];
  /** To resume from: the id of the newest event. */
  readonly lastEventId: () => string;
  /** Posts to the endpoint. */
  readonly post: (message: unknown, options?: PostOptions) => Promise<RawReply>;
  /** Posts a request and waits for its response. */
  readonly ask: (id: unknown, method: string, params?: Message) => Promise<Message>;
  readonly call: (id: unknown, name: string, args?: Message, token?: string) => Promise<RawReply>;
}

export interface OldOptions {
  /** `/sse` unless given. */
  readonly path?: string;
  readonly token?: string | undefined;
  readonly lastEventId?: string;
  readonly headers?: HeaderValues;
}

export interface PostOptions {
  /** The stream's own unless given. */
  readonly token?: string | undefined;
  readonly endpoint?: string;
  readonly headers?: HeaderValues;
  readonly verb?: string;
}

/** Opens a stream, whatever is answered. */
export async function openOldReply(origin: string, options: OldOptions = {}): Promise<OpenReply> {
  const { path = "/sse", token, lastEventId, headers = {} } = options;
  return await openRaw(
    origin,
    requestTo(origin, {
      verb: "GET",
      path,
      token,
      headers: {
        "Accept": "text/event-stream",
        ...lastEventId !== undefined && { "Last-Event-ID": lastEventId },
        ...headers,
      },
    }),
  );
}

/** Opens a stream. @throws when it is refused */
export async function openOld(origin: string, options: OldOptions = {}): Promise<OldStream> {
  const reply = await openOldReply(origin, options);
  const status = await statusOf(reply);
  if (status !== 200) throw new Error(`No stream was opened: ${status} ${reply.text()}`);
  return streamOf(origin, reply, options);
}

/** Opens a stream and a session. */
export async function greetOld(
  origin: string,
  options: OldOptions & { readonly revision?: string } = {},
): Promise<OldStream> {
  const stream = await openOld(origin, options);
  const hello = initialize("hello", options.revision);
  await stream.post(hello);
  await stream.response("hello");
  await stream.post({ jsonrpc: "2.0", method: "notifications/initialized" });
  return stream;
}

export function initialize(id: Json, protocolVersion = "2024-11-05"): Message {
  const clientInfo = { name: "sallyport-tests", version: "1.0.0" };
  const capabilities = { roots: {}, sampling: {} };
  const params = { protocolVersion, capabilities, clientInfo };
  return { jsonrpc: "2.0", id, method: "initialize", params };
}

/** Sends any request of this transport and reads the whole reply. */
export function sendOld(
  origin: string,
  path: string,
  body: string | Uint8Array | undefined,
  { token, headers = {}, verb = "POST" }: PostOptions = {},
): Promise<RawReply> {
  const parts = { verb, path, token, headers, ...body !== undefined && { body } };
  return sendRaw(origin, requestTo(origin, parts), { hasBody: verb !== "HEAD" });
}

function streamOf(origin: string, reply: OpenReply, options: OldOptions): OldStream {
  const events = () => oldEventsIn(reply.text());
  const messages = () =>
    events().flatMap(({ type, data }): Message[] => type === "message" ? [JSON.parse(data)] : []);
  const endpoint = () =>
    until("the endpoint", () => events().find(({ type }) => type === "endpoint")?.data);
  const isResponse = (message: Message) => "result" in message || "error" in message;
  const post = async (message: unknown, { endpoint: path, token, ...rest }: PostOptions = {}) => {
    const body = typeof message === "string" ? message : JSON.stringify(message);
    return await sendOld(origin, path ?? await endpoint(), body, {
      token: token ?? options.token,
      ...rest,
    });
  };
  const response = (id: unknown) =>
    until(
      `the response to ${id}`,
      () => messages().find((message) => isResponse(message) && message.id === id),
      15_000,
    );
  return {
    reply,
    endpoint,
    events,
    response,
    message: (method) =>
      until(`a message ${method}`, () => messages().find((one) => one.method === method)),
    answered: () => messages().filter(isResponse).map(({ id }) => id),
    lastEventId() {
      const id = events().findLast((event) => event.id !== undefined)?.id;
      if (id === undefined) throw new Error("No event of the stream had an id");
      return id;
    },
    post,
    async ask(id, method, params) {
      await post({ jsonrpc: "2.0", id, method, ...params && { params } });
      return await response(id);
    },
    call: (id, name, args = {}, token) =>
      post({ jsonrpc: "2.0", id, method: "tools/call", params: { name, arguments: args } }, {
        token,
      }),
    [Symbol.dispose]: () => reply.close(),
  };
}

function oldEventsIn(stream: string): OldEvent[] {
  return stream.split("\n\n").slice(0, -1).flatMap((block) => {
    const lines = block.split("\n").filter((line) => !line.startsWith(":"));
    if (lines.length === 0) return [];
    const field = (name: string) =>
      lines.findLast((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    const [retry, data] = [field("retry"), field("data")];
    if (data === undefined) return [];
    return [{
      type: field("event") ?? "message",
      id: field("id"),
      retry: retry === undefined ? undefined : Number(retry),
      data,
    }];
  });
}
