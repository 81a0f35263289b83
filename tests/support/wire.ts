/**
 * One end of a TCP connection, read ahead by what has arrived. A connection that breaks is at its
 * end, as one that is closed.
 *
 * @module
 */

export interface Wire {
  /** What has arrived and is not taken yet; valid until `more`. */
  readonly held: () => Uint8Array;
  readonly take: (count: number) => void;
  /** Resolves when more has arrived, or with `false` at the end. May be asked by several. */
  readonly more: () => Promise<boolean>;
  /** @throws when it cannot be sent any more */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  readonly close: () => void;
}

const READ_BYTES = 64 * 1024;

export function createWire(connection: Deno.TcpConn): Wire {
  connection.setNoDelay();
  let buffer = new Uint8Array(READ_BYTES);
  let start = 0;
  let end = 0;
  let pending: Promise<boolean> | undefined;

  async function read(): Promise<boolean> {
    if (start === end) start = end = 0;
    if (end === buffer.length) {
      const larger = new Uint8Array(start > 0 ? buffer.length : 2 * buffer.length);
      larger.set(buffer.subarray(start, end));
      [buffer, start, end] = [larger, 0, end - start];
    }
    const count = await connection.read(buffer.subarray(end)).catch(() => null);
    pending = undefined;
    end += count ?? 0;
    return count !== null;
  }

  return {
    held: () => buffer.subarray(start, end),
    take: (count) => void (start += count),
    more: () => pending ??= read(),
    async write(bytes) {
      for (let sent = 0; sent < bytes.length;) {
        sent += await connection.write(bytes.subarray(sent));
      }
    },
    close() {
      try {
        connection.close();
      } catch {
        // Closed already.
      }
    },
  };
}
