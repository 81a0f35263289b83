/**
 * What a caller is told when a call fails on its way: above all, whether it may have been carried
 * out.
 *
 * @module
 * @see contract.md, section 7, points 1 and 2
 */
import { GatewayError } from "../domain/errors.ts";
import { UNKNOWN } from "../upstream/explained.ts";

export { explained } from "../upstream/explained.ts";

/** The reason with which a call is aborted when its client closes the connection. */
export class ClientLeft extends GatewayError {
  constructor() {
    super("outcome_unknown", "The client closed the connection");
  }
}

/** The reason with which calls are aborted when the gateway stops. */
export class Draining extends GatewayError {
  constructor() {
    super("unavailable", "The gateway is stopping");
  }
}

/** Reads, and what the specification calls free of side effects: these may be sent again. */
const IDEMPOTENT: ReadonlySet<string> = new Set([
  "server/discover",
  "tools/list",
  "prompts/list",
  "prompts/get",
  "resources/list",
  "resources/templates/list",
  "resources/read",
  "completion/complete",
  "tasks/get",
]);

/** These may legitimately compute for long before they say anything. */
export const SLOW_TO_START: ReadonlySet<string> = new Set([
  "tools/call",
  "prompts/get",
  "resources/read",
]);

/** Whether carrying the method out twice does no harm. */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}

export function endedWithoutAnswer(method: string): GatewayError {
  const text = "The upstream server ended its reply without an answer";
  return isIdempotent(method)
    ? new GatewayError("upstream_protocol", text)
    : new GatewayError("outcome_unknown", `${text}: ${UNKNOWN}`);
}
