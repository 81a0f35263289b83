/**
 * A principal who calls the tools of `crowd_server.ts` in both eras, and writes down what comes of
 * it. Nothing is sent twice: a call whose connection breaks is lost, unless its stream can be
 * resumed.
 *
 * @module
 */
import type { Happening } from "./history.ts";
import { type Message, mirrorHeaders, modernBody } from "./modern.ts";
import {
  eventsIn,
  NEWEST_SESSION_REVISION,
  sessionBody,
  type StreamEvent,
} from "./session_client.ts";

export interface CrowdWho {
  readonly origin: string;
  readonly token: string;
  readonly name: string;
  readonly tell: (happening: Happening) => void;
  /** A number that no other call has. */
  readonly next: () => number;
}

export interface CrowdCall {
  readonly tool: "echo" | "steps";
  /** How long the server takes, for each step. */
  readonly ms: number;
  /** Breaks off after the first event that has an id, and comes back. */
  readonly leaves?: boolean;
}

/** How a call ended, from outside. */
export interface Outcome {
  readonly sentMs: number;
  readonly endedMs: number;
  /** `ok`, a JSON-RPC code, an HTTP status, `502 of the balancer`, `broken`, `hang`. */
  readonly error: string;
  /** How often its stream was resumed. */
  readonly resumed: number;
  /** The header `Retry-After` of the reply. */
  readonly retryAfter: string | undefined;
}

export interface CrowdClient {
  readonly call: (call: CrowdCall) => Promise<Outcome>;
}

export interface CrowdSession extends CrowdClient {
  /** Whether the gateway still knows it. */
  readonly isLost: () => boolean;
}

/** The whole of a call: who does not know by then how it ended is waiting in vain. */
const DEADLINE_MS = 60_000;
const AGAIN_MS = 50;
/** Codes up to here are those of JSON-RPC and MCP. */
const JSON_RPC_MAX = -32_000;
const NAMES = /call-[\w-]+-\d+/g;

/** What came of one HTTP request. */
interface Reply {
  /** `undefined` when there was no connection, or none any more before its head. */
  readonly status: number | undefined;
  readonly text: string;
  readonly events: readonly StreamEvent[];
  readonly messages: readonly Message[];
  readonly retryAfter?: string | undefined;
  /** Why its stream could not be resumed the last time, if so. */
  readonly last?: string;
}

const NO_REPLY: Reply = { status: undefined, text: "", events: [], messages: [] };

/** Sends each call on its own; ids count up from 1, as everybody's do. */
export function crowdClient(who: CrowdWho, path: string): CrowdClient {
  let last = 0;
  return {
    call: (call) =>
      played(who, call, async (name) => {
        const idText = String(++last);
        const params = paramsOf(call, name);
        const meta = { progressToken: "same-for-all" };
        const whole = { method: "tools/call", params, meta, idText };
        const reply = await ask(who, path, mirrorHeaders(whole), modernBody(whole));
        return { reply, idText, resumed: 0 };
      }),
  };
}

/** Opens a session, as often as it takes. */
export async function crowdSession(who: CrowdWho, path: string): Promise<CrowdSession> {
  const session = await opened(who, path);
  const headers = { "Mcp-Session-Id": session, "MCP-Protocol-Version": NEWEST_SESSION_REVISION };
  let last = 0;
  let isLost = false;

  /** Comes back until the stream has ended with an answer. */
  async function follow(first: Reply, endMs: number): Promise<{ reply: Reply; resumed: number }> {
    let reply = first;
    let resumed = 0;
    const events = [...first.events];
    for (;;) {
      const lastId = events.findLast(({ id }) => id !== undefined)?.id;
      const isOver = reply.messages.some(isResponse) || lastId === undefined;
      if (isOver || isLost || performance.now() > endMs) return { reply, resumed };
      if (resumed++ > 0) await pause(AGAIN_MS);
      const more = { ...headers, "Accept": "text/event-stream", "Last-Event-ID": lastId };
      const next = await ask(who, path, more, undefined);
      isLost ||= next.status === 404;
      // What else it is told instead of the stream is no answer to the call.
      if (next.events.length === 0) {
        reply = { ...reply, last: `${next.status ?? "broken"} ${next.text}` };
        continue;
      }
      events.push(...next.events);
      reply = {
        status: 200,
        text: reply.text + next.text,
        events,
        messages: [...reply.messages, ...next.messages],
      };
    }
  }

  return {
    isLost: () => isLost,
    call: (call) =>
      played(who, call, async (name) => {
        const idText = String(++last);
        const params = { ...paramsOf(call, name), _meta: { progressToken: "same-for-all" } };
        const body = sessionBody({ method: "tools/call", params, idText });
        const first = await ask(who, path, headers, body, call.leaves);
        isLost ||= first.status === 404;
        return { ...await follow(first, performance.now() + DEADLINE_MS), idText };
      }),
  };
}

type Ask = (name: string) => Promise<{
  readonly reply: Reply;
  readonly idText: string;
  readonly resumed: number;
}>;

