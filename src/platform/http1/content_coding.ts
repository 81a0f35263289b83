/**
 * Undoes the content coding of a reply. The gateway asks for none; some servers compress anyway.
 *
 * @module
 * @see RFC 9110, section 8.4.1
 */
import { GatewayError } from "../../domain/errors.ts";

type Read = () => Promise<Uint8Array | undefined>;

/** Small input slices bound what one step of a decompression bomb can expand to (about 1 : 1000). */
const SLICE_BYTES = 4096;

/**
 * Wraps the reader of a coded body in one that gives decoded pieces.
 * @throws {GatewayError} `upstream_protocol` for a coding other than gzip and deflate, and on read
 *   when the data is corrupt
 */
export function decoded(coding: string, read: Read): Read {
  if (coding !== "gzip" && coding !== "x-gzip" && coding !== "deflate") {
    throw new GatewayError("upstream_protocol", "The upstream server used an unknown compression");
  }
  let piece: Uint8Array = new Uint8Array(0);
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      if (piece.length === 0) {
        const more = await read();
        if (more === undefined) return controller.close();
        piece = more;
      }
      // Copied: the reader's piece is only valid until its next call.
      controller.enqueue(piece.slice(0, SLICE_BYTES));
      piece = piece.subarray(SLICE_BYTES);
    },
  }, { highWaterMark: 0 });
  const format = coding === "deflate" ? "deflate" : "gzip";
  const reader = source.pipeThrough(new DecompressionStream(format)).getReader();
  return async () => {
    try {
      const step = await reader.read();
      return step.done ? undefined : step.value;
    } catch (cause) {
      if (cause instanceof GatewayError || !(cause instanceof TypeError)) throw cause;
      throw new GatewayError("upstream_protocol", "The upstream server sent corrupt compression", {
        cause,
      });
    }
  };
}
