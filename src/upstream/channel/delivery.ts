/**
 * What comes over a channel, brought to whom it belongs.
 *
 * @module
 */
import { GatewayError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { readEnvelope } from "./envelope.ts";
import type { OwnStream } from "./own_stream.ts";
import { plainText } from "./plain_text.ts";
import type { Destination, OpenRequest, Router } from "./router.ts";

export interface Delivery {
  readonly heard: (line: Uint8Array) => void;
  /** Whether a result has shown that the server works. */
  readonly hasAnswered: () => boolean;
}

export interface DeliveryDeps {
  readonly router: Router;
  readonly own: OwnStream;
  /** To the server. */
  readonly write: (message: Uint8Array) => void;
  /** Told once, with the beginning of the first thing that is no message. */
  readonly garbage: (text: string) => void;
}

const GARBAGE_BYTES = 800;

export function createDelivery({ router, own, write, garbage }: DeliveryDeps): Delivery {
  let hasAnswered = false;
  let hasGarbage = false;

  function deliver(to: Destination, line: Uint8Array): void {
    switch (to.kind) {
      case "request":
        return to.request.inbox.put(line);
      case "answer":
      case "ended":
        router.close(to.request);
        to.request.inbox.put(to.kind === "answer" ? line : subscriptionEnd(to.request));
        return to.request.inbox.end();
      case "own stream":
        return own.put(line);
      case "refused":
        return refuse(to.id);
    }
  }

  /** Revision 2026-07-28 has no requests from server to client: it would wait for ever. */
  function refuse(id: string): void {
    if (id.length > LIMITS.questionIdBytes) return;
    const error = { code: -32601, message: "A client of this revision answers no requests" };
    try {
      write(encoder.encode(`{"jsonrpc":"2.0","id":${id},"error":${JSON.stringify(error)}}`));
    } catch (error) {
      // One that does not read will not miss it.
      if (!(error instanceof GatewayError)) throw error;
    }
  }

  function skip(line: Uint8Array): void {
    if (hasGarbage) return;
    const text = plainText(decoder.decode(line.subarray(0, GARBAGE_BYTES))).trim();
    if (text === "") return;
    hasGarbage = true;
    garbage(text);
  }

  return {
    heard(line) {
      const envelope = readEnvelope(line);
      if (envelope === undefined) return skip(line);
      const to = router.destinationOf(envelope);
      if (to.kind === "answer" && envelope.isResult) hasAnswered = true;
      deliver(to, line);
    },
    hasAnswered: () => hasAnswered,
  };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * How a subscription ends over HTTP.
 * @see MCP 2026-07-28, Utilities, "Subscriptions"
 */
function subscriptionEnd({ id }: OpenRequest): Uint8Array {
  const _meta = `"_meta":{"io.modelcontextprotocol/subscriptionId":${id}}`;
  return encoder.encode(
    `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete",${_meta}}}`,
  );
}
