/**
 * Calls of REST tools: one request to an API, and its answer as the result of a tool.
 *
 * @module
 * @see contract.md, section 8, "REST tools" and "Egress"
 */
import { Buffer } from "node:buffer";
import { GatewayError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { isSafeMethod, type RestTool } from "../../domain/rest_tool.ts";
import type { UpstreamAuth } from "../../domain/server.ts";
import type { ByteBudget } from "../../platform/byte_budget.ts";
import type { Clock } from "../../platform/clock.ts";
import type { DialTarget } from "../../platform/dial.ts";
import { ConnectionLost } from "../../platform/http1/connection.ts";
import type { HttpClient, HttpReply } from "../../platform/http1/client.ts";
import type { Timers } from "../../platform/timers.ts";
import { createAccessTokens } from "../access_token.ts";
import { sendAuthorized } from "../credentials.ts";
import { startDeadline } from "../deadline.ts";
import { explained } from "../explained.ts";
import { readWhole } from "../reply.ts";
import { requestToken } from "../token_request.ts";
import type { LinearPatterns } from "./json_path.ts";
import { type Access, type CheckOutput, prepare, type Prepared } from "./prepared.ts";
import { headResult, resultOf } from "./reply.ts";
import type { Arguments, RestRequest } from "./request.ts";
import type { ToolResult } from "./tool_result.ts";

export interface RestClient {
  /**
   * @param tool the same object as long as the record is the same: what is made of it is kept
   * @param args have been checked against the input schema
   * @returns also what the API refuses, and what does not fit, as a result with `isError`
   * @throws {GatewayError} `invalid_params` for arguments that cannot be sent; `egress_denied`,
   *   `upstream_unavailable`, `upstream_timeout`, `upstream_protocol`, `outcome_unknown`,
   *   `unavailable`, whose text says whether the call may have been carried out
   */
  readonly call: (tool: RestTool, args: Arguments, call: RestCall) => Promise<ToolResult>;
}

export interface RestCall {
  /** Whether the client takes structured content that is no object. */
  readonly isModern: boolean;
  /** Aborted by the caller to cancel, and here when a deadline runs out. */
  readonly abort: AbortController;
}

export interface RestClientDeps {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Charged with replies that are being read. */
  readonly budget: ByteBudget;
  /** For `match` and `search` in filters. */
  readonly patterns: LinearPatterns;
  readonly checkOutput: CheckOutput;
}

export interface RestClientOptions {
  readonly connectMs: number;
  /** Longest silence of an API, unless the tool says another one. */
  readonly timeoutMs: number;
  /** The whole of a call. */
  readonly totalMs: number;
  readonly replyBytesMax: number;
  readonly userAgent: string;
  /** Refuses an address by throwing. Not asked about tools of whoever runs the gateway. */
  readonly checkAddress: (target: DialTarget, address: string) => void;
}

export function createRestClient(deps: RestClientDeps, options: RestClientOptions): RestClient {
  const { http, clock, timers } = deps;
  const prepared = new WeakMap<RestTool, Prepared>();
  const accesses = new Map<string, Access>();
  const checkFor = ({ anyAddress }: Access, target: DialTarget) => (address: string) => {
    if (!anyAddress) options.checkAddress(target, address);
  };
  const tokens = createAccessTokens<Access>({
    clock,
    timers,
    request(access, auth, by, signal) {
      const checkAddress = (_: Access, target: DialTarget, address: string) =>
        checkFor(access, target)(address);
      return requestToken(http, { ...options, checkAddress, ruleOf }, access, auth, by, signal);
    },
  });

  function preparedOf(tool: RestTool): Prepared {
    let known = prepared.get(tool);
    if (known === undefined) {
      known = prepare(tool, { ...deps, accessOf, userAgent: options.userAgent });
      prepared.set(tool, known);
    }
    return known;
  }

  function accessOf(auth: UpstreamAuth, anyAddress: boolean): Access {
    const key = JSON.stringify([auth, anyAddress]);
    let access = accesses.get(key);
    if (access !== undefined) return access;
    if (accesses.size >= LIMITS.restAccesses) accesses.delete(accesses.keys().next().value!);
    accesses.set(key, access = { auth, anyAddress });
    return access;
  }

  function exchange(
    { target, fixed, access }: Prepared,
    line: string,
    { headers, body }: RestRequest,
    signal: AbortSignal,
  ): Promise<HttpReply> {
    const request = {
      target,
      head: `${line} HTTP/1.1\r\n${fixed}${headers}`,
      body,
      // A GET is sent again here, and no more than that.
      idempotent: false,
      connectMs: options.connectMs,
      checkAddress: checkFor(access, target),
      rule: ruleOf(access),
      signal,
    };
    const { auth } = access;
    if (auth.type !== "oauth_client_credentials") return http.send(request);
    const send = (own: string) => http.send({ ...request, head: request.head + own });
    return sendAuthorized(tokens, access, auth, signal, send);
  }

  async function once(
    tool: RestTool,
    known: Prepared,
    request: RestRequest,
    call: RestCall,
    touch: () => void,
  ): Promise<ToolResult> {
    const { signal } = call.abort;
    const { method } = tool;
    let reply = await exchange(known, `${method} ${request.target}`, request, signal);
    try {
      if (reply.status === 307 || reply.status === 308) {
        const to = redirectTarget(new URL(request.target, known.url), reply);
        if (to !== undefined) {
          reply.release();
          reply = await exchange(known, `${method} ${to}`, request, signal);
        }
      }
      touch();
      const { status, headers } = reply;
      if (method === "HEAD") return headResult(reply);
      const isGood = status >= 200 && status < 300;
      const body = isGood
        ? await readWhole(reply, options.replyBytesMax, deps.budget)
        : await beginning(reply, LIMITS.restErrorBytes);
      return resultOf(known.rules, { status, headers, body }, call.isModern);
    } finally {
      reply.release();
    }
  }

  return {
    async call(tool, args, call) {
      const known = preparedOf(tool);
      const request = known.request(args);
      const isSafe = isSafeMethod(tool.method);
      const { abort } = call;
      const silenceMs = tool.timeoutMs ?? options.timeoutMs;
      const deadline = startDeadline({ timers, now: clock.monotonic }, {
        firstMs: silenceMs,
        silenceMs,
        totalMs: options.totalMs,
        expired: (spanMs) => abort.abort(timedOut(spanMs)),
      });
      try {
        return await once(tool, known, request, call, deadline.touch).catch((error) => {
          if (!isSafe || !(error instanceof ConnectionLost) || abort.signal.aborted) throw error;
          return once(tool, known, request, call, deadline.touch);
        });
      } catch (error) {
        throw explained(abort.signal.aborted ? abort.signal.reason : error, isSafe);
      } finally {
        deadline.end();
      }
    },
  };
}

/** Who checks the addresses of connections: see `HttpRequest`. */
function ruleOf({ anyAddress }: Access): string {
  return anyAddress ? "" : "egress";
}

/** Where a redirect may be followed to: only the same scheme, host and port. */
function redirectTarget(from: URL, reply: HttpReply): string | undefined {
  const location = reply.headers.get("location");
  if (location === undefined || !URL.canParse(location, from)) return undefined;
  const to = new URL(location, from);
  const isSame = to.origin === from.origin && to.username === "" && to.password === "";
  return isSame ? to.pathname + to.search : undefined;
}

/** As much of a body as is looked at. */
async function beginning(reply: HttpReply, max: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let left = max;
  for (let piece = await reply.next(); piece !== undefined; piece = await reply.next()) {
    pieces.push(piece.slice(0, left));
    left -= piece.length;
    if (left <= 0) break;
  }
  return Buffer.concat(pieces);
}

function timedOut(spanMs: number): GatewayError {
  return new GatewayError(
    "upstream_timeout",
    `The upstream server did not answer within ${spanMs / 1000} s`,
  );
}
