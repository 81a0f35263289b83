/**
 * Every hard upper bound of the program, each with its reason. What an operator may choose is a
 * setting (`config/entries.ts`) instead.
 *
 * @module
 */
export const LIMITS = {
  /** Nothing in MCP nests deeper; deeper input only exists to exhaust recursive readers. */
  jsonDepth: 64,
  /** Members plus elements of one request; a 4 MiB body of zeros would otherwise be two million. */
  jsonNodes: 50_000,
  /** Keys are names of things; a longer one is an attack on hash tables or logs. */
  jsonKeyBytes: 1024,
  /** A request id is echoed in every reply and kept while the call runs. */
  requestIdChars: 256,
  /** Larger than any legitimate credential plus the headers of MCP. */
  requestHeaderBytes: 16 * 1024,
  requestUriBytes: 8 * 1024,
  /** A token is hashed before anything else is done with it. */
  tokenBytes: 8 * 1024,
  subjectChars: 255,
  /** Slow-body defence: a 4 MiB body within this time needs 140 KiB/s. */
  requestBodyMs: 30_000,
  /** Response headers of an upstream; Node's own default is 16 KiB. */
  upstreamHeaderBytes: 64 * 1024,
  upstreamHeaderLines: 100,
  /** What all calls together may hold of upstream bytes before new ones are refused with 503. */
  upstreamBytesTotal: 256 * 1024 * 1024,
  /** Idle keep-alive connections to one upstream. Above it, connections close after their reply. */
  idleConnectionsPerOrigin: 64,
  /** Node closes idle connections after 5 s without saying so to old clients: leave before that. */
  idleConnectionMs: 4_000,
  /** Verified credentials kept; at about 1 KiB each this is 20 MiB at most. */
  verifiedTokens: 20_000,
  /** Bytes waiting for a client that reads slowly, per stream, before upstream reading pauses. */
  streamBufferBytes: 64 * 1024,
  /** Text of an upstream error that is shown to a client. */
  errorTextChars: 500,
} as const;
