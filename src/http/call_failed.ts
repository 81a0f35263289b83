/**
 * A failure before there was anything to answer with, as the answer that it deserves.
 *
 * @module
 */
import { untraced } from "../domain/errors.ts";
import type { ClientMessage } from "../mcp/message.ts";
import { bareProblem, rpcProblem } from "./problem.ts";

/** Every error answer carries the id of the request that it answers. */
export class CallFailed extends Error {
  override readonly name = "CallFailed";
  readonly response: Response;
  readonly call: ClientMessage;

  constructor(cause: unknown, call: ClientMessage, response: Response) {
    super("A call failed before it was relayed", { cause });
    this.call = call;
    this.response = response;
  }
}

export function withId(error: unknown, message: ClientMessage, correlationId: string): CallFailed {
  return new CallFailed(error, message, rpcProblem(error, correlationId, message.id));
}

/** Of a message that is not taken, whatever it is: only a request has an answer to put that in. */
export function notTaken(
  error: unknown,
  message: ClientMessage,
  correlationId: string,
): CallFailed {
  return untraced(() =>
    message.kind === "request"
      ? withId(error, message, correlationId)
      : new CallFailed(error, message, bareProblem(error))
  );
}
