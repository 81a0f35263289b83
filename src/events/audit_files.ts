/**
 * The files of the audit trail: one chain, written by one process at a time. A new file begins with
 * each day, and when one is full.
 *
 * @module
 * @see security.md, AUD-04, AUD-08
 */
import { hash } from "node:crypto";
import { LIMITS } from "../domain/limits.ts";
import type { AppendFile } from "../platform/append_file.ts";
import type { Clock } from "../platform/clock.ts";
import type { Folder } from "../platform/folder.ts";
import { randomText } from "../platform/random.ts";
import {
  type AuditKeys,
  BROKEN_HEAD_FILE,
  CHAIN_START,
  type ChainEnd,
  chainFiles,
  fileName,
  HEAD_FILE,
  headerLine,
  headText,
  parseHeader,
  parseSeal,
  readHead,
  sealLine,
} from "./audit_chain.ts";
import { createEncode } from "./encode.ts";

export interface AuditFiles {
  /** Names this chain; kept with it. */
  readonly replica: string;
  /** Keeps lines as one write. @throws {Error} when nothing of it was kept */
  readonly write: (lines: string, records: number) => void;
  /** Signs how far the chain has got. @throws {Error} */
  readonly sign: () => void;
  /** Where the chain ends. */
  readonly end: () => FilePlace;
  /** Removes files of days that were over before that time, but this one and those behind it. */
  readonly forget: (beforeMs: number, file: number) => void;
  readonly close: () => void;
}

/** Byte `size` of a file. */
export interface FilePlace {
  readonly file: number;
  readonly size: number;
}

export interface AuditFilesDeps {
  readonly folder: Folder;
  readonly keys: AuditKeys;
  readonly clock: Clock;
  /** Somebody or something has changed the files. */
  readonly damaged: (what: string) => void;
}

interface Written extends FilePlace {
  readonly name: string;
}

/** @throws {Error} when the folder cannot be read */
export function createAuditFiles(
  { folder, keys, clock, damaged }: AuditFilesDeps,
  options: { readonly fileBytesMax: number } = { fileBytesMax: LIMITS.auditFileBytes },
): AuditFiles {
  const found = lastWritten(folder);
  const replica = found?.replica ?? randomText(9);
  let end = found?.end ?? CHAIN_START;
  let last: Written | undefined = found;
  let out: AppendFile | undefined;
  let dayEndMs = 0;
  const encoded = createEncode();
  let first = chainFiles(folder.list())[0]?.file ?? 1;
  if (!isSignedUpTo(folder, keys, end)) damaged("The signed head does not fit the audit files");

  function close(): void {
    out?.close();
    out = undefined;
  }

  function sign(): void {
    if (last !== undefined && folder.sizeOf(last.name) !== last.size) {
      damaged(`The audit file ${last.name} was changed while it was written`);
      // What was added stays where it can be found; what comes now is in another file.
      close();
      last = { ...last, size: Infinity };
    }
    folder.replace(HEAD_FILE, headText({ replica, first, ...end }, keys[0]));
  }

  /** Where the next write goes. @returns its header, for a new file */
  function ready(): string {
    const nowMs = clock.now();
    if (out !== undefined && nowMs < dayEndMs && last!.size < options.fileBytesMax) return "";
    dayEndMs = nowMs - nowMs % DAY_MS + DAY_MS;
    const name = fileName(last?.file ?? 1, nowMs);
    const isOver = last !== undefined && (last.name !== name || last.size >= options.fileBytesMax);
    if (isOver) close();
    if (out !== undefined) return "";
    if (last !== undefined && !isOver && folder.sizeOf(last.name)! >= last.size) {
      out = folder.append(last.name, last.size);
      return last.size === 0 ? headerLine({ replica, file: last.file, ...end }) : "";
    }
    // Files without a signed head would be as good as files whose end was taken away.
    sign();
    const file = last === undefined ? first : last.file + 1;
    const made = fileName(file, nowMs);
    out = folder.append(made, 0);
    last = { name: made, file, size: 0 };
    return headerLine({ replica, file, ...end });
  }

  function write(lines: string, records: number): void {
    try {
      const text = ready() + lines;
      const seq = end.seq + records;
      // Seals of one number are of one length: it is written over this one.
      const place = sealLine({ seq, hash: end.hash });
      const bytes = encoded(end.hash + text + place);
      const hashed = bytes.subarray(0, bytes.length - place.length);
      const next: ChainEnd = { seq, hash: hash("sha256", hashed, "hex") };
      encoder.encodeInto(sealLine(next), bytes.subarray(hashed.length));
      out!.write(bytes.subarray(end.hash.length));
      end = next;
      last = { ...last!, size: out!.size() };
    } catch (error) {
      // Opened again for the next one: it may be another file by then.
      close();
      throw error;
    }
  }

  return {
    replica,
    write,
    sign,
    end: () => ({ file: last?.file ?? first, size: last?.size ?? 0 }),
    forget(beforeMs, file) {
      const old = chainFiles(folder.list()).filter((one) =>
        one.file < Math.min(file, last?.file ?? 0) && Date.parse(one.day) + DAY_MS <= beforeMs
      );
      if (old.length === 0) return;
      first = old.at(-1)!.file + 1;
      // Said first: a file that is gone and should not be is a break of the chain.
      sign();
      for (const { name } of old) folder.remove(name);
    },
    close,
  };
}

const DAY_MS = 86_400_000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Where the last process has got to. What it had not finished is not counted, and cut off later. */
function lastWritten(folder: Folder) {
  for (const { name, file } of chainFiles(folder.list()).toReversed()) {
    const size = folder.sizeOf(name) ?? 0;
    const from = Math.max(0, size - LIMITS.auditWriteBytes * 2);
    const tail = decoder.decode(folder.read(name, from, size - from));
    const place = lastSeal(tail);
    if (place === undefined) {
      // It was just begun: nobody was told that anything in it is kept.
      folder.remove(name);
      continue;
    }
    const top = decoder.decode(folder.read(name, 0, HEADER_BYTES_MAX));
    const replica = parseHeader(top.slice(0, top.indexOf("\n")))?.replica;
    return { name, file, replica, size: from + place.size, end: place.end };
  }
  return undefined;
}

const HEADER_BYTES_MAX = 512;

/** All that is written is ASCII: characters are bytes. */
function lastSeal(tail: string): { readonly end: ChainEnd; readonly size: number } | undefined {
  for (let until = tail.lastIndexOf("\n"); until >= 0;) {
    const before = until === 0 ? -1 : tail.lastIndexOf("\n", until - 1);
    const end = parseSeal(tail.slice(before + 1, until));
    if (end !== undefined) return { end, size: until + 1 };
    until = before;
  }
  return undefined;
}

/** A head that tells of more than there is, or of something else, is put aside as evidence. */
function isSignedUpTo(folder: Folder, keys: readonly Uint8Array[], end: ChainEnd): boolean {
  const isThere = folder.sizeOf(HEAD_FILE) !== undefined;
  if (!isThere) return end.seq === 0;
  const text = decoder.decode(folder.read(HEAD_FILE, 0, HEADER_BYTES_MAX));
  const head = readHead(text, keys);
  const fits = head !== undefined && head.seq <= end.seq &&
    (head.seq < end.seq || head.hash === end.hash);
  if (!fits) folder.replace(BROKEN_HEAD_FILE, text);
  return fits;
}
