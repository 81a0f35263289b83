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
  /** The id of an answer to an upstream server holds the server's name and its own id. */
  responseIdChars: 4096,
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
  /** Of an upstream server's session id and event ids: they are kept, and sent back in headers. */
  upstreamSessionIdChars: 1024,
  upstreamEventIdChars: 1024,
  /** `Last-Event-ID` of a client; the gateway's own are about 90 characters. */
  lastEventIdChars: 256,
  /** The id of an upstream server's question: it is kept while the question is open. */
  questionIdBytes: 1024,
  /** Questions that one call, or one session outside of calls, may have open at once. */
  questionsOpen: 1000,
  /** Members of a batch (2025-03-26 only). */
  batchMembers: 50,
  /** Per stream; together with the number of events it bounds what a client can come back for. */
  eventBytesPerStream: 1024 * 1024,
  /** Streams of one session that can be resumed; a client resumes the one or two it has just lost. */
  streamsPerSession: 64,
  /** All events that are kept: in memory, and in the file. */
  eventBytesInMemory: 256 * 1024 * 1024,
  eventBytesOnDisk: 2 * 1024 * 1024 * 1024,
  /** A client that takes nothing for so long is cut off; it can resume. */
  stalledClientMs: 10_000,
  /** Uris that one session subscribes to; each is asked for again with a new upstream session. */
  subscriptionsPerSession: 1000,
  /** Parameters of `initialize`, which are kept with the session. */
  initializeBytes: 64 * 1024,
} as const;
