/**
 * A folder of the data directory, and the files in it. It is made with its first file.
 *
 * @module
 */
import { type AppendFile, openAppendFile } from "./append_file.ts";

export interface Folder {
  readonly path: string;
  /** Names of the files, sorted. */
  readonly list: () => readonly string[];
  /** In bytes; `undefined` for a file that is not there. */
  readonly sizeOf: (name: string) => number | undefined;
  /** Up to `length` bytes from a place on; fewer at the end. @throws {Error} */
  readonly read: (name: string, from: number, length: number) => Uint8Array;
  /** See `openAppendFile`. @throws {Error} */
  readonly append: (name: string, size: number) => AppendFile;
  /** Whoever reads it finds all of the text before or all of this one. @throws {Error} */
  readonly replace: (name: string, text: string) => void;
  /** @throws {Error} */
  readonly remove: (name: string) => void;
}

export function openFolder(path: string): Folder {
  const at = (name: string) => `${path}/${name}`;

  function make(): void {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  }

  return {
    path,
    list: () =>
      unlessMissing(() =>
        [...Deno.readDirSync(path)].filter(({ isFile }) => isFile).map(({ name }) => name).sort()
      ) ?? [],
    sizeOf: (name) => unlessMissing(() => Deno.statSync(at(name)).size),
    read(name, from, length) {
      using file = Deno.openSync(at(name));
      file.seekSync(from, Deno.SeekMode.Start);
      const bytes = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const read = file.readSync(bytes.subarray(filled));
        if (read === null) break;
        filled += read;
      }
      return bytes.subarray(0, filled);
    },
    append(name, size) {
      make();
      return openAppendFile(at(name), size);
    },
    replace(name, text) {
      make();
      const draft = at(`${name}.new`);
      Deno.writeTextFileSync(draft, text, { mode: 0o600 });
      Deno.renameSync(draft, at(name));
    },
    remove: (name) => Deno.removeSync(at(name)),
  };
}

function unlessMissing<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
