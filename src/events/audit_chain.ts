/**
 * How audit files are chained: what stands in them besides the records.
 *
 * Each file begins with a header that names the hash before it. The last line of each write holds
 * the hash of all lines of the write and of the hash before them. Where the chain has got to is
 * signed, beside the files.
 *
 * @module
 * @see security.md, AUD-04; `docs/decisions/0031-the-audit-chain.md`
 */
import { createHmac, hash, timingSafeEqual } from "node:crypto";
import { Buffer } from "node:buffer";
import { createSecretBox } from "../platform/secret_box.ts";

/** The one to sign with first, then the one that was used before. */
export type AuditKeys = readonly [Uint8Array, ...Uint8Array[]];

export function auditKeys(secret: string, previous: string | undefined): AuditKeys {
  const { key } = createSecretBox(secret, "audit");
  return previous === undefined ? [key] : [key, createSecretBox(previous, "audit").key];
}

/** Where a chain has got to. */
export interface ChainEnd {
  /** How many records there have been. */
  readonly seq: number;
  readonly hash: string;
}

export interface Header extends ChainEnd {
  readonly replica: string;
  /** Number of the file: 1, 2, 3 … */
  readonly file: number;
}

/** What is signed. */
export interface Head extends ChainEnd {
  readonly replica: string;
  /** The oldest file that is kept. */
  readonly first: number;
}

export const CHAIN_START: ChainEnd = { seq: 0, hash: "0".repeat(64) };

/** @param lines each with its line break */
export function chainHash(before: string, lines: string): string {
  return hash("sha256", before + lines, "hex");
}

export function headerLine({ replica, file, seq, hash }: Header): string {
  return `{"audit":1,"replica":"${replica}","file":${file},"seq":${seq},"previous":"${hash}"}\n`;
}

const HEADER =
  /^\{"audit":1,"replica":"([\w-]+)","file":(\d+),"seq":(\d+),"previous":"([0-9a-f]{64})"\}$/;

export function parseHeader(line: string): Header | undefined {
  const [, replica, file, seq, hash] = HEADER.exec(line) ?? [];
  return hash && { replica: replica!, file: Number(file), seq: Number(seq), hash } || undefined;
}

export function sealLine({ seq, hash }: ChainEnd): string {
  return `{"seq":${seq},"hash":"${hash}"}\n`;
}

const SEAL = /^\{"seq":(\d+),"hash":"([0-9a-f]{64})"\}$/;

export function parseSeal(line: string): ChainEnd | undefined {
  const [, seq, hash] = SEAL.exec(line) ?? [];
  return hash === undefined ? undefined : { seq: Number(seq), hash };
}

/** Whether a line is a record. */
export function isRecord(line: string): boolean {
  return line.startsWith('{"time":');
}

export function fileName(file: number, nowMs: number): string {
  const day = new Date(nowMs).toISOString().slice(0, 10);
  return `${String(file).padStart(8, "0")}-${day}.jsonl`;
}

export interface FileName {
  readonly name: string;
  readonly file: number;
  /** The day in which it was begun, and after which nothing is appended. */
  readonly day: string;
}

/** The files of a chain among these names, in order. */
export function chainFiles(names: readonly string[]): readonly FileName[] {
  return names.flatMap((name) => {
    const [, file, day] = /^(\d{8})-(\d{4}-\d\d-\d\d)\.jsonl$/.exec(name) ?? [];
    return day === undefined ? [] : [{ name, file: Number(file), day }];
  }).sort((a, b) => a.file - b.file);
}

export const HEAD_FILE = "head.json";
/** A head that did not fit what was found at a start. It stays until somebody has looked at it. */
export const BROKEN_HEAD_FILE = "head-broken.json";

export function headText(head: Head, key: Uint8Array): string {
  return `${JSON.stringify({ ...head, signature: signatureOf(head, key).toString("hex") })}\n`;
}

/** @returns `undefined` for what was signed with none of the keys */
export function readHead(text: string, keys: readonly Uint8Array[]): Head | undefined {
  const { replica, first, seq, hash, signature } = parsed(text);
  if (typeof signature !== "string") return undefined;
  // What is signed is text: members of other types give another one.
  const head = { replica, first, seq, hash } as Head;
  const given = Buffer.from(signature, "hex");
  const isSigned = keys.some((key) => {
    const wanted = signatureOf(head, key);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
  return isSigned ? head : undefined;
}

function signatureOf({ replica, first, seq, hash }: Head, key: Uint8Array): Buffer {
  return createHmac("sha256", key).update(JSON.stringify([replica, first, seq, hash])).digest();
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
