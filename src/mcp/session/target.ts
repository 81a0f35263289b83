/**
 * What stands behind the endpoint of a session, as the endpoint needs it.
 *
 * Contract; `verbatim_target.ts` is one upstream server, `view_target.ts` a view of many.
 *
 * @module
 */
import type { Principal } from "../../domain/principal.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { Endpoint } from "../endpoint.ts";
import type { ClientMessage } from "../message.ts";
import type { Refusal } from "../refusal.ts";
import type { Prepared } from "./calls.ts";
import type { Greeting } from "./handshake.ts";
import type { Session } from "./session.ts";

/** A request on an endpoint: who sends it, and what stands behind the URL. */
export interface Visitor {
  readonly principal: Principal;
  readonly endpoint: Endpoint;
  readonly correlationId: string;
  /** See `CallSource`. */
  readonly address: () => string;
  /** The header `MCP-Protocol-Version`, of a revision that is known. */
  readonly version: string | undefined;
  /** All headers of the request, for servers that get some of them. */
  readonly clientHeaders: ReadonlyMap<string, string>;
}

/** How a request is carried out. */
export type Plan =
  /** By an upstream server. Without `prepared` the message goes there as it is. */
  | {
    readonly kind: "upstream";
    readonly server: UpstreamServer;
    readonly prepared: Prepared | undefined;
  }
  /** Here: the answer, as a message. */
  | { readonly kind: "answer"; readonly answer: Uint8Array | Promise<Uint8Array> };

export interface Target<E extends Endpoint> {
  /** @throws as `SessionEndpoint.initialize` */
  readonly initialize: (visitor: Visitor, endpoint: E, message: ClientMessage) => Promise<Greeting>;
  /** @throws {ProtocolError} for what is not there, or not for this caller */
  readonly plan: (
    visitor: Visitor,
    endpoint: E,
    session: Session,
    message: ClientMessage,
  ) => Plan;
  /**
   * Passes on what gets no answer.
   * @throws as `UpstreamSessions.send`
   */
  readonly oneWay: (
    endpoint: E,
    session: Session,
    message: ClientMessage,
  ) => Promise<Refusal | undefined>;
}
