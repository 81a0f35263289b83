/**
 * Brings audit records from the files into the database, in the background: in slices, each record
 * once, seldom while there is much else to do.
 *
 * @module
 */
import { subjectKey } from "../domain/account.ts";
import { systemClock } from "../platform/clock.ts";
import type { Folder } from "../platform/folder.ts";
import { nextTurn } from "../platform/pace.ts";
import { sleep, type Timers } from "../platform/timers.ts";
import type { AuditRow, AuditTable, ShippedPlace } from "../storage/tables/audit.ts";
import { chainFiles, isRecord, parseHeader } from "./audit_chain.ts";
import type { AuditFiles } from "./audit_files.ts";

export interface AuditShipping {
  readonly start: () => void;
  /** Ships what waits, though no longer than that: what follows may be missing in what is read. */
  readonly catchUp: (msMax: number) => Promise<void>;
  /** Records in files that are all shipped may be forgotten there: those before this file. */
  readonly shippedFile: () => number;
  /** Waits for what is under way. */
  readonly stop: () => Promise<void>;
}

export interface AuditShippingDeps {
  readonly folder: Folder;
  readonly files: Pick<AuditFiles, "replica" | "end">;
  readonly table: AuditTable;
  readonly timers: Timers;
  /** Records so far; how fast they come tells how much there is to do. */
  readonly records: () => number;
  readonly failed: (error: unknown) => void;
}

/** Of one transaction: about a millisecond on SQLite. */
const SLICE_ROWS = 64;
const SLICE_BYTES = 32 * 1024;
const IDLE_MS = 1_000;
const FAILED_MS = 5_000;
/** Records in a second above which shipping steps back: for each millisecond it pauses for so many. */
const BUSY_PER_SECOND = 500;
const BUSY_PAUSES = 100;

export function createAuditShipping(deps: AuditShippingDeps): AuditShipping {
  const { folder, files, table, timers } = deps;
  const stopping = new AbortController();
  let seen = { records: deps.records(), ms: systemClock.monotonic() };
  let known: ShippedPlace | undefined;
  let isKnown = false;
  let step: Promise<boolean> | undefined;
  let running: Promise<void> | undefined;

  /** @returns whether there was something to ship. Several who ask share one step. */
  function shipSlice(): Promise<boolean> {
    return step ??= shipped().finally(() => step = undefined);
  }

  async function shipped(): Promise<boolean> {
    if (!isKnown) known = await table.shippedTo(files.replica);
    isKnown = true;
    const next = nextSlice(folder, files.end(), known);
    if (next === undefined) return false;
    try {
      await table.ship(files.replica, next.rows, known, next.to);
      known = next.to;
    } catch (error) {
      // Whether it was written before the connection broke is looked up.
      isKnown = false;
      throw error;
    }
    return true;
  }

  /** Since it was last asked. */
  function isBusy(): boolean {
    const now = { records: deps.records(), ms: systemClock.monotonic() };
    const { records, ms } = seen;
    seen = now;
    return now.records - records > BUSY_PER_SECOND * (now.ms - ms) / 1_000;
  }

  async function run(): Promise<void> {
    const { signal } = stopping;
    while (!signal.aborted) {
      const startedMs = systemClock.monotonic();
      try {
        const hasMore = await shipSlice();
        const tookMs = systemClock.monotonic() - startedMs;
        if (!hasMore) await sleep(timers, IDLE_MS, signal);
        else if (isBusy()) await sleep(timers, tookMs * BUSY_PAUSES, signal);
        else await nextTurn();
      } catch (error) {
        if (signal.aborted) return;
        deps.failed(error);
        await sleep(timers, FAILED_MS, signal).catch(() => {});
      }
    }
  }

  return {
    start: () => void (running ??= run()),
    async catchUp(msMax) {
      const endMs = systemClock.monotonic() + msMax;
      while (await shipSlice() && systemClock.monotonic() < endMs) await nextTurn();
    },
    shippedFile: () => known?.file ?? 0,
    async stop() {
      stopping.abort();
      await running;
      await step?.catch(() => {});
    },
  };
}

interface Slice {
  readonly rows: readonly AuditRow[];
  readonly to: ShippedPlace;
}

/** What follows, up to where the chain ends. `undefined` when that is nothing. */
function nextSlice(
  folder: Folder,
  end: { readonly file: number; readonly size: number },
  from: ShippedPlace | undefined,
): Slice | undefined {
  const all = chainFiles(folder.list());
  for (const { name, file } of all.filter((one) => one.file >= (from?.file ?? 0))) {
    const start = file === from?.file ? from : { file, size: 0, seq: from?.seq ?? 0 };
    const size = file === end.file ? end.size : folder.sizeOf(name) ?? 0;
    if (file > end.file) return undefined;
    if (start.size >= size) continue;
    return sliceOf(folder.read(name, start.size, Math.min(SLICE_BYTES, size - start.size)), start);
  }
  return undefined;
}

const decoder = new TextDecoder();

/** Whole lines, of which none is as long as a slice. All that is written is ASCII. */
function sliceOf(bytes: Uint8Array, from: ShippedPlace): Slice {
  const text = decoder.decode(bytes);
  const rows: AuditRow[] = [];
  let { size, seq } = from;
  for (let at = 0, until = 0; rows.length < SLICE_ROWS; at = until + 1) {
    until = text.indexOf("\n", at);
    if (until < 0) break;
    size += until + 1 - at;
    const line = text.slice(at, until);
    const header = parseHeader(line);
    if (header !== undefined) seq = header.seq;
    else if (isRecord(line)) rows.push(rowOf(line, ++seq));
  }
  // What is no line has been put there by somebody else: the check tells of it.
  if (size === from.size) size += bytes.length;
  return { rows, to: { file: from.file, size, seq } };
}

function rowOf(record: string, seq: number): AuditRow {
  const { time, replica, subject } = JSON.parse(record);
  const key = subject === undefined ? undefined : auditSubject(subject);
  return { timeMs: time, replica, seq, subject: key, record };
}

/** As a column holds it, whatever it is: databases keep no NUL and no half of a pair. */
export function auditSubject(subject: string): string {
  return subjectKey(subject.toWellFormed().replaceAll("\0", ""));
}
