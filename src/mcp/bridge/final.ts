/**
 * The last word of a call at a server of the session era, for its client of the stateless era.
 *
 * @module
 */
import { ProtocolError } from "../../domain/errors.ts";
import { ClientLeft } from "../failure.ts";
import { type JsonObject, METHOD_NOT_FOUND } from "../message.ts";
import { errorResponse, failureResponse } from "../rpc_error.ts";
import type { UpstreamCall } from "../stateless_calls.ts";
import type { Answer } from "../upstream_message.ts";
import { inputRequired, urlAsks } from "./ask.ts";
import { missingOf } from "./capabilities.ts";
import type { Round } from "./conversation.ts";
import { errorFor, failureOf, isOfGateway, resultFor } from "./results.ts";

/** @see MCP 2026-07-28, Base Protocol, "Error Codes" */
const MISSING_CAPABILITY = -32021;
/** @see MCP 2025-11-25, Client Features, "Elicitation" */
const URL_ELICITATION_REQUIRED = -32042;

/** @see contract.md, section 8, "Gateway failures" */
const RATE_LIMITED = -31006;

export interface Final {
  readonly message: Uint8Array;
  /** HTTP status, if it is all there is to say. */
  readonly status: number;
}

/** What decides about the last word. */
export interface FinalContext {
  readonly serverInfo: string | undefined;
  /** See `Asking`. */
  readonly refused?: JsonObject | undefined;
  /** Why there is no answer. */
  readonly failure?: unknown;
  /** The `requestState` with which the server is asked again. */
  readonly again: (call: UpstreamCall) => string;
}

/** @param answer the server's, or that of a failure; `undefined` when there is none */
export function finalFor(
  answer: Answer | undefined,
  round: Round,
  context: FinalContext,
): Final {
  const { call } = round;
  const { refused } = context;
  const { id, method } = call.message;
  if (answer === undefined) {
    const error = context.failure ?? new ClientLeft();
    const more = { resultType: "complete" } as const;
    return { message: failureResponse(id, method, error, call.correlationId, more), status: 200 };
  }
  const failed = failureOf(answer);
  if (failed !== undefined && refused !== undefined && !isOfGateway(answer)) {
    return missing(call, refused);
  }
  if (failed !== "error") {
    return { message: resultFor(answer, round, context.serverInfo), status: 200 };
  }
  const { message, code } = errorFor(answer, round);
  const urls = code === URL_ELICITATION_REQUIRED ? urlAsks(message) : undefined;
  if (urls !== undefined) {
    const undeclared = missingOf({ elicitation: { url: {} } }, round.declared);
    if (undeclared !== undefined) return missing(call, undeclared);
    const state = context.again(call);
    return { message: inputRequired(id, urls, state, context.serverInfo), status: 200 };
  }
  // As the gateway answers where no bridge is needed.
  const isBusy = code === RATE_LIMITED && isOfGateway(answer);
  return { message, status: code === METHOD_NOT_FOUND ? 404 : isBusy ? 429 : 200 };
}

function missing({ message, correlationId }: UpstreamCall, required: JsonObject): Final {
  const text = "The call needs capabilities that the client did not declare";
  const error = new ProtocolError(MISSING_CAPABILITY, 400, text, {
    requiredCapabilities: required,
  });
  return { message: errorResponse(message.id, error, correlationId), status: 400 };
}
