/**
 * What a client must get for each fault of `fixtures/hostile/`.
 *
 * @module
 */

const UNAVAILABLE = -31001;
const TIMEOUT = -31002;
const BROKEN = -31003;
const UNKNOWN = -31004;
const REFUSED = -31005;
const LIMITED = -31006;

/** The connection was lost; for a read it does not matter how far the upstream came. */
const LOST = [UNAVAILABLE, BROKEN, UNKNOWN];

export interface Expectation {
  /**
   * `good`: the correct result of the method; `same`: the bytes that the fixture wrote; `alike`:
   * the JSON that it wrote; `error`: its JSON-RPC error.
   */
  readonly relayed?: "good" | "same" | "alike" | "error";
  /** The gateway's own failure: these codes for a read, `isError` for a call. */
  readonly fails?: readonly number[];
  /** How often the upstream is asked for one call, if not once. */
  readonly executions?: number;
  /** Must not appear anywhere in the reply. */
  readonly hides?: readonly string[];
  /** Takes seconds: called before the tests, beside the other slow ones. */
  readonly isSlow?: true;
  /** The upstream has asked not to be called for a while. */
  readonly pauses?: true;
}

const good: Expectation = { relayed: "good" };
const same: Expectation = { relayed: "same" };
const alike: Expectation = { relayed: "alike" };
const broken: Expectation = { fails: [BROKEN] };
const lost: Expectation = { fails: LOST };
const slow: Expectation = { fails: [TIMEOUT], isSlow: true };
const error: Expectation = { relayed: "error" };
/** Both are defensible; what is not is anything in between. */
const goodOrBroken: Expectation = { relayed: "good", fails: [BROKEN] };
const alikeOrBroken: Expectation = { relayed: "alike", fails: [BROKEN] };
const goodOrLost: Expectation = { relayed: "good", fails: LOST };
/** The connection ended before the reply had a shape at all. */
const shapeless: Expectation = { fails: [UNAVAILABLE, BROKEN] };
const lostStream: Expectation = { fails: [BROKEN, UNKNOWN] };

