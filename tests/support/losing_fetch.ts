/**
 * A network on which one connection is lost.
 *
 * @module
 */
import type { FetchLike } from "@modelcontextprotocol/client";

export interface LosingFetch {
  readonly fetch: FetchLike;
  /** Whether it has lost its connection. */
  readonly hasLost: () => boolean;
}

/** Loses the connection of the first tool call, once a whole message has come on its stream. */
export function losingFetch(): LosingFetch {
  let hasLost = false;
  return {
    async fetch(url, init) {
      const response = await fetch(url, init);
      const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
      const isCall = typeof init?.body === "string" && init.body.includes('"tools/call"');
      if (hasLost || !isStream || !isCall || !response.body) return response;
      hasLost = true;
      return new Response(untilMessage(response.body), response);
    },
    hasLost: () => hasLost,
  };
}

/** The stream up to the end of its first message, and then an error. */
function untilMessage(stream: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let isOver = false;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (isOver) {
        await reader.cancel();
        return controller.error(new TypeError("The connection is lost"));
      }
      while (!isOver) {
        const { done, value } = await reader.read();
        if (done) return controller.close();
        text += decoder.decode(value, { stream: true });
        const end = /^data: ?\{.*\n\n/m.exec(text);
        if (!end) continue;
        isOver = true;
        controller.enqueue(new TextEncoder().encode(text.slice(0, end.index + end[0].length)));
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}
