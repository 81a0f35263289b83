/**
 * Whom a message that comes over a channel is for. Over Streamable HTTP a server says so by the stream
 * that it uses; here there is one stream for everything.
 *
 * @module
 * @see MCP 2025-11-25 and 2026-07-28, Transports, "stdio"
 */
import { GatewayError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Envelope } from "./envelope.ts";
import type { Inbox } from "./inbox.ts";

/** A request of the gateway's that has no answer yet. */
export interface OpenRequest {
  /** As it is written. */
  readonly id: string;
  readonly key: string;
  readonly method: string;
  /** Key of the token that progress on it names. */
  readonly token: string | undefined;
  readonly wantsLog: boolean;
  readonly inbox: Inbox;
}

export type Destination =
  /** The last message of a request. */
  | { readonly kind: "answer"; readonly request: OpenRequest }
  | { readonly kind: "request"; readonly request: OpenRequest }
  /** The server's own stream of the session. */
  | { readonly kind: "own stream" }
  /** The server takes a subscription back: there is no answer of its own to come. */
  | { readonly kind: "ended"; readonly request: OpenRequest }
  /** A question where there is nobody to ask. */
  | { readonly kind: "refused"; readonly id: string }
  | { readonly kind: "nobody" };

export interface Router {
  /** @throws {GatewayError} `conflict` when a request with this id is open */
  readonly open: (request: OpenRequest) => void;
  readonly close: (request: OpenRequest) => void;
  readonly isOpen: (request: OpenRequest) => boolean;
  readonly requests: () => readonly OpenRequest[];
  readonly count: () => number;
  /** The client has answered a question of the server's. */
  readonly answered: (envelope: Envelope) => void;
  readonly destinationOf: (envelope: Envelope) => Destination;
}

/** Answered without asking back; and who sent them may not pass questions on. */
const PLAIN: ReadonlySet<string> = new Set([
  "initialize",
  "ping",
  "logging/setLevel",
  "resources/subscribe",
  "resources/unsubscribe",
  "server/discover",
  "subscriptions/listen",
]);

const OWN_STREAM = { kind: "own stream" } as const;
const NOBODY = { kind: "nobody" } as const;

/** @param isStateless whether what belongs to no request has nowhere to go: 2026-07-28 */
export function createRouter(isStateless: () => boolean): Router {
  const open = new Map<string, OpenRequest>();
  /** Where the server's open questions went, by the server's id. */
  const questions = new Map<string, OpenRequest | undefined>();

  function newest(fits: (request: OpenRequest) => boolean): OpenRequest | undefined {
    let found: OpenRequest | undefined;
    for (const request of open.values()) if (fits(request)) found = request;
    return found;
  }

  function toRequest(request: OpenRequest | undefined): Destination {
    if (request !== undefined) return { kind: "request", request };
    return isStateless() ? NOBODY : OWN_STREAM;
  }

  function ofNotification({ method, params }: Envelope): Destination {
    const { progressToken, subscriptionId, requestId } = params;
    switch (method) {
      case "notifications/progress": {
        const request = newest(({ token }) => token !== undefined && token === progressToken);
        return request === undefined ? NOBODY : { kind: "request", request };
      }
      case "notifications/message":
        return toRequest(
          newest(isStateless() ? ({ wantsLog }) => wantsLog : ({ method }) => !PLAIN.has(method)),
        );
      case "notifications/cancelled":
        return ofCancellation(requestId);
    }
    if (subscriptionId === undefined) return isStateless() ? NOBODY : OWN_STREAM;
    const request = open.get(subscriptionId);
    return request === undefined ? NOBODY : { kind: "request", request };
  }

  function ofCancellation(id: string | undefined): Destination {
    if (id === undefined) return NOBODY;
    if (questions.has(id)) {
      const asked = questions.get(id);
      questions.delete(id);
      return asked !== undefined && open.get(asked.key) === asked
        ? { kind: "request", request: asked }
        : OWN_STREAM;
    }
    const request = open.get(id);
    return request?.method === "subscriptions/listen" ? { kind: "ended", request } : NOBODY;
  }

  function ofQuestion(id: string, key: string | undefined): Destination {
    if (isStateless()) return { kind: "refused", id };
    const request = newest(({ method }) => !PLAIN.has(method));
    // Whoever passes it on refuses a longer one.
    if (key !== undefined && id.length <= LIMITS.questionIdBytes) questions.set(key, request);
    if (questions.size > LIMITS.questionsOpen) questions.delete(questions.keys().next().value!);
    return toRequest(request);
  }

  return {
    open(request) {
      if (open.has(request.key)) {
        throw new GatewayError("conflict", "A request with this id is open at the upstream server");
      }
      if (open.size >= LIMITS.channelRequestsOpen) {
        const text = "The upstream server has too many requests open";
        throw new GatewayError("upstream_unavailable", text);
      }
      open.set(request.key, request);
    },
    close(request) {
      if (open.get(request.key) === request) open.delete(request.key);
    },
    isOpen: (request) => open.get(request.key) === request,
    requests: () => [...open.values()],
    count: () => open.size,
    answered({ key }) {
      if (key !== undefined) questions.delete(key);
    },
    destinationOf(envelope) {
      const { id, key, method } = envelope;
      if (method !== undefined) {
        return id === undefined ? ofNotification(envelope) : ofQuestion(id, key);
      }
      const request = open.get(key ?? "");
      return request === undefined ? NOBODY : { kind: "answer", request };
    },
  };
}
