/**
 * Streamable HTTP: POST, GET and DELETE on an MCP endpoint. Checks in reading order; then the era
 * of the message decides who serves it.
 *
 * @module
 * @see MCP 2026-07-28 and 2025-11-25, Transports, "Streamable HTTP"
 */
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Principal } from "../domain/principal.ts";
import type { Endpoint } from "../mcp/endpoint.ts";
import { decodeClientBody } from "../mcp/message.ts";
import { isStateless } from "../mcp/revisions/revision.ts";
import { isOfStatelessEra } from "../mcp/revisions/stateless_era.ts";
import type { Timers } from "../platform/timers.ts";
import { readBody } from "./body.ts";
import type { RateGate } from "./rate_gate.ts";
import type { RequestHead } from "./request_head.ts";
import type { SessionHttp } from "./session_http.ts";
import type { StatelessHttp } from "./stateless_http.ts";

export interface StreamableRequest {
  readonly request: Request;
  readonly head: RequestHead;
  readonly principal: Principal;
  readonly endpoint: Endpoint;
  readonly correlationId: string;
  /** See `CallSource`. */
  readonly address: () => string;
  /** Settles when the response has been sent, or cannot be any more. */
  readonly delivered: Promise<void>;
  /** Whether no request has come over this connection before. */
  readonly isFirst: boolean;
  /**
   * For what goes on without further messages: called back once, when the principal is not what it
   * was any more, or its credential has expired. Gives the way to stop that.
   */
  readonly watch: (changed: () => void) => () => void;
}

/** The setting `JSON_RESPONSE_ENABLED`. */
export type JsonResponses = "auto" | "true" | "false";

export interface Streamable {
  readonly post: (request: StreamableRequest) => Promise<Response>;
  readonly get: (request: StreamableRequest) => Promise<Response>;
  readonly remove: (request: StreamableRequest) => Promise<Response>;
}

export interface StreamableDeps {
  readonly stateless: StatelessHttp;
  readonly session: SessionHttp;
  readonly timers: Timers;
  readonly rates: Pick<RateGate, "admit">;
}

export function createStreamable(
  { stateless, session, timers, rates }: StreamableDeps,
  options: { readonly requestBytesMax: number },
): Streamable {
  const bodyLimits = { bytesMax: options.requestBytesMax, timeoutMs: LIMITS.requestBodyMs };

  async function post(incoming: StreamableRequest): Promise<Response> {
    const { request, head } = incoming;
    checkContentType(head);
    const length = head.headers.get("content-length");
    const body = await readBody(request, length, bodyLimits, timers);
    const admitted = rates.admit(incoming, decodeClientBody(body));
    const message = admitted instanceof Promise ? await admitted : admitted;
    const version = head.headers.get("mcp-protocol-version");
    if (message.kind !== "batch" && isOfStatelessEra(message, version)) {
      return stateless.post({ incoming, message, bodyBytes: body.length });
    }
    return session.post(incoming, message);
  }

  return {
    post,
    get: (incoming) => session.get(sessionEra(incoming)),
    remove: (incoming) => session.remove(sessionEra(incoming)),
  };
}

/** @throws {GatewayError} `method_not_allowed`: revision 2026-07-28 has neither GET nor DELETE */
function sessionEra(incoming: StreamableRequest): StreamableRequest {
  const version = incoming.head.headers.get("mcp-protocol-version");
  if (version === undefined || !isStateless(version)) return incoming;
  throw new GatewayError("method_not_allowed", `Revision ${version} has only POST`);
}

/** @throws {GatewayError} `unsupported_media_type` */
export function checkContentType(head: RequestHead): void {
  const type = head.headers.get("content-type");
  const isJson = type === "application/json" ||
    /^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(type ?? "");
  if (!isJson) {
    throw new GatewayError("unsupported_media_type", "The body must be application/json in UTF-8");
  }
  if (head.headers.has("content-encoding")) {
    throw new GatewayError("unsupported_media_type", "The body must not be compressed");
  }
}
