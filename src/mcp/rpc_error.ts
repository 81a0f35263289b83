/**
 * Failures as JSON-RPC messages: the only table from error codes to JSON-RPC codes.
 *
 * @module
 * @see contract.md, section 8, "Gateway failures"
 */
import { type ErrorCode, GatewayError, ProtocolError, RateLimited } from "../domain/errors.ts";

interface RpcFailure {
  readonly code: number;
  /** Whether the same request may succeed later, and repeating it does no harm. */
  readonly retryable: boolean;
}

const RPC_FAILURE = {
  invalid_request: { code: -32600, retryable: false },
  invalid_params: { code: -32602, retryable: false },
  unauthenticated: { code: -31005, retryable: false },
  forbidden: { code: -31005, retryable: false },
  not_found: { code: -32600, retryable: false },
  method_not_allowed: { code: -32600, retryable: false },
  not_acceptable: { code: -32600, retryable: false },
  request_timeout: { code: -32600, retryable: true },
  too_large: { code: -32600, retryable: false },
  uri_too_long: { code: -32600, retryable: false },
  unsupported_media_type: { code: -32600, retryable: false },
  conflict: { code: -32600, retryable: true },
  declared: { code: -32600, retryable: false },
  discovered: { code: -32600, retryable: false },
  precondition_failed: { code: -32600, retryable: false },
  headers_too_large: { code: -32600, retryable: false },
  rate_limited: { code: -31006, retryable: true },
  unavailable: { code: -31001, retryable: true },
  internal: { code: -32603, retryable: false },
  upstream_unavailable: { code: -31001, retryable: true },
  upstream_timeout: { code: -31002, retryable: false },
  upstream_protocol: { code: -31003, retryable: false },
  outcome_unknown: { code: -31004, retryable: false },
  refused: { code: -31005, retryable: false },
  egress_denied: { code: -31005, retryable: false },
} as const satisfies Record<ErrorCode, RpcFailure>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** An error as the response to the request with this id. */
export function errorResponse(
  id: Uint8Array,
  error: unknown,
  correlationId: string,
): Uint8Array<ArrayBuffer> {
  return encoder.encode(errorText(id, error, correlationId));
}

/** The same as text. */
export function errorText(id: Uint8Array, error: unknown, correlationId: string): string {
  return responseText(id, "error", errorObject(error, correlationId));
}

/**
 * A gateway failure as the answer to a request. On `tools/call` it is a result that the model can
 * read; elsewhere a JSON-RPC error, and also where only the client can do something about it: wait.
 * @param more members that a result of the client's era has besides
 */
export function failureResponse(
  id: Uint8Array,
  method: string,
  error: unknown,
  correlationId: string,
  more: { readonly resultType?: "complete" } = {},
): Uint8Array<ArrayBuffer> {
  const isForClient = error instanceof ProtocolError || error instanceof RateLimited;
  if (method !== "tools/call" || isForClient) {
    return errorResponse(id, error, correlationId);
  }
  const { code, message, data } = errorObject(error, correlationId);
  return resultResponse(id, {
    ...more,
    content: [{ type: "text", text: message }],
    isError: true,
    _meta: { "dev.sallyport/failure": { code, ...(data as object) } },
  });
}

/** A result of the gateway's own. */
export function resultResponse(id: Uint8Array, result: unknown): Uint8Array<ArrayBuffer> {
  return encoder.encode(responseText(id, "result", result));
}

function errorObject(
  error: unknown,
  correlationId: string,
): { code: number; message: string; data?: unknown } {
  if (error instanceof ProtocolError) {
    const { rpcCode: code, message, data } = error;
    return data === undefined
      ? { code, message, data: { correlationId } }
      : { code, message, data };
  }
  // Anything unexpected says no more than that it happened: its text may hold what must not leave.
  const known = error instanceof GatewayError
    ? error
    : new GatewayError("internal", "The gateway failed to handle the request");
  const { code, retryable } = RPC_FAILURE[known.code];
  return { code, message: known.message, data: { retryable, correlationId } };
}

function responseText(id: Uint8Array, member: "result" | "error", value: unknown): string {
  return `{"jsonrpc":"2.0","id":${decoder.decode(id)},"${member}":${JSON.stringify(value)}}`;
}