export const EXPECTATIONS: Readonly<Record<string, Expectation>> = {
  // Connection and time
  "reset-before-reply": lost,
  "close-before-reply": lost,
  "never-answers": slow,
  "silent-after-head": slow,
  "silent-stream": slow,
  "slow-head": slow,
  "slow-body": slow,
  "reset-mid-body": lost,
  "reset-mid-stream": lost,
  "reset-mid-event": lost,
  "reset-after-result": good,
  "reset-after-stream-result": good,
  "open-after-stream-result": good,
  "late-result": { ...good, isSlow: true },
  "connection-close": good,
  "idle-race": good,

  // HTTP framing
  "length-too-short": broken,
  "length-too-long": lost,
  "two-lengths": broken,
  "length-and-chunked": goodOrBroken,
  "extra-reply": { ...good, hides: ["smuggled"] },
  "chunk-size-garbage": broken,
  "chunk-size-huge": broken,
  "chunks-unfinished": lost,
  "chunked-json": good,
  "chunked-trailers": { ...good, hides: ["trailer=1"] },
  "http-1-0": good,
  "continue-first": good,
  "continue-first-stream": good,
  "not-http": shapeless,

  // HTTP headers
  "headers-128k": broken,
  "header-bare-cr": { ...goodOrBroken, hides: ["injected"] },
  "header-bare-lf": { ...goodOrBroken, hides: ["injected"] },
  "header-folded": { ...goodOrBroken, hides: ["injected"] },
  "header-nul": goodOrBroken,
  "header-without-colon": goodOrBroken,
  "header-intrusive": { ...good, hides: ["injected"] },

  // Content encoding
  "gzip-unasked": goodOrBroken,
  "gzip-bomb": broken,
  "gzip-bomb-stream": broken,
  "gzip-nonsense": broken,
  "br-nonsense": broken,
  "encoding-unknown": broken,

  // HTTP status
  "status-202": broken,
  "status-204": broken,
  "redirect-301-elsewhere": { fails: [UNAVAILABLE, BROKEN] },
  "redirect-307-elsewhere": { fails: [UNAVAILABLE, BROKEN] },
  "redirect-307-same-host": { ...good, executions: 2 },
  "redirect-307-loop": { fails: [UNAVAILABLE, BROKEN], executions: 2 },
  "redirect-303-same-host": { fails: [UNAVAILABLE, BROKEN] },
  "status-401": { fails: [UNAVAILABLE, BROKEN, REFUSED], hides: ["/metadata", "realm"] },
  "status-403": { fails: [UNAVAILABLE, BROKEN, REFUSED] },
  "status-404": { fails: [UNAVAILABLE, BROKEN] },
  "status-429": { fails: [UNAVAILABLE, LIMITED], pauses: true },
  "status-503": { fails: [UNAVAILABLE], pauses: true },
  "status-500": { fails: [UNAVAILABLE, BROKEN], hides: ["/srv/upstream", "handler"] },
  "status-502": { fails: [UNAVAILABLE, BROKEN] },
  "error-200": error,
  "error-400": error,
  "error-404": error,
  "error-500": error,
  "result-500": { relayed: "good", fails: [UNAVAILABLE, BROKEN] },
  "status-999": { relayed: "good", fails: [UNAVAILABLE, BROKEN] },

  // Body
  "html": broken,
  "html-as-json": broken,
  "wrong-type": broken,
  "no-type": goodOrBroken,
  "type-with-charset": good,
  "events-as-json": broken,
  "json-as-events": lost,
  "empty": broken,
  "empty-stream": lost,
  "truncated": broken,
  "trailing-garbage": broken,
  "invalid-utf8": broken,
  "bom": goodOrBroken,
  "raw-control-character": { ...broken, hides: ["injected"] },
  "deep": broken,
  "big": broken,
  "batch": broken,
  "ndjson": broken,
  "json-string": broken,
  "json-null": broken,

  // JSON-RPC message
  "wrong-id": broken,
  "wrong-id-type": broken,
  "id-null": broken,
  "id-missing": broken,
  "id-object": broken,
  "result-and-error": broken,
  "result-and-null-error": goodOrBroken,
  "no-result": broken,
  "result-null": alikeOrBroken,
  "result-array": alikeOrBroken,
  "result-string": alikeOrBroken,
  "error-string": broken,
  "error-code-string": broken,
  "jsonrpc-1": broken,
  "jsonrpc-number": broken,
  "jsonrpc-missing": broken,
  "echoed-request": broken,
  "only-notification": broken,
  "id-twice-right-first": broken,
  "id-twice-wrong-first": broken,
  "id-twice-escaped": broken,
  "result-twice": broken,
  "inexact-members": broken,
  "two-results": { relayed: "good", hides: ["second"] },
  "other-result-first": { ...goodOrBroken, hides: ["not yours"] },
  "only-other-result": { ...lost, hides: ["not yours"] },
  "id-last": good,
  "id-escaped": good,
  "id-nested": same,
  "unknown-members": good,
  "spaces": good,

  // Event stream
  "sse-lf": good,
  "sse-crlf": good,
  "sse-cr": good,
  "sse-crlf-split": good,
  "sse-bytes": same,
  "sse-comments": good,
  "sse-multi-line": good,
  "sse-no-space": good,
  "sse-bom": good,
  "sse-fields": good,
  "sse-retry-zero": good,
  "sse-retry-huge": good,
  "sse-other-event": good,
  "sse-pretty": good,
  "sse-charset": good,
  "sse-wrong-type": broken,
  "sse-no-blank-line": goodOrLost,
  "sse-no-line-end": goodOrLost,
  "sse-no-result": lost,
  "sse-bad-json": lostStream,
  "sse-batch": lostStream,
  "sse-invalid-utf8": lostStream,
  "sse-error": error,
  "sse-long-line": broken,
  "sse-endless-line": broken,
  "sse-endless-event": broken,
  "sse-endless-comments": slow,

  // Notifications and requests
  "progress-then-result": good,
  "notification-flood": good,
  "notification-endless": slow,
  "progress-foreign": { ...good, hides: ["somebody-elses-token"] },
  "cancelled-foreign": { ...good, hides: ["somebody-elses-id"] },
  "notification-unknown": good,
  "server-request": { ...goodOrBroken, hides: ["planted-request", "sampling"] },
  "notification-after-result": good,

  // Result
  "ok": good,
  "result-type-unknown": alikeOrBroken,
  "result-type-number": alikeOrBroken,
  "result-type-absent": { relayed: "alike" },
  "pretty": good,
  "pretty-late": { ...good, isSlow: true },
  "line-separators": same,
  "lone-surrogates": same,
  "big-integers": same,
  "odd-numbers": same,
  "odd-keys": same,
  "escapes": same,
  "unknown-fields": same,
  "unknown-content": same,
  "empty-structured": same,
  "null-structured": same,
  "is-error": same,
  "empty-result": alike,
};
