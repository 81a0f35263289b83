/**
 * An HTTP server by hand: the test says byte for byte what each connection answers.
 *
 * @module
 */

export interface RawPeer {
  /** The next request on this connection; `undefined` when the client has closed it. */
  readonly request: () => Promise<{ readonly head: string; readonly body: string } | undefined>;
  readonly write: (data: string | Uint8Array) => Promise<void>;
  /** Resolves when the client closes the connection. */
  readonly left: () => Promise<void>;
  readonly close: () => void;
}

export interface RawServer extends AsyncDisposable {
  readonly port: number;
  /** Connections accepted so far. */
  readonly connections: () => number;
}

/**
 * Listens on a free port. A connection closes when `serve` has returned.
 *
 * @param serve called for each connection; `nth` counts from 0
 */
export function openRawServer(
  serve: (peer: RawPeer, nth: number) => Promise<void> | void,
): RawServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const sockets: Deno.Conn[] = [];
  const running: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const socket of listener) {
      const peer = peerOf(socket);
      const nth = sockets.push(socket) - 1;
      running.push((async () => await serve(peer, nth))().catch(() => {}).finally(peer.close));
    }
  })();
  return {
    port: listener.addr.port,
    connections: () => sockets.length,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const socket of sockets) closeQuietly(socket);
      await Promise.all(running);
    },
  };
}

function peerOf(socket: Deno.Conn): RawPeer {
  let held = "";

  async function more(): Promise<boolean> {
    const buffer = new Uint8Array(64 * 1024);
    const count = await socket.read(buffer).catch(() => null);
    if (count === null) return false;
    held += String.fromCharCode(...buffer.subarray(0, count));
    return true;
  }

  return {
    async request() {
      let end = -1;
      while ((end = held.indexOf("\r\n\r\n")) < 0) if (!await more()) return undefined;
      const head = held.slice(0, end + 2);
      const bodyEnd = end + 4 + Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
      while (held.length < bodyEnd) if (!await more()) return undefined;
      const body = held.slice(end + 4, bodyEnd);
      held = held.slice(bodyEnd);
      return { head, body };
    },
    async write(data) {
      let bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
      while (bytes.length > 0) bytes = bytes.subarray(await socket.write(bytes));
    },
    async left() {
      while (await more());
    },
    close: () => closeQuietly(socket),
  };
}

function closeQuietly(socket: Deno.Conn): void {
  try {
    socket.close();
  } catch {
    // Closed already.
  }
}
