/**
 * The audit trail of this replica: records of one turn of the event loop are one write.
 *
 * @module
 * @see design.md, "The road of a message, and its cost", point 7
 */
import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { setImmediate } from "node:timers";
import { GatewayError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Clock } from "../platform/clock.ts";
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

/** How long the end of the chain stays unsigned: that of many records not so long. */
const SIGN_MS = 5_000;
const SIGN_MANY_MS = 1_000;
const MANY_RECORDS = 1_000;

interface Turn {
  lines: string;
  records: number;
  readonly kept: Promise<void>;
  readonly settle: (error: Error | undefined) => void;
}

export function createAuditTrail(deps: AuditTrailDeps): AuditTrail {
  const { files, clock, timers } = deps;
  // It comes first and has a fixed length; the digest is cut, so that nothing can be put behind.
  const { hashKey } = deps;
  const keyed = createEncode(hashKey);
  let turn: Turn | undefined;
  let signing: Timer | undefined;
  let unsigned = 0;
  let records = 0;
  let lost = 0;
  /** Of those, the ones that no record tells of yet. */
  let untold = 0;

  function flush(): void {
    if (turn === undefined) return;
    const { lines, records: own, settle } = turn;
    turn = undefined;
    try {
      if (untold > 0) tellLoss();
      files.write(lines, own);
    } catch (error) {
      if (untold === 0) deps.failing(error);
      lost += own;
      untold += own;
      settle(notKept(error));
      return;
    }
    records += own;
    unsigned += own;
    settle(undefined);
    signing ??= timers.after(SIGN_MANY_MS, () => signSoon(0));
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

  return {
    append(record: AuditRecord) {
      turn ??= newTurn(flush);
      turn.lines += auditLine(record, files.replica, clock.now());
      turn.records++;
      const { kept } = turn;
      // One write is bounded, so that its end is found again.
      if (turn.lines.length >= LIMITS.auditWriteBytes / 2) flush();
      return kept;
    },
    hashOf(value) {
      const given = typeof value === "string" ? keyed(value) : Buffer.concat([hashKey, value]);
      return hash("sha256", given, "hex").slice(0, HASH_CHARS);
    },
    counts: () => ({ records, lost }),
    close() {
      flush();
      if (unsigned > 0) sign();
      signing?.cancel();
      files.close();
    },
  };
}

/** 128 bits. */
const HASH_CHARS = 32;

function newTurn(flush: () => void): Turn {
  setImmediate(flush);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // Those who do not wait need not catch.
  promise.catch(() => {});
  const settle = (error: Error | undefined) => error === undefined ? resolve() : reject(error);
  return { lines: "", records: 0, kept: promise, settle };
}

function notKept(cause: unknown): GatewayError {
  const text = "No record of this can be kept at the moment, so it was not carried out";
  return new GatewayError("unavailable", text, { cause });
}
