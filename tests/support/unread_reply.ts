/**
 * A client that takes the beginning of a reply and then nothing, until it is told to read the rest.
 *
 * @module
 */

export interface UnreadReply extends Disposable {
  /** Reads until the connection ends, and gives the whole body that has come. */
  readonly rest: () => Promise<UnreadRest>;
}

export interface UnreadRest {
  readonly text: string;
  /** Whether the body came to its end as HTTP says it. */
  readonly isWhole: boolean;
}

const FIRST_BYTES = 2_048;
const READ_BYTES = 64 * 1024;

/** Sends a request, and waits for the first bytes of its reply, which has chunks. */
export async function openUnread(origin: string, bytes: Uint8Array): Promise<UnreadReply> {
  const { hostname, port } = new URL(origin);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const parts: string[] = [];

  async function read(size: number): Promise<boolean> {
    const buffer = new Uint8Array(size);
    const count = await connection.read(buffer).catch(() => null);
    if (count === null) return false;
    parts.push(latin1.decode(buffer.subarray(0, count)));
    return true;
  }

  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
  await read(FIRST_BYTES);
  return {
    async rest() {
      while (await read(READ_BYTES));
      return withoutChunks(parts.join(""));
    },
    [Symbol.dispose]: () => connection.close(),
  };
}

const latin1 = new TextDecoder("latin1");

function withoutChunks(reply: string): UnreadRest {
  let at = reply.indexOf("\r\n\r\n") + 4;
  let text = "";
  for (;;) {
    const lineEnd = reply.indexOf("\r\n", at);
    const size = parseInt(reply.slice(at, lineEnd), 16);
    if (lineEnd < 0 || size === 0) return { text, isWhole: size === 0 };
    text += reply.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}
