/**
 * Reads a request body: counted as it arrives, and within a deadline.
 *
 * @module
 */
import { GatewayError } from "../domain/errors.ts";
import type { Timers } from "../platform/timers.ts";

export interface BodyLimits {
  readonly bytesMax: number;
  /** For the whole body. The server itself waits for ever. */
  readonly timeoutMs: number;
}

/**
 * @param announced value of `Content-Length`, `undefined` for none
 * @throws {GatewayError} `too_large`, at once when the announced length says so;
 *   `request_timeout`; `invalid_request` when the client breaks off
 */
export function readBody(
  request: Request,
  announced: string | undefined,
  limits: BodyLimits,
  timers: Timers,
): Promise<Uint8Array> {
  if (announced !== undefined && Number(announced) > limits.bytesMax) throw tooLarge(limits);
  return new Promise((resolve, reject) => {
    const timer = timers.after(limits.timeoutMs, () => reject(late()));
    // A body of a known length is held to it by the server, and read whole at half the cost.
    const body = announced !== undefined ? request.bytes() : counted(request, limits);
    body.then((bytes) => {
      timer.cancel();
      resolve(bytes);
    }, (cause) => {
      timer.cancel();
      reject(cause instanceof GatewayError ? cause : brokenOff(cause));
    });
  });
}

async function counted(request: Request, limits: BodyLimits): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of request.body ?? []) {
    bytes += piece.length;
    if (bytes > limits.bytesMax) throw tooLarge(limits);
    pieces.push(piece);
  }
  return pieces.length === 1 ? pieces[0]! : joined(pieces, bytes);
}

function joined(pieces: readonly Uint8Array[], bytes: number): Uint8Array {
  const body = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    body.set(piece, at);
    at += piece.length;
  }
  return body;
}

function tooLarge(limits: BodyLimits): GatewayError {
  return new GatewayError("too_large", `The request body is over ${limits.bytesMax} bytes`);
}

function late(): GatewayError {
  return new GatewayError("request_timeout", "The request body did not arrive in time");
}

function brokenOff(cause: unknown): GatewayError {
  return new GatewayError("invalid_request", "The request body broke off", { cause });
}
