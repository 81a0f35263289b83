/**
 * The answer to a request that says what a server is: it is waited for, because over HTTP its
 * status says as much.
 *
 * @module
 */
import { GatewayError } from "../../domain/errors.ts";
import { ConnectionLost } from "../../platform/http1/connection.ts";
import type { UpstreamReply } from "../reply.ts";
import { readEnvelope } from "./envelope.ts";
import { peeked } from "./peeked.ts";

export interface FirstAnswer {
  readonly reply: UpstreamReply;
  readonly isResult: boolean;
  readonly errorCode: number | undefined;
}

/** @see MCP 2026-07-28, Base Protocol, "Error Codes" */
const MODERN_ERRORS: readonly unknown[] = [-32020, -32021, -32022];
const METHOD_NOT_FOUND = -32601;

/**
 * What was said before the answer is left out. `undefined` when there is none.
 * @throws {ConnectionLost}, or the reason with which the request was aborted
 */
export async function firstAnswer(reply: UpstreamReply): Promise<FirstAnswer | undefined> {
  for (let one = await reply.next(); one !== undefined; one = await reply.next()) {
    const envelope = readEnvelope(one);
    if (envelope === undefined || envelope.method !== undefined) continue;
    return {
      reply: peeked(reply, one),
      isResult: envelope.isResult,
      errorCode: envelope.errorCode,
    };
  }
  return undefined;
}

/**
 * The answer to `initialize`, with the status that a server over HTTP would have given.
 * @throws {GatewayError} `upstream_unavailable` when the channel ends
 */
export async function openingAnswer(reply: UpstreamReply): Promise<FirstAnswer> {
  const answer = await firstAnswer(reply).catch((error) => {
    // Nothing has been carried out: there is no session yet.
    if (!(error instanceof ConnectionLost)) throw error;
    throw new GatewayError("upstream_unavailable", error.message, { cause: error });
  });
  if (answer === undefined) {
    throw new GatewayError("upstream_protocol", "The upstream server did not answer the request");
  }
  return { ...answer, reply: { ...answer.reply, status: statusOf(answer.errorCode) } };
}

/** Whether it is an error that only servers of revision 2026-07-28 give. */
export function isModern(errorCode: number | undefined): boolean {
  return MODERN_ERRORS.includes(errorCode);
}

/** Every server of the session era has the method `initialize`. */
function statusOf(errorCode: number | undefined): number {
  if (errorCode === METHOD_NOT_FOUND) return 404;
  return isModern(errorCode) ? 400 : 200;
}
