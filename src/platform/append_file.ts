/**
 * A file that is only ever appended to: what is given is in it as a whole, or not at all.
 *
 * What was written is with the system: it survives the end of the process, `kill -9` included.
 *
 * @module
 */
export interface AppendFile {
  /** In bytes. */
  readonly size: () => number;
  /** @throws {Error} when nothing of it was kept; the next one may be */
  readonly write: (bytes: Uint8Array) => void;
  readonly close: () => void;
}

/**
 * Makes the file, its owner's only, if it is not there.
 * @param size what it holds beyond that is cut off
 */
export function openAppendFile(path: string, size: number): AppendFile {
  const file = Deno.openSync(path, { append: true, create: true, mode: 0o600 });
  let length = size;
  let isTorn = true;

  function mend(): void {
    file.truncateSync(length);
    isTorn = false;
  }

  try {
    mend();
  } catch (error) {
    file.close();
    throw error;
  }
  return {
    size: () => length,
    write(bytes) {
      if (isTorn) mend();
      isTorn = true;
      for (let sent = 0; sent < bytes.length;) {
        sent += file.writeSync(sent === 0 ? bytes : bytes.subarray(sent));
      }
      isTorn = false;
      length += bytes.length;
    },
    close: () => file.close(),
  };
}
