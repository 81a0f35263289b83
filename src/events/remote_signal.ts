/**
 * What replicas that ask each other say: one line of JSON, and a body behind it.
 *
 * @module
 */
import { GatewayError, ProtocolError } from "../domain/errors.ts";

export type Signal =
  | { readonly op: "ask"; readonly id: string; readonly kind: string; readonly about: unknown }
  | { readonly op: "got"; readonly id: string }
  | { readonly op: "part"; readonly id: string; readonly seq: number; readonly about: unknown }
  | { readonly op: "taken"; readonly id: string; readonly seq: number }
  /** How far is the answer? All up to `seq` has been taken. */
  | { readonly op: "where"; readonly id: string; readonly seq: number }
  /** So many parts were sent; -1 for an answer that is over. */
  | { readonly op: "at"; readonly id: string; readonly seq: number }
  | { readonly op: "end"; readonly id: string; readonly seq: number; readonly error?: Failure }
  | { readonly op: "stop"; readonly id: string };

export type Failure =
  | { readonly code: GatewayError["code"]; readonly message: string }
  | Pick<ProtocolError, "rpcCode" | "httpStatus" | "message" | "data">;

/** The replica is gone: what it was to do, it has not done. */
export class NotThere extends GatewayError {
  constructor() {
    super("unavailable", "The gateway process that this belongs to has ended");
  }
}

/** Whether the other replica has done what it was asked for is not known. */
export class Lost extends GatewayError {
  constructor() {
    super(
      "outcome_unknown",
      "The gateway process that this belongs to does not answer: whether it was carried out is " +
        "not known",
    );
  }
}

/** What is not the gateway's own says nothing to the other replica's caller. */
export function failureOf(error: unknown): Failure {
  if (error instanceof ProtocolError) {
    const { rpcCode, httpStatus, message, data } = error;
    return { rpcCode, httpStatus, message, data };
  }
  const { code, message } = error instanceof GatewayError ? error : new Lost();
  return { code, message };
}

export function errorOf(failure: Failure): Error {
  if ("code" in failure) return new GatewayError(failure.code, failure.message);
  const { rpcCode, httpStatus, message, data } = failure;
  return new ProtocolError(rpcCode, httpStatus, message, data);
}

export function encoded(signal: Signal, body: Uint8Array = NOTHING): Uint8Array {
  const head = encoder.encode(`${JSON.stringify(signal)}\n`);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

/** Signals are sealed on their way, so what comes was written by `encoded`. */
export function decoded(bytes: Uint8Array): { readonly signal: Signal; readonly body: Uint8Array } {
  const end = bytes.indexOf(LINE_END);
  const signal: Signal = JSON.parse(decoder.decode(bytes.subarray(0, end)));
  return { signal, body: bytes.slice(end + 1) };
}

const NOTHING = new Uint8Array();
const LINE_END = 0x0a;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
