/**
 * An audit trail in a folder of a test, and what stands in one.
 *
 * @module
 */
import type { AuditRecord } from "../../src/events/audit.ts";
import { type AuditKeys, chainFiles, isRecord } from "../../src/events/audit_chain.ts";
import { type AuditFiles, createAuditFiles } from "../../src/events/audit_files.ts";
import { type AuditTrail, createAuditTrail } from "../../src/events/audit_trail.ts";
import { type Folder, openFolder } from "../../src/platform/folder.ts";
import { type FakeClock, fakeClock, type FakeTimers, fakeTimers } from "./fake_clock.ts";
import { tempDir } from "./temp_dir.ts";

export const AUDIT_KEYS: AuditKeys = [new Uint8Array(32).fill(5)];

export interface AuditWorld extends AsyncDisposable {
  readonly folder: Folder;
  readonly clock: FakeClock;
  readonly timers: FakeTimers;
  /** What was said to be damaged. */
  readonly damaged: string[];
  readonly failures: unknown[];
  readonly files: AuditFiles;
  readonly trail: AuditTrail;
  /** As after the end of the process, however that came. */
  readonly reopen: () => AuditTrail;
  /** Keeps so many records, each written for itself. */
  readonly fill: (count: number) => Promise<void>;
}

/** @param broken what the folder does otherwise */
export async function auditWorld(
  { broken = (folder) => folder, fileBytesMax = 1024 * 1024 }: {
    readonly broken?: (folder: Folder) => Folder;
    readonly fileBytesMax?: number;
  } = {},
): Promise<AuditWorld> {
  const dir = await tempDir();
  const folder = broken(openFolder(`${dir.path}/audit`));
  const clock = fakeClock();
  const timers = fakeTimers(clock);
  const damaged: string[] = [];
  const failures: unknown[] = [];

  function open() {
    const deps = { folder, keys: AUDIT_KEYS, clock, damaged: (what: string) => damaged.push(what) };
    const files = createAuditFiles(deps, { fileBytesMax });
    const trail = createAuditTrail({
      files,
      clock,
      timers,
      hashKey: AUDIT_KEYS[0],
      failing: (error) => failures.push(error),
      recovered: (lost) => failures.push(lost),
    });
    return { files, trail };
  }

  let opened = open();
  return {
    folder,
    clock,
    timers,
    damaged,
    failures,
    get files() {
      return opened.files;
    },
    get trail() {
      return opened.trail;
    },
    reopen: () => (opened = open()).trail,
    async fill(count) {
      for (let i = 0; i < count; i++) await opened.trail.keep(aRecord({ id: `c-${i}` }));
    },
    async [Symbol.asyncDispose]() {
      opened.trail.close();
      await dir[Symbol.asyncDispose]();
    },
  };
}

export function aRecord(changes: Partial<AuditRecord> = {}): AuditRecord {
  return { action: "call.start", id: "c-1", subject: "ann@example.com", ...changes };
}

/** All lines of all files. */
export function auditLines(folder: Folder): readonly string[] {
  return chainFiles(folder.list()).flatMap(({ name }) => textIn(folder, name).split("\n"))
    .filter((line) => line !== "");
}

/** The records among them. */
export function auditRecords(folder: Folder): readonly (AuditRecord & { replica: string })[] {
  return auditLines(folder).filter(isRecord).map((line) => JSON.parse(line));
}

export function textIn(folder: Folder, name: string): string {
  return new TextDecoder().decode(folder.read(name, 0, folder.sizeOf(name) ?? 0));
}
