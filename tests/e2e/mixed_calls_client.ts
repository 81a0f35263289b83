/**
 * A principal of the crowd: sends requests of both eras on kept connections, and keeps an eye on
 * all that comes back.
 *
 * @module
 */
import { eventData, type Message, mirrorHeaders, modernBody } from "../support/modern.ts";
import { NEWEST_SESSION_REVISION, sessionBody } from "../support/session_client.ts";

/** The same for everybody, on purpose. */
const TOKEN = "same-for-all";
const CAPABILITIES = { sampling: {} };
const DEADLINE_MS = 30_000;

export interface Who {
  readonly origin: string;
  readonly token: string;
  readonly mark: string;
  /** Told of every request that goes out. */
  readonly sent: () => void;
  /** Told of every byte that comes: head and body of a reply, or as much of it as was read. */
  readonly heard: (text: string) => void;
}

/** A reply while it comes in. */
export interface Coming {
  /** Reads on until there is such a message. @throws when the reply ends before */
  readonly message: (isMeant: (message: Message) => boolean) => Promise<Message>;
  /** The id of the first event. */
  readonly eventId: () => Promise<string>;
  /** Leaves. */
  readonly leave: () => Promise<void>;
}

export interface Client {
  /** The response to a request. */
  readonly ask: (method: string, params?: Message) => Promise<Message>;
  /** Sends a request, and does not wait for the response. */
  readonly open: (method: string, params?: Message) => Promise<Coming>;
}

export interface SessionClient extends Client {
  /** Answers a question. */
  readonly answer: (id: Message[string], result: Message) => Promise<void>;
  /** Cancels the request that was sent last. */
  readonly cancel: () => Promise<void>;
  /** The session's own stream, or the one of that event. */
  readonly listen: (lastEventId?: string) => Promise<Coming>;
}

/** Ids count up from 1, as everybody's do. */
export function modernClient(who: Who, path: string): Client {
  let last = 0;
  async function open(method: string, params: Message = {}): Promise<Coming> {
    const prefix = "io.modelcontextprotocol/";
    const meta = {
      progressToken: TOKEN,
      mark: who.mark,
      [`${prefix}clientCapabilities`]: CAPABILITIES,
      [`${prefix}clientInfo`]: { name: who.mark, version: "1" },
    };
    const call = { method, params, meta, idText: String(++last) };
    return await send(who, path, mirrorHeaders(call), modernBody(call));
  }
  return { open, ask: async (method, params) => await responseOf(await open(method, params)) };
}

/** @throws when it is refused a session */
export async function sessionClient(who: Who, path: string): Promise<SessionClient> {
  let last = 0;
  const headers: Record<string, string> = {};
  const body = (method: string, params: Message, idText: string) => {
    const _meta = { progressToken: TOKEN, mark: who.mark };
    return sessionBody({ method, params: { ...params, _meta }, idText });
  };
  const tell = async (text: string) => await rest(await send(who, path, headers, text));
  const open = (method: string, params: Message = {}) =>
    send(who, path, headers, body(method, params, String(++last)));
  const hello = await fetched(
    who,
    path,
    headers,
    body("initialize", {
      protocolVersion: NEWEST_SESSION_REVISION,
      capabilities: CAPABILITIES,
      clientInfo: { name: who.mark, version: "1" },
    }, "0"),
  );
  who.heard(await hello.text());
  headers["Mcp-Session-Id"] = hello.headers.get("mcp-session-id")!;
  headers["MCP-Protocol-Version"] = NEWEST_SESSION_REVISION;
  await tell(body("notifications/initialized", {}, ""));
  return {
    open,
    ask: async (method, params) => await responseOf(await open(method, params)),
    answer: (id, result) => tell(JSON.stringify({ jsonrpc: "2.0", id: id!, result })),
    cancel: () => tell(body("notifications/cancelled", { requestId: last }, "")),
    listen: (lastEventId) => {
      const more = lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId };
      return send(who, path, { ...headers, ...more, Accept: "text/event-stream" }, undefined);
    },
  };
}

export async function responseOf(coming: Coming): Promise<Message> {
  return await coming.message((message) => "result" in message || "error" in message);
}

/** Reads to the end. */
async function rest(coming: Coming): Promise<void> {
  await coming.message(() => false).catch(() => {});
}

async function fetched(
  { origin, token, sent }: Who,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: string | undefined,
): Promise<Response> {
  sent();
  return await fetch(`${origin}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      "Authorization": `Bearer ${token}`,
      "Accept": "application/json, text/event-stream",
      ...body !== undefined && { "Content-Type": "application/json" },
      ...headers,
    },
    ...body !== undefined && { body },
  });
}

async function send(
  who: Who,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: string | undefined,
): Promise<Coming> {
  return comingIn(await fetched(who, path, headers, body), who.heard);
}

function comingIn(response: Response, heard: (text: string) => void): Coming {
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let isOver = reader === undefined;
  const end = () => {
    if (!isOver) heard(`${[...response.headers].join("\n")}\n${text}`);
    isOver = true;
  };

  async function more(): Promise<boolean> {
    if (isOver) return false;
    // A connection that breaks off has ended, too.
    const { value, done } = await reader!.read().catch(() => ({ value: undefined, done: true }));
    if (done) end();
    else text += value;
    return !done;
  }

  /** Reads on until something is there. @throws when the reply ends before, or it takes too long */
  async function awaited<T>(what: string, find: () => T | undefined): Promise<T> {
    const timer = setTimeout(() => void reader?.cancel(), DEADLINE_MS);
    try {
      for (;;) {
        const found = find();
        if (found !== undefined) return found;
        if (isOver) throw new Error(`${response.status}, and no ${what}: ${text.slice(0, 500)}`);
        await more();
      }
    } finally {
      clearTimeout(timer);
    }
  }

  const messages = (): Message[] => {
    if (!isStream) return isOver && text ? [JSON.parse(text)] : [];
    return eventData(text.slice(0, text.lastIndexOf("\n\n") + 2)).map((data) => JSON.parse(data));
  };

  return {
    async message(isMeant) {
      const found = await awaited("such message", () => messages().find(isMeant));
      // With its response a reply is over.
      if ("result" in found || "error" in found) { while (await more()); }
      return found;
    },
    eventId: () => awaited("event with an id", () => /^id: ?(\S+)/m.exec(text)?.[1]),
    async leave() {
      await reader?.cancel().catch(() => {});
      end();
    },
  };
}
