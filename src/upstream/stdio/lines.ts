/**
 * Splits the output of a program into lines, as bytes.
 *
 * @module
 */
export interface LineReader {
  /** Adds a piece of the output. The piece is copied. */
  readonly push: (piece: Uint8Array) => void;
  /** The next line without its end, a buffer of its own; `undefined` when more is needed. */
  readonly take: () => Uint8Array<ArrayBuffer> | undefined;
  /** What stands behind the last line end, once there is nothing more to come. */
  readonly rest: () => Uint8Array<ArrayBuffer> | undefined;
  /** Bytes that have arrived and were not taken yet. */
  readonly heldBytes: () => number;
}

const LF = 0x0a;
const CR = 0x0d;
const START_BYTES = 4096;
/** A buffer that one large line has made larger is not kept. */
const KEPT_BYTES = 256 * 1024;

/**
 * @param bytesMax of one line
 * @param tooLong told of a line that is longer; its beginning is given, the rest left out
 */
export function createLineReader(bytesMax: number, tooLong: () => void = () => {}): LineReader {
  let buffer = new Uint8Array(START_BYTES);
  let start = 0;
  let end = 0;
  /** Bytes before it are known to hold no line end. */
  let searched = 0;
  /** The rest of a line that was too long is on its way. */
  let isSkipping = false;

  function push(piece: Uint8Array): void {
    if (end + piece.length > buffer.length) makeRoom(piece.length);
    buffer.set(piece, end);
    end += piece.length;
  }

  function makeRoom(bytes: number): void {
    const held = end - start;
    let size = held === 0 && buffer.length > KEPT_BYTES ? START_BYTES : buffer.length;
    while (size < held + bytes) size *= 2;
    const target = size === buffer.length ? buffer : new Uint8Array(size);
    target.set(buffer.subarray(start, end));
    buffer = target;
    searched -= start;
    start = 0;
    end = held;
  }

  function take(): Uint8Array<ArrayBuffer> | undefined {
    for (;;) {
      const found = buffer.subarray(0, end).indexOf(LF, searched);
      if (found >= 0) {
        const from = start;
        start = searched = found + 1;
        if (isSkipping) isSkipping = false;
        else if (found - from <= bytesMax) return line(from, found);
        else return cut(from);
        continue;
      }
      searched = end;
      if (isSkipping) start = end;
      if (end - start <= bytesMax) return undefined;
      isSkipping = true;
      const from = start;
      start = end;
      return cut(from);
    }
  }

  function cut(from: number): Uint8Array<ArrayBuffer> {
    tooLong();
    return buffer.slice(from, from + bytesMax);
  }

  function line(from: number, to: number): Uint8Array<ArrayBuffer> {
    return buffer.slice(from, to > from && buffer[to - 1] === CR ? to - 1 : to);
  }

  return {
    push,
    take,
    rest() {
      const from = start;
      start = searched = end;
      return from === end || isSkipping ? undefined : line(from, end);
    },
    heldBytes: () => end - start,
  };
}
