/**
 * Audit records are lines that nothing breaks, and are kept or told to be lost.
 *
 * @module
 * @see security.md, AUD-02, AUD-04, AUD-06
 */
import {
  deepStrictEqual as assertEquals,
  match as assertMatch,
  rejects as assertRejects,
} from "node:assert/strict";
import { auditLine } from "../../src/events/audit_line.ts";
import { verifyAudit } from "../../src/events/audit_verify.ts";
import type { Folder } from "../../src/platform/folder.ts";
import {
  aRecord,
  AUDIT_KEYS,
  auditLines,
  auditRecords,
  auditWorld,
} from "../support/audit_world.ts";

const HOSTILE = [
  "line\r\nbreak",
  '","action":"forged","x":"',
  "\u001b[2J\u009b31m",
  "\u2028\u2029\u0085\u007f",
  "\ud800 alone \udfff",
  'back\\slash "quote" ümläut 🦊',
];

Deno.test("AUD-06: whatever stands in it, a record is one line of printable ASCII", () => {
  for (const name of HOSTILE) {
    const line = auditLine(aRecord({ name }), "r", 1);
    assertMatch(line, /^[ -~]+\n$/);
    assertEquals(JSON.parse(line).name, name);
    assertEquals(JSON.parse(line).action, "call.start");
  }
});

Deno.test("AUD-06: long text is cut, and what is cut is marked", () => {
  const { name } = JSON.parse(auditLine(aRecord({ name: "🦊".repeat(5_000) }), "r", 1));
  assertEquals([name.length, name.at(-1)], [257, "…"]);
});

Deno.test("what has happened is written with what comes next, as one write with one hash", async () => {
  await using world = await auditWorld();
  const { trail, folder } = world;
  trail.note(aRecord({ id: "a" }));
  await trail.keep(aRecord({ id: "b" }), aRecord({ id: "c" }));
  const kinds = auditLines(folder).map((line) => Object.keys(JSON.parse(line))[0]);
  assertEquals(kinds, ["audit", "time", "time", "time", "seq"]);
});

Deno.test("what comes in together is written together", async () => {
  await using world = await auditWorld();
  const { trail, folder } = world;
  await Promise.all(["a", "b", "c"].map((id) => trail.keep(aRecord({ id }))));
  await trail.keep(aRecord({ id: "d" }));
  const kinds = auditLines(folder).map((line) => Object.keys(JSON.parse(line))[0]);
  assertEquals(kinds, ["audit", "time", "time", "time", "seq", "time", "seq"]);
});

Deno.test("what has happened is written a moment later, whatever comes", async () => {
  await using world = await auditWorld();
  world.trail.note(aRecord({ id: "over" }));
  world.timers.advance(50);
  assertEquals(auditRecords(world.folder).map(({ id }) => id), ["over"]);
});

Deno.test("AUD-02: what is kept is in the file when its caller goes on", async () => {
  await using world = await auditWorld();
  await world.trail.keep(aRecord({ id: "kept" }));
  assertEquals(auditRecords(world.folder).map(({ id }) => id), ["kept"]);
});

/** A disk that is full while `isFull`, after some bytes of each write. */
function fullDisk() {
  const disk = {
    isFull: false,
    broken: (folder: Folder): Folder => ({
      ...folder,
      append(name, size) {
        const file = folder.append(name, size);
        return {
          ...file,
          write(bytes) {
            if (!disk.isFull) return file.write(bytes);
            file.write(bytes.subarray(0, 20));
            throw new Error("No space left on device");
          },
        };
      },
    }),
  };
  return disk;
}

Deno.test("F36: a full disk loses what is told to be lost, and nothing else", async () => {
  const disk = fullDisk();
  await using world = await auditWorld({ broken: disk.broken });
  await world.fill(3);
  disk.isFull = true;
  await assertRejects(world.trail.keep(aRecord({ id: "lost" })), { code: "unavailable" });
  await assertRejects(world.trail.keep(aRecord({ id: "lost" })), { code: "unavailable" });
  disk.isFull = false;
  await world.trail.keep(aRecord({ id: "again" }));
  const told = auditRecords(world.folder).map(({ action, id, count }) => id ?? [action, count]);
  assertEquals(told, ["c-0", "c-1", "c-2", ["audit.lost", 2], "again"]);
  assertEquals(world.trail.counts(), { records: 4, lost: 2 });
  assertEquals(world.failures.length, 2);
  world.trail.close();
  assertEquals(verifyAudit(world.folder, AUDIT_KEYS), { isWhole: true, records: 5, files: 1 });
});

