/**
 * A document at a URL that a caller names: one GET, small enough, soon, under the egress policy.
 *
 * @module
 * @see security.md, SSRF-01 to SSRF-05
 */
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { type DialTarget, targetOf } from "../platform/dial.ts";
import { ConnectionLost } from "../platform/http1/connection.ts";
import type { HttpClient } from "../platform/http1/client.ts";
import type { Timers } from "../platform/timers.ts";

export interface FetchTextDeps {
  readonly http: HttpClient;
  readonly timers: Timers;
  readonly egress: {
    readonly checkUrl: (url: URL) => void;
    readonly checkAddress: (target: DialTarget, address: string) => void;
  };
}

export interface FetchTextOptions {
  readonly connectMs: number;
  readonly userAgent: string;
}

/**
 * Redirects are not followed.
 * @throws {GatewayError} `egress_denied`, `upstream_unavailable`, `upstream_timeout`,
 *   `upstream_protocol`; nothing in it is the other side's
 */
export async function fetchText(
  { http, timers, egress }: FetchTextDeps,
  options: FetchTextOptions,
  url: URL,
): Promise<string> {
  egress.checkUrl(url);
  const target = targetOf(url);
  const abort = new AbortController();
  const timer = timers.after(LIMITS.documentReplyMs, () => abort.abort(tooLate()));
  try {
    const reply = await http.send({
      target,
      head: `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n` +
        `User-Agent: ${options.userAgent}\r\nAccept-Encoding: identity\r\n` +
        `Accept: application/json, application/yaml, */*;q=0.5\r\n`,
      body: undefined,
      idempotent: true,
      connectMs: options.connectMs,
      checkAddress: (address) => egress.checkAddress(target, address),
      rule: "egress",
      signal: abort.signal,
    });
    try {
      if (reply.status !== 200) {
        throw new GatewayError("upstream_unavailable", `The URL answered HTTP ${reply.status}`);
      }
      const bytes = await reply.whole(LIMITS.openApiChars, () => {});
      return new TextDecoder().decode(bytes);
    } finally {
      reply.release();
    }
  } catch (cause) {
    if (!(cause instanceof ConnectionLost)) throw cause;
    throw new GatewayError("upstream_unavailable", "The connection to the URL was lost", { cause });
  } finally {
    timer.cancel();
  }
}

function tooLate(): GatewayError {
  return new GatewayError("upstream_timeout", "The URL did not answer in time");
}