async function played(who: CrowdWho, { tool }: CrowdCall, ask: Ask): Promise<Outcome> {
  const call = `call-${who.name}-${who.next()}`;
  const sentMs = performance.now();
  who.tell({ what: "sent", call, by: who.name });
  const { reply, idText, resumed } = await ask(call);
  if (tool === "steps") tellEvents(who, call, reply);
  const names = reply.text.match(NAMES) ?? [];
  let error = "ok";
  // More than one answer is told of as well.
  const responses = reply.messages.filter(isResponse);
  for (const response of responses) {
    // What is refused before it is read has the id null.
    const isUnread = response.id === null && "error" in response;
    const hasOwnId = isUnread || JSON.stringify(response.id) === idText;
    if ("result" in response) who.tell({ what: "answered", call, names, hasOwnId });
    else {
      const { code, message, data } = response.error as Message & { data?: Message };
      const said = `${code} ${message}`;
      // Those of the gateway's own are known; the others say what they are about.
      error = Number(code) <= JSON_RPC_MAX ? said : String(code);
      const isNothingDone = data?.retryable === true;
      who.tell({ what: "failed", call, error: said, isNothingDone, names, hasOwnId });
    }
  }
  if (responses.length === 0) {
    const { status } = reply;
    error = status === undefined || status === 200
      ? "broken"
      : reply.text === ""
      ? `${status} of the balancer`
      : String(status);
    const isNothingDone = status !== undefined && ![200, 502].includes(status);
    // Who waited in vain was told nothing.
    if (performance.now() - sentMs > DEADLINE_MS) error = `hang ${reply.last ?? status}`;
    else who.tell({ what: "failed", call, error, isNothingDone, names, hasOwnId: true });
  }
  const { retryAfter } = reply;
  return { sentMs, endedMs: performance.now(), error, resumed, retryAfter };
}

function tellEvents(who: CrowdWho, call: string, { events }: Reply): void {
  for (const { id, data } of events) {
    if (data === "") continue;
    const { params } = JSON.parse(data) as Message;
    const nth = (params as Message | undefined)?.progress;
    const names = data.match(NAMES) ?? [];
    if (typeof nth === "number") who.tell({ what: "heard", call, event: { id, nth, names } });
  }
}

function paramsOf({ tool, ms }: CrowdCall, name: string): Message {
  return { name: tool, arguments: { call: name, ms } };
}

async function opened(who: CrowdWho, path: string): Promise<string> {
  const params = {
    protocolVersion: NEWEST_SESSION_REVISION,
    capabilities: {},
    clientInfo: { name: who.name, version: "1" },
  };
  const body = sessionBody({ method: "initialize", params, idText: "0" });
  const endMs = performance.now() + DEADLINE_MS;
  for (;;) {
    const reply = await fetched(who, path, {}, body).catch(() => undefined);
    const text = await reply?.text().catch(() => "");
    const session = reply?.headers.get("mcp-session-id");
    if (typeof session === "string") {
      const headers = {
        "Mcp-Session-Id": session,
        "MCP-Protocol-Version": NEWEST_SESSION_REVISION,
      };
      const told = sessionBody({ method: "notifications/initialized", idText: "" });
      await ask(who, path, headers, told);
      return session;
    }
    if (performance.now() > endMs) throw new Error(`No session: ${reply?.status} ${text}`);
    await pause(AGAIN_MS);
  }
}

/** Sends a request and reads the reply as far as it comes. */
async function ask(
  who: CrowdWho,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: string | undefined,
  leaves = false,
): Promise<Reply> {
  let response: Response;
  try {
    response = await fetched(who, path, headers, body);
  } catch {
    return NO_REPLY;
  }
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  const { text, isWhole } = await readAll(response, isStream && leaves);
  const { status } = response;
  if (isStream) {
    const events = eventsIn(text);
    const messages = events.flatMap(({ data }) => data === "" ? [] : [JSON.parse(data)]);
    return { status, text, events, messages };
  }
  if (!isWhole) return NO_REPLY;
  const isJson = response.headers.get("content-type")?.includes("json") && text !== "";
  const retryAfter = response.headers.get("retry-after") ?? undefined;
  return { status, text, events: [], messages: isJson ? [JSON.parse(text)] : [], retryAfter };
}

async function readAll(response: Response, leaves: boolean) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await reader?.read() ?? { done: true };
      if (done) return { text, isWhole: true };
      text += value;
      if (leaves && /^id: ?\S+$[\s\S]*\n\n/m.test(text)) {
        await reader!.cancel();
        return { text, isWhole: false };
      }
    }
  } catch {
    return { text, isWhole: false };
  }
}

function fetched(
  { origin, token }: CrowdWho,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: string | undefined,
): Promise<Response> {
  return fetch(`${origin}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      "Authorization": `Bearer ${token}`,
      "Accept": "application/json, text/event-stream",
      ...body !== undefined && { "Content-Type": "application/json" },
      ...headers,
    },
    ...body !== undefined && { body },
    signal: AbortSignal.timeout(DEADLINE_MS),
  });
}

function isResponse(message: Message): boolean {
  return "result" in message || "error" in message;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
