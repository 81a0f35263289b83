/**
 * Answers that are one JSON body, and the memory that they take until the client has them.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { bytesOf } from "../mcp/message.ts";
import type { ByteBudget } from "../platform/byte_budget.ts";

/**
 * Without `no-transform` the server compresses what it sends: the length of an answer would then
 * tell what of a caller's text is in it a second time. @see security.md, LIM-14
 */
export const NOT_KEPT = "no-store, no-transform";

const JSON_HEADERS = { "Content-Type": "application/json", "Cache-Control": NOT_KEPT } as const;

/** Of an upstream server that is busy: nobody knows for how long. */
const BUSY_HEADERS = { ...JSON_HEADERS, "Retry-After": "1" } as const;

/** Bodies beyond this count as held until the client has them. */
const LARGE_BODY_BYTES = 256 * 1024;

/** @param delivered settles when the response has been sent, or cannot be any more */
export function jsonResponse(
  reply: { readonly status: number; readonly body: Uint8Array | string },
  budget: ByteBudget,
  delivered: Promise<void>,
): Response {
  const { status } = reply;
  if (reply.body.length <= LARGE_BODY_BYTES) {
    const headers = status === 429 ? BUSY_HEADERS : JSON_HEADERS;
    return new Response(reply.body as BodyInit, { status, headers });
  }
  const body = bytesOf(reply.body);
  // As a stream, because of other bodies the runtime says at once that they were delivered.
  createHold(budget, delivered).next(body.length);
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(body);
      controller.close();
    },
  });
  const headers = { ...JSON_HEADERS, "Content-Length": String(body.length) };
  return new Response(stream, { status, headers });
}

/**
 * For a few turns of the event loop, in which the runtime gets to sending. It looks then whether the
 * client is there: a body that is there at once is too early for a client that has left.
 */
export async function untilNoticed(): Promise<void> {
  for (let turn = 0; turn < NOTICED_TURNS; turn++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** Two are enough where nothing else happens. */
const NOTICED_TURNS = 4;

/**
 * A 200 whose body is still to come.
 * @param body gives the body once; `undefined` for none
 * @param gone called when the client leaves before the body is there
 */
export function lateJsonResponse(
  body: () => Promise<Uint8Array | undefined>,
  budget: ByteBudget,
  delivered: Promise<void>,
  gone: () => void,
): Response {
  let isGone = false;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const bytes = await body();
      if (isGone) return;
      if (bytes !== undefined) {
        createHold(budget, delivered).next(bytes.length);
        controller.enqueue(bytes);
      }
      controller.close();
    },
    cancel() {
      isGone = true;
      gone();
    },
    // Not before the runtime has begun to send.
  }, { highWaterMark: 0 });
  return new Response(stream, { status: 200, headers: JSON_HEADERS });
}

/**
 * Charges the budget with what waits for a client that is slow to read. The runtime takes one piece
 * ahead of the one that it is sending, so a piece is delivered for sure when the second after it is
 * asked for, or when the whole response is.
 */
export function createHold(budget: ByteBudget, delivered: Promise<void>) {
  let sending = 0;
  let taken = 0;
  let isOver = false;
  let isWaiting = false;

  function over(): void {
    isOver = true;
    budget.release(sending + taken);
    sending = taken = 0;
  }

  return {
    next(bytes: number): void {
      budget.release(sending);
      sending = taken;
      taken = bytes > LARGE_BODY_BYTES && !isOver ? bytes : 0;
      budget.hold(taken);
      if (taken === 0 || isWaiting) return;
      isWaiting = true;
      delivered.then(over, over);
    },
  };
}
