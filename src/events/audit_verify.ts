/**
 * Whether an audit trail is what was written: nothing changed, taken away, put in or reordered.
 *
 * What the last seconds before the end of a process have added may be missing without a trace: the
 * head is signed every few seconds only.
 *
 * @module
 * @see security.md, AUD-04
 */
import type { Folder } from "../platform/folder.ts";
import {
  BROKEN_HEAD_FILE,
  CHAIN_START,
  type ChainEnd,
  chainFiles,
  chainHash,
  type FileName,
  type Head,
  HEAD_FILE,
  isRecord,
  parseHeader,
  parseSeal,
  readHead,
} from "./audit_chain.ts";

export type AuditVerdict = {
  readonly isWhole: true;
  readonly records: number;
  readonly files: number;
} | {
  readonly isWhole: false;
  readonly break: AuditBreak;
};

export interface AuditBreak {
  readonly file: string;
  /** From 1; `undefined` where it is the file itself. */
  readonly line: number | undefined;
  readonly reason: string;
}

class Broken extends Error {
  readonly at: AuditBreak;

  constructor(file: string, line: number | undefined, reason: string) {
    super(reason);
    this.at = { file, line, reason };
  }
}

/** @throws {Error} when the folder cannot be read */
export function verifyAudit(folder: Folder, keys: readonly Uint8Array[]): AuditVerdict {
  try {
    return { isWhole: true, ...checked(folder, keys) };
  } catch (error) {
    if (error instanceof Broken) return { isWhole: false, break: error.at };
    throw error;
  }
}

function checked(folder: Folder, keys: readonly Uint8Array[]) {
  // Before the files: while the gateway runs, these may only be ahead of it.
  const head = signedHead(folder, keys);
  const files = chainFiles(folder.list());
  const [oldest] = files;
  if (head === undefined) {
    if (oldest !== undefined) throw new Broken(HEAD_FILE, undefined, "is missing");
    return { records: 0, files: 0 };
  }
  if (oldest === undefined) {
    if (head.seq > 0) throw new Broken(HEAD_FILE, undefined, "is there, and no file that it signs");
    return { records: 0, files: 0 };
  }
  if (oldest.file > head.first) {
    throw new Broken(oldest.name, undefined, `is the oldest file; number ${head.first} is missing`);
  }
  const walk = createWalk(head);
  for (const file of files) walk.file(file, textOf(folder, file.name));
  return { records: walk.end(files.at(-1)!), files: files.length };
}

function signedHead(folder: Folder, keys: readonly Uint8Array[]): Head | undefined {
  if (folder.sizeOf(BROKEN_HEAD_FILE) !== undefined) {
    const reason = "is what was signed before a start that found less, or something else";
    throw new Broken(BROKEN_HEAD_FILE, undefined, reason);
  }
  if (folder.sizeOf(HEAD_FILE) === undefined) return undefined;
  const head = readHead(textOf(folder, HEAD_FILE), keys);
  if (head !== undefined) return head;
  throw new Broken(HEAD_FILE, undefined, "is not signed with this AUTH_ENCRYPTION_SECRET");
}

/** The chain from file to file. */
function createWalk(head: Head) {
  let before: { readonly file: FileName; readonly end: ChainEnd } | undefined;
  let isSeen = head.seq === 0;
  let records = 0;

  /** @throws {Broken} when the signed place is passed, and the hash is another one */
  function pass(file: FileName, line: number, end: ChainEnd): void {
    if (end.seq === head.seq && end.hash === head.hash) isSeen = true;
    if (end.seq > head.seq && !isSeen) {
      throw new Broken(file.name, line, "does not come to the hash that was signed");
    }
  }

  function begin(file: FileName, text: string): ChainEnd {
    const header = parseHeader(text.slice(0, text.indexOf("\n")));
    if (header === undefined) throw new Broken(file.name, 1, "is not the header of an audit file");
    const known = before?.end;
    if (before !== undefined && file.file !== before.file.file + 1) {
      throw new Broken(file.name, undefined, `does not follow ${before.file.name}`);
    }
    const fits = header.file === file.file && header.replica === head.replica &&
      (known === undefined || (header.seq === known.seq && header.hash === known.hash)) &&
      (file.file > 1 || (header.seq === 0 && header.hash === CHAIN_START.hash));
    if (!fits) throw new Broken(file.name, 1, "does not go on where the file before it ends");
    return header;
  }

  return {
    file(file: FileName, text: string): void {
      let end = begin(file, text);
      pass(file, 1, end);
      let from = 0;
      // The header is known to be right, so what is wrong stands behind it.
      let first = 2;
      let line = 0;
      let own = 0;
      for (let at = 0; at < text.length; line++) {
        const until = text.indexOf("\n", at);
        if (until < 0) throw new Broken(file.name, line + 1, "is cut off");
        const said = text.slice(at, until);
        const seal = parseSeal(said);
        if (seal !== undefined) {
          const wanted = { seq: end.seq + own, hash: chainHash(end.hash, text.slice(from, at)) };
          if (seal.seq !== wanted.seq || seal.hash !== wanted.hash) {
            const reason = `to line ${line + 1} are not what was written`;
            throw new Broken(file.name, first, reason);
          }
          end = wanted;
          records += own;
          pass(file, line + 1, end);
          from = until + 1;
          first = line + 2;
          own = 0;
        } else if (isRecord(said)) own++;
        else if (line > 0) throw new Broken(file.name, line + 1, "is not a record");
        at = until + 1;
      }
      if (from < text.length) throw new Broken(file.name, first, "and what follows has no hash");
      before = { file, end };
    },
    /** @returns how many records there are */
    end(last: FileName): number {
      if (isSeen) return records;
      const missing = head.seq - before!.end.seq;
      const reason = missing > 0
        ? `is shorter than what was signed: ${missing} records are missing at its end`
        : "does not come to the hash that was signed";
      throw new Broken(last.name, undefined, reason);
    },
  };
}

const decoder = new TextDecoder();

function textOf(folder: Folder, name: string): string {
  return decoder.decode(folder.read(name, 0, folder.sizeOf(name) ?? 0));
}
