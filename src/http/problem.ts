/**
 * Failures as HTTP answers: the only table from error codes to statuses. On an MCP endpoint the
 * body is a JSON-RPC error, elsewhere a problem document.
 *
 * @module
 * @see RFC 9457
 */
import {
  type ErrorCode,
  FaultyRequest,
  GatewayError,
  ProtocolError,
  RateLimited,
} from "../domain/errors.ts";
import { InvalidMessage, NULL_ID } from "../mcp/message.ts";
import { errorText } from "../mcp/rpc_error.ts";
import { NOT_KEPT } from "./json_body.ts";

/** HTTP status per code. A new code does not compile until it has a status. */
export const HTTP_STATUS = {
  invalid_request: 400,
  invalid_params: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  not_acceptable: 406,
  request_timeout: 408,
  conflict: 409,
  declared: 409,
  discovered: 409,
  precondition_failed: 412,
  too_large: 413,
  uri_too_long: 414,
  unsupported_media_type: 415,
  rate_limited: 429,
  headers_too_large: 431,
  unavailable: 503,
  internal: 500,
  upstream_unavailable: 502,
  upstream_timeout: 504,
  upstream_protocol: 502,
  outcome_unknown: 502,
  refused: 403,
  egress_denied: 400,
} as const satisfies Record<ErrorCode, number>;

export function statusOf(error: unknown): number {
  if (error instanceof ProtocolError) return error.httpStatus;
  return error instanceof GatewayError ? HTTP_STATUS[error.code] : 500;
}

/** What every answer that tells of a failure has. */
const GUARDS = { "Cache-Control": NOT_KEPT, "X-Content-Type-Options": "nosniff" } as const;

/** @param id of the request that failed, when it was read so far */
export function rpcProblem(
  error: unknown,
  correlationId: string,
  id: Uint8Array = error instanceof InvalidMessage ? error.id : NULL_ID,
): Response {
  return new Response(errorText(id, error, correlationId), {
    status: statusOf(error),
    headers: { "Content-Type": "application/json", ...GUARDS, ...retryAfter(error) },
  });
}

export function problemDocument(error: unknown, correlationId: string): Response {
  const status = statusOf(error);
  const code = error instanceof GatewayError ? error.code : "internal";
  const title = error instanceof GatewayError
    ? error.message
    : "The gateway failed to handle the request";
  const errors = error instanceof FaultyRequest ? { errors: error.faults } : {};
  return new Response(JSON.stringify({ title, status, code, correlationId, ...errors }), {
    status,
    headers: { "Content-Type": "application/problem+json", ...GUARDS, ...retryAfter(error) },
  });
}

/** For a message that gets no answer: the status says it all. */
export function bareProblem(error: unknown): Response {
  return new Response(null, {
    status: statusOf(error),
    headers: { ...GUARDS, ...retryAfter(error) },
  });
}

/** Whole seconds, and never too few. */
function retryAfter(error: unknown): Record<string, string> {
  if (error instanceof RateLimited) {
    return { "Retry-After": String(Math.max(1, Math.ceil(error.waitMs / 1000))) };
  }
  const status = statusOf(error);
  return status === 503 ? { "Retry-After": "1" } : status === 429 ? { "Retry-After": "30" } : {};
}
