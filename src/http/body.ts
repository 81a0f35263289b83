/**
 * Reads a request body: counted as it arrives, and within a deadline.
 *
 * @module
 */
import { GatewayError } from "../domain/errors.ts";

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
export async function readBody(
  request: Request,
  announced: string | undefined,
  limits: BodyLimits,
): Promise<Uint8Array> {
  if (announced !== undefined && Number(announced) > limits.bytesMax) throw tooLarge(limits);
  if (request.body === null) return new Uint8Array(0);
  const reader = request.body.getReader();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    reader.cancel().catch(() => {});
  }, limits.timeoutMs);
  try {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      bytes += step.value.length;
      if (bytes > limits.bytesMax) throw tooLarge(limits);
      pieces.push(step.value);
    }
    if (isLate) throw late();
    return pieces.length === 1 ? pieces[0]! : joined(pieces, bytes);
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    if (isLate) throw late();
    throw new GatewayError("invalid_request", "The request body broke off", { cause: error });
  } finally {
    clearTimeout(timer);
  }
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
