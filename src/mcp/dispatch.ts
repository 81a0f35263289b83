/**
 * One message of the stateless era and its context in, one reply out.
 *
 * Knows neither HTTP framing nor sessions. Failures before the upstream server is involved are
 * thrown; from then on every request is answered with a message, because its id is known.
 *
 * @module
 */
import { GatewayError, ProtocolError } from "../domain/errors.ts";
import { missingForSubscription, missingPermission } from "../domain/access.ts";
import type { Principal } from "../domain/principal.ts";
import type { ByteBudget } from "../platform/byte_budget.ts";
import { type CallAudit, isCall, recordedReply } from "./call_audit.ts";
import type { Endpoint } from "./endpoint.ts";
import { type ClientMessage, INVALID_REQUEST, isObject } from "./message.ts";
import { checkStateless, type MirrorHeaders } from "./revisions/stateless_era.ts";
import type { StatelessCalls } from "./stateless_calls.ts";
import type { StatelessView } from "./view/stateless_view.ts";

export interface CallContext {
  readonly principal: Principal;
  readonly endpoint: Endpoint;
  readonly message: ClientMessage;
  readonly headers: MirrorHeaders;
  /** All headers of the request, for servers that get some of them. */
  readonly clientHeaders: ReadonlyMap<string, string>;
  readonly correlationId: string;
  /** See `CallSource`. */
  readonly address: () => string;
  /** Aborted when the client leaves or a deadline runs out; either way the upstream call ends. */
  readonly abort: AbortController;
}

export type Reply =
  /** A notification was taken; `status` is 202 unless the upstream server refused it. */
  | { readonly kind: "accepted" }
  /** One message is the whole answer. The gateway's own may be text. */
  | { readonly kind: "message"; readonly status: number; readonly body: Uint8Array | string }
  /** Messages, each on one line, the response last. */
  | { readonly kind: "stream"; readonly next: () => Promise<readonly Uint8Array[] | undefined> };

export interface DispatchDeps {
  readonly calls: StatelessCalls;
  readonly view: StatelessView;
  readonly budget: ByteBudget;
  /** `undefined` where nothing is recorded. */
  readonly audit: CallAudit | undefined;
}

/**
 * Refusals that need no upstream server are thrown at once; what is returned rejects only with a
 * `ProtocolError`, or a `GatewayError` where a notification could not be passed on, the caller has
 * too much open at upstream servers, or no record of the call can be kept.
 */
export type Dispatch = (call: CallContext) => Promise<Reply>;

export function createDispatch({ calls, view, budget, audit }: DispatchDeps): Dispatch {
  function serve(call: CallContext): Promise<Reply> {
    const { message, endpoint } = call;
    if (endpoint.kind === "view") return view.serve(call, endpoint);
    const own = endpoint.narrowed && view.narrowed(call, endpoint.narrowed);
    if (own !== undefined) return own;
    const upstream = { ...call, server: endpoint.server };
    return message.kind === "notification" ? calls.notification(upstream) : calls.request(upstream);
  }

  return (call) => {
    const { message, principal } = call;
    if (message.kind === "response") {
      throw new ProtocolError(INVALID_REQUEST, 400, "A client of this revision sends no responses");
    }
    checkStateless(message, call.headers);
    const missing = missingPermission(principal, message.method) ??
      missingForListen(principal, message);
    if (missing !== undefined) throw new InsufficientScope(missing);
    // Before anything is sent: an answer of 503 means that nothing was executed.
    if (budget.isSpent()) throw new GatewayError("unavailable", "The gateway is full");
    return audit !== undefined && isCall(message) ? recordedReply(audit, call, serve) : serve(call);
  };
}

/** The credential lacks the permission that the method needs. */
export class InsufficientScope extends GatewayError {
  readonly scope: string;

  constructor(scope: string) {
    super("forbidden", `The credential lacks the permission "${scope}"`);
    this.scope = scope;
  }
}

function missingForListen(principal: Principal, message: ClientMessage): string | undefined {
  const filter = message.method === "subscriptions/listen" && message.params?.notifications;
  return isObject(filter) ? missingForSubscription(principal, filter) : undefined;
}