Deno.test("AUD-02: of records that fill several writes all are kept, or their caller hears of it", async () => {
  const disk = fullDisk();
  await using world = await auditWorld({ broken: disk.broken });
  const many = Array.from({ length: 1_000 }, () => aRecord({ name: "x".repeat(250) }));
  await world.trail.keep(...many);
  const { length: seals } = auditLines(world.folder).filter((line) => line.startsWith('{"seq"'));
  assertEquals([seals > 1, world.trail.counts()], [true, { records: 1_000, lost: 0 }]);
  disk.isFull = true;
  const kept = world.trail.keep(...many);
  disk.isFull = false;
  await assertRejects(kept, { code: "unavailable" });
});

Deno.test("F36: all who share a write that fails hear of it", async () => {
  const disk = fullDisk();
  await using world = await auditWorld({ broken: disk.broken });
  disk.isFull = true;
  const kept = await Promise.allSettled(["a", "b"].map((id) => world.trail.keep(aRecord({ id }))));
  assertEquals(kept.map(({ status }) => status), ["rejected", "rejected"]);
  assertEquals(world.trail.counts(), { records: 0, lost: 2 });
});

Deno.test("F36: a folder that was taken away is made anew, and the gap is found", async () => {
  await using world = await auditWorld();
  await world.fill(3);
  for (const name of world.folder.list()) world.folder.remove(name);
  world.timers.advance(5_000);
  await world.trail.keep(aRecord({ id: "later" }));
  assertEquals(auditRecords(world.folder).map(({ id }) => id), ["later"]);
  assertEquals(world.damaged.length > 0, true);
  assertEquals(verifyAudit(world.folder, AUDIT_KEYS).isWhole, false);
});

for (const cut of [1, 40, 200, 400]) {
  Deno.test(`a write that was cut off ${cut} bytes before its end is not there`, async () => {
    await using world = await auditWorld();
    await world.fill(2);
    const [name] = world.folder.list();
    const whole = world.folder.sizeOf(name!)!;
    await world.trail.keep(aRecord({ name: "x".repeat(250) }));
    const size = world.folder.sizeOf(name!)!;
    world.folder.append(name!, Math.max(whole + 1, size - cut)).close();
    const again = world.reopen();
    await again.keep(aRecord({ id: "after" }));
    assertEquals(auditRecords(world.folder).map(({ id }) => id), ["c-0", "c-1", "after"]);
    again.close();
    assertEquals(verifyAudit(world.folder, AUDIT_KEYS).isWhole, true);
  });
}

Deno.test("a process that ends at once leaves a chain that the next one goes on with", async () => {
  await using world = await auditWorld();
  for (let i = 0; i < 5; i++) {
    await world.fill(2);
    world.reopen();
  }
  world.trail.close();
  assertEquals(verifyAudit(world.folder, AUDIT_KEYS), { isWhole: true, records: 10, files: 1 });
  assertEquals(new Set(auditRecords(world.folder).map(({ replica }) => replica)).size, 1);
});

Deno.test("a new file begins with a new day, and when one is full", async () => {
  await using world = await auditWorld({ fileBytesMax: 2_000 });
  await world.fill(30);
  const full = world.folder.list().length;
  world.clock.advance(86_400_000);
  await world.fill(1);
  world.trail.close();
  assertEquals([full > 2, world.folder.list().length], [true, full + 1]);
  assertEquals(verifyAudit(world.folder, AUDIT_KEYS).isWhole, true);
});

Deno.test("AUD-08: files whose days are over go, and the chain of the others is whole", async () => {
  await using world = await auditWorld();
  for (let day = 0; day < 5; day++) {
    await world.fill(3);
    world.clock.advance(86_400_000);
  }
  world.files.forget(world.clock.now() - 2 * 86_400_000, Infinity);
  assertEquals(auditRecords(world.folder).length, 6);
  world.trail.close();
  assertEquals(verifyAudit(world.folder, AUDIT_KEYS), { isWhole: true, records: 6, files: 2 });
});
