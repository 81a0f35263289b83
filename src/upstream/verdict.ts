/**
 * What the end of a request says about its server.
 *
 * @module
 */
import { type ErrorCode, GatewayError } from "../domain/errors.ts";
import { DialError } from "../platform/dial.ts";
import { ConnectionLost } from "../platform/http1/connection.ts";
import type { UpstreamRequest } from "./client.ts";
import { CredentialsRefused, UpstreamStatusError } from "./reply.ts";

/** Nothing was sent: the gateway leaves the server alone for now, or altogether. */
export class HeldBack extends DialError {
  constructor(message: string) {
    super("upstream_unavailable", message);
  }
}

/**
 * - `alive`: it is there, whatever it thinks of the request;
 * - `down`: it cannot be reached, or is broken;
 * - `silent`: nothing came in time. That can be the server, or only what it was asked for;
 * - `wrong`: something is wrong, with the server or with the request;
 * - `nothing`: the request ended for reasons that are not the server's.
 */
export type Verdict = "alive" | "down" | "silent" | "wrong" | "nothing";

/**
 * Of a request that failed.
 * @param isAside it was no call: that a stream to listen on, or the end of a session, is not to be
 *   had says nothing, and neither does a proxy that cuts off what is silent for long
 */
export function verdictOf(error: unknown, isAside = false): Verdict {
  const verdict = ofCall(error);
  return !isAside || verdict === "alive" || error instanceof DialError ? verdict : "nothing";
}

function ofCall(error: unknown): Verdict {
  if (error instanceof HeldBack) return "nothing";
  if (error instanceof DialError || error instanceof ConnectionLost) return "down";
  if (error instanceof CredentialsRefused) return "alive";
  if (error instanceof UpstreamStatusError) return isBroken(error.status) ? "down" : "alive";
  if (!(error instanceof GatewayError)) return "nothing";
  if (error.code === "upstream_timeout") return "silent";
  return WRONG.has(error.code) ? "wrong" : "nothing";
}

const WRONG: ReadonlySet<ErrorCode> = new Set([
  "upstream_unavailable",
  "upstream_protocol",
  "egress_denied",
  "internal",
]);

/** Of a status that came with a message: only these are said on behalf of a server that is away. */
export function isAbsent(status: number): boolean {
  return status === 502 || status === 503 || status === 504;
}

/** Of one without: 501 is an answer, to a request that the server does not know. */
function isBroken(status: number): boolean {
  return status >= 500 && status !== 501;
}

/** Whether it may legitimately take as long as a call before anything is heard of it. */
export function isPatient({ firstMs, silenceMs, totalMs }: UpstreamRequest): boolean {
  return firstMs >= silenceMs && firstMs < totalMs;
}
