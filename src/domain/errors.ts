/**
 * The two kinds of expected failure: the gateway's own, with a closed list of codes, and the
 * protocol's, which carries a JSON-RPC code that the specification or an upstream prescribes.
 *
 * `http/problem.ts` maps codes to HTTP, `mcp/rpc_error.ts` to JSON-RPC; no other place does.
 *
 * @module
 */

/** Every reason for which the gateway itself refuses or fails. */
export type ErrorCode =
  | "invalid_request"
  | "invalid_params"
  | "unauthenticated"
  | "forbidden"
  | "not_found"
  | "method_not_allowed"
  | "not_acceptable"
  | "request_timeout"
  | "too_large"
  | "uri_too_long"
  | "unsupported_media_type"
  | "conflict"
  | "declared"
  | "discovered"
  | "precondition_failed"
  | "headers_too_large"
  | "rate_limited"
  | "unavailable"
  | "internal"
  | "upstream_unavailable"
  | "upstream_timeout"
  | "upstream_protocol"
  | "outcome_unknown"
  | "refused"
  | "egress_denied";

/**
 * A failure with a stable code and a message that may be shown to the caller.
 *
 * Whatever must not leave the process (an upstream's body, an address, a URL with credentials in
 * it) belongs in `cause`, which is logged and never sent.
 */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** More was asked for than is allowed, or can be taken at the moment: nothing was carried out. */
export class RateLimited extends GatewayError {
  /** When it may be asked for again: milliseconds from now. */
  readonly waitMs: number;

  constructor(message: string, waitMs: number) {
    super("rate_limited", message);
    this.waitMs = waitMs;
  }
}

/**
 * Makes an error without the trace of where it was made, which costs more than all else about it:
 * for what is expected, and comes by the thousand from a caller that should feel it alone.
 */
export function untraced<T extends Error>(make: () => T): T {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** What is wrong at one place of a request. */
export interface Fault {
  /** Members and positions from the outside in, joined by dots; empty for the whole. */
  readonly path: string;
  readonly message: string;
}

/** A refusal that says of each place what is wrong there. */
export class FaultyRequest extends GatewayError {
  readonly faults: readonly Fault[];

  constructor(code: ErrorCode, message: string, faults: readonly Fault[]) {
    super(code, message);
    this.faults = faults;
  }
}

/**
 * A JSON-RPC error that is sent as it stands.
 *
 * @see MCP 2026-07-28, Base Protocol, "Error Codes"
 */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly rpcCode: number;
  readonly httpStatus: number;
  readonly data: unknown;

  constructor(rpcCode: number, httpStatus: number, message: string, data?: unknown) {
    super(message);
    this.rpcCode = rpcCode;
    this.httpStatus = httpStatus;
    this.data = data;
  }
}
