/**
 * Open event streams of a stand (`shelf_server.ts`): those on which clients listen, and those that
 * answer one request.
 *
 * @module
 */
import type { Json, Message } from "./modern.ts";
import type { Seen } from "./shelf_server.ts";

export interface Listener {
  readonly response: Response;
  readonly put: (message: Message) => void;
  readonly putText: (text: string) => void;
  readonly end: () => void;
  /** Resolves when the other side has closed the stream. */
  readonly left: Promise<void>;
}

/** What is listened to: a session's own stream, or what a request of the stateless era asks for. */
type Wanted = { readonly session: string | undefined } | { readonly listen: Seen };

/** The list that a member of a filter is about. */
const FILTERS: Readonly<Record<string, string>> = {
  "notifications/tools/list_changed": "toolsListChanged",
  "notifications/prompts/list_changed": "promptsListChanged",
  "notifications/resources/list_changed": "resourcesListChanged",
};

export function isListen({ method, isModern }: Seen): boolean {
  return isModern && method === "subscriptions/listen";
}

export function listenersOf() {
  const open = new Map<Listener, Wanted>();

  return {
    open(wanted: Wanted): Response {
      const listener = openListener();
      open.set(listener, wanted);
      void listener.left.then(() => open.delete(listener));
      if ("listen" in wanted) {
        const notifications = filterOf(wanted.listen);
        listener.put(message("notifications/subscriptions/acknowledged", {
          ...subscriptionOf(wanted.listen),
          notifications,
        }));
      }
      return listener.response;
    },
    /** Of one answer. */
    once: openListener,
    say(method: string, params: Message = {}, isForAll = false): void {
      for (const [listener, wanted] of open) {
        if (!("listen" in wanted)) listener.put(message(method, params));
        else if (isForAll || isWanted(filterOf(wanted.listen), method, params)) {
          listener.put(message(method, { ...subscriptionOf(wanted.listen), ...params }));
        }
      }
    },
    sayIn(session: string | undefined, method: string, params: Message = {}): void {
      for (const [listener, wanted] of open) {
        if ("session" in wanted && wanted.session === session) {
          listener.put(message(method, params));
        }
      }
    },
    /** Only sessions can be asked. */
    ask(id: Json, method: string, params: Message = {}): void {
      for (const [listener, wanted] of open) {
        if (!("listen" in wanted)) listener.put({ ...message(method, params), id });
      }
    },
    /** How many streams there are of such sessions. */
    count: (isMeant: (session: string) => boolean): number =>
      [...open.values()].filter((one) => "session" in one && isMeant(one.session ?? "")).length,
    /** How many streams there are of requests that the gateway passes on. */
    subscribed: (): number =>
      [...open.values()].filter((one) =>
        "listen" in one && Array.isArray(filterOf(one.listen).resourceSubscriptions)
      ).length,
    end(): void {
      for (const listener of open.keys()) listener.end();
    },
  };
}

function openListener(): Listener {
  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  const encoder = new TextEncoder();
  let controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  let isOver = false;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (given) => void (controller = given),
    cancel() {
      isOver = true;
      leave();
    },
  });
  const putText = (text: string) => {
    if (!isOver) controller.enqueue(encoder.encode(`data: ${text}\n\n`));
  };
  // So that the head of the reply is sent at once.
  controller.enqueue(encoder.encode(": open\n\n"));
  return {
    response: new Response(body, { headers: { "Content-Type": "text/event-stream" } }),
    put: (message) => putText(JSON.stringify(message)),
    putText,
    end() {
      if (isOver) return;
      isOver = true;
      controller.close();
      leave();
    },
    left,
  };
}

function filterOf({ params }: Seen): Message {
  return (params.notifications ?? {}) as Message;
}

function subscriptionOf({ message }: Seen): Message {
  return { _meta: { "io.modelcontextprotocol/subscriptionId": message.id as Json } };
}

function isWanted(filter: Message, method: string, params: Message): boolean {
  if (method !== "notifications/resources/updated") return filter[FILTERS[method] ?? ""] === true;
  const uris = filter.resourceSubscriptions;
  return Array.isArray(uris) && uris.some((uri) => uri === params.uri);
}

function message(method: string, params: Message): Message {
  return { jsonrpc: "2.0", method, params };
}
