/**
 * The audit trail of this replica. What may not happen without a record is written before it happens,
 * with all of which the same turn of the event loop has heard; what has happened goes along with the
 * next of these, or a moment later.
 *
 * @module
 * @see design.md, "The road of a message, and its cost", point 7
 */
import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Clock } from "../platform/clock.ts";
import { atTurnEnd } from "../platform/pace.ts";
import type { Timer, Timers } from "../platform/timers.ts";
import type { Auditor, AuditRecord } from "./audit.ts";
import type { AuditFiles } from "./audit_files.ts";
import { auditLine } from "./audit_line.ts";
import { createEncode } from "./encode.ts";

export interface AuditTrail extends Auditor {
  readonly counts: () => AuditCounts;
  /** Writes what waits, signs, closes. */
  readonly close: () => void;
}

/** Since the process started. */
export interface AuditCounts {
  readonly records: number;
  /** Records that could not be kept. */
  readonly lost: number;
}

export interface AuditTrailDeps {
  readonly files: AuditFiles;
  readonly clock: Clock;
  readonly timers: Timers;
  /** For hashes of values. 32 bytes. */
  readonly hashKey: Uint8Array;
  /** Told once when records cannot be kept, and once when they can be again. */
  readonly failing: (error: unknown) => void;
  readonly recovered: (lost: number) => void;
}

/** How long a record of what has happened may wait: so much is missing after `kill -9`. */
const NOTE_MS = 50;
/** How long the end of the chain stays unsigned: that of many records not so long. */
const SIGN_MS = 5_000;
const SIGN_MANY_MS = 1_000;
const MANY_RECORDS = 1_000;

export function createAuditTrail(deps: AuditTrailDeps): AuditTrail {
  const { files, clock, timers } = deps;
  // It comes first and has a fixed length; the digest is cut, so that nothing can be put behind.
  const { hashKey } = deps;
  const keyed = createEncode(hashKey);
  /** Lines that wait to be written, how many they are, and who must hear of it. */
  let lines = "";
  let waiting = 0;
  let turn: Turn | undefined;
  let soon: Timer | undefined;
  let signing: Timer | undefined;
  let unsigned = 0;
  let records = 0;
  let lost = 0;
  /** Of those, the ones that no record tells of yet. */
  let untold = 0;

  /** Writes what waits. */
  function flush(): void {
    if (waiting === 0) return;
    const [text, own, heard] = [lines, waiting, turn];
    lines = "";
    waiting = 0;
    turn = undefined;
    try {
      if (untold > 0) tellLoss();
      files.write(text, own);
    } catch (error) {
      if (untold === 0) deps.failing(error);
      lost += own;
      untold += own;
      return heard?.reject(notKept(error));
    }
    records += own;
    unsigned += own;
    signing ??= timers.after(SIGN_MANY_MS, () => signSoon(0));
    heard?.resolve();
  }

  function tellLoss(): void {
    files.write(auditLine({ action: "audit.lost", count: untold }, files.replica, clock.now()), 1);
    deps.recovered(untold);
    untold = 0;
  }

  /** @param waitedMs since the first of them, but for the last wait */
  function signSoon(waitedMs: number): void {
    const waited = waitedMs + SIGN_MANY_MS;
    if (unsigned >= MANY_RECORDS || waited >= SIGN_MS) return sign();
    signing = timers.after(SIGN_MANY_MS, () => signSoon(waited));
  }

  function sign(): void {
    signing?.cancel();
    signing = undefined;
    unsigned = 0;
    try {
      files.sign();
    } catch (error) {
      deps.failing(error);
    }
  }

  function add(record: AuditRecord): void {
    lines += auditLine(record, files.replica, clock.now());
    waiting++;
    // One write is bounded, so that its end is found again.
    if (lines.length >= WRITE_CHARS) flush();
  }

  return {
    keep(...kept) {
      const turns: Promise<void>[] = [];
      for (const record of kept) {
        turn ??= newTurn(flush);
        if (turns.at(-1) !== turn.promise) turns.push(turn.promise);
        add(record);
      }
      return turns.length === 1 ? turns[0]! : Promise.all(turns);
    },
    note(record) {
      add(record);
      soon ??= timers.after(NOTE_MS, () => {
        soon = undefined;
        flush();
      });
    },
    hashOf(value) {
      const given = typeof value === "string" ? keyed(value) : Buffer.concat([hashKey, value]);
      return hash("sha256", given, "hex").slice(0, HASH_CHARS);
    },
    counts: () => ({ records, lost }),
    close() {
      soon?.cancel();
      flush();
      if (unsigned > 0) sign();
      signing?.cancel();
      files.close();
    },
  };
}

/** With the line that reaches it, it is less than a write may be. */
const WRITE_CHARS = LIMITS.auditWriteBytes / 4;
/** 128 bits. */
const HASH_CHARS = 32;

type Turn = PromiseWithResolvers<void>;

/** Records of calls that come in together are one write; none waits for what comes later. */
function newTurn(flush: () => void): Turn {
  atTurnEnd(flush);
  const turn = Promise.withResolvers<void>();
  // Who has gone meanwhile need not hear of it.
  turn.promise.catch(() => {});
  return turn;
}

function notKept(cause: unknown): GatewayError {
  const text = "No record of this can be kept at the moment, so it was not carried out";
  return new GatewayError("unavailable", text, { cause });
}
