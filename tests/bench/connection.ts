/**
 * One keep-alive HTTP/1.1 connection, as cheap as it can be: one request at a time, no pipelining, bodies
 * with `Content-Length` or chunked. Only for the load generator, which trusts its peers to be local.
 *
 * @module
 */

/** One answer. The body is valid until the next exchange. */
export interface Reply {
  readonly status: number;
  readonly contentType: string;
  /** `Mcp-Session-Id`; undefined when there is none. */
  readonly sessionId: string | undefined;
  readonly body: Uint8Array;
}

/** An open connection. */
export interface Connection {
  /**
   * Sends a request and reads its answer whole.
   *
   * @throws {Error} when the peer closes, sends something that is not HTTP/1.1, or more than fits
   */
  exchange(request: Uint8Array): Promise<Reply>;
  /** Bytes that have come of the answer to the exchange that is running, or ran last. */
  received(): number;
  close(): void;
}

const HEAD_BYTES_MAX = 16_384;
const NO_CONTENT = 204;
const latin1 = new TextDecoder("latin1");

/** Connects to a local port; an answer may be `replyBytesMax` long, head and chunk sizes included. */
export async function openConnection(port: number, replyBytesMax: number): Promise<Connection> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  conn.setNoDelay(true);
  const buffer = new Uint8Array(replyBytesMax + HEAD_BYTES_MAX);
  let filled = 0;

  async function readMore(): Promise<void> {
    if (filled === buffer.length) throw new Error(`Answer longer than ${buffer.length} bytes`);
    const count = await conn.read(buffer.subarray(filled));
    if (count === null) throw new Error("Connection closed by the peer");
    filled += count;
  }

  async function readHead(): Promise<string> {
    for (;;) {
      await readMore();
      const text = latin1.decode(buffer.subarray(0, Math.min(filled, HEAD_BYTES_MAX)));
      const end = text.indexOf("\r\n\r\n");
      if (end >= 0) return text.slice(0, end + 4);
      if (filled >= HEAD_BYTES_MAX) throw new Error("Answer has no end of head");
    }
  }

  /** Joins the chunks in place, over their own size lines. Returns the end of the joined body. */
  async function joinChunks(start: number): Promise<number> {
    let from = start;
    let to = start;
    for (;;) {
      const lineEnd = buffer.subarray(0, filled).indexOf(10, from);
      if (lineEnd >= 0) {
        const size = parseInt(latin1.decode(buffer.subarray(from, lineEnd)), 16);
        if (Number.isNaN(size)) throw new Error("Chunk without a size");
        const next = lineEnd + 1 + size + 2;
        if (next <= filled) {
          if (size === 0) return to;
          buffer.copyWithin(to, lineEnd + 1, lineEnd + 1 + size);
          to += size;
          from = next;
          continue;
        }
      }
      await readMore();
    }
  }

  return {
    async exchange(request) {
      filled = 0;
      await writeAll(conn, request);
      const head = await readHead();
      const start = head.length;
      const status = statusOf(head);
      const lower = head.toLowerCase();
      let end: number;
      if (fieldOf(lower, "transfer-encoding") === "chunked") {
        end = await joinChunks(start);
      } else {
        const none = status === NO_CONTENT ? 0 : NaN;
        end = start + Number(fieldOf(lower, "content-length") ?? none);
        if (Number.isNaN(end)) throw new Error("Answer without a length");
        while (filled < end) await readMore();
      }
      return {
        status,
        contentType: fieldOf(lower, "content-type") ?? "",
        sessionId: fieldOf(lower, "mcp-session-id", head),
        body: buffer.subarray(start, end),
      };
    },
    received: () => filled,
    close: () => conn.close(),
  };
}

/** Writes all of it. */
export async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  let sent = await conn.write(bytes);
  while (sent < bytes.length) sent += await conn.write(bytes.subarray(sent));
}

/** The status of an answer's head. */
export function statusOf(head: string): number {
  return Number(head.slice(9, 12));
}

/** The value of a header, from the head in small letters; as it was written when `head` is given. */
export function fieldOf(lower: string, name: string, head = lower): string | undefined {
  const at = lower.indexOf(`\r\n${name}:`);
  if (at < 0) return undefined;
  const start = at + name.length + 3;
  return head.slice(start, head.indexOf("\r\n", start)).trim();
}
