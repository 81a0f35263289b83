/**
 * AUD-04: whatever is done to audit files, the check finds it and says where.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { chainFiles, chainHash, HEAD_FILE, sealLine } from "../../src/events/audit_chain.ts";
import { verifyAudit } from "../../src/events/audit_verify.ts";
import type { Folder } from "../../src/platform/folder.ts";
import { AUDIT_KEYS, type AuditWorld, auditWorld, textIn } from "../support/audit_world.ts";

/** Three files of four records each, signed. */
async function written(): Promise<AuditWorld> {
  const world = await auditWorld();
  for (let day = 0; day < 3; day++) {
    await world.fill(4);
    world.clock.advance(86_400_000);
  }
  world.trail.close();
  return world;
}

type Change = (folder: Folder, names: readonly string[]) => void;

function lines(file: number, change: (lines: string[]) => void): Change {
  return (folder, names) => {
    const all = textIn(folder, names[file]!).split("\n");
    change(all);
    folder.replace(names[file]!, all.join("\n"));
  };
}

/** A forger who knows how hashes are made, but not the key. */
const rehashed: Change = (folder, names) => {
  const [header, , , ...others] = textIn(folder, names[2]!).split("\n");
  const { seq, previous } = JSON.parse(header!);
  const text = `${header}\n{"time":1,"replica":"x","action":"call.start"}\n`;
  const seal = sealLine({ seq: seq + 1, hash: chainHash(previous, text) });
  folder.replace(names[2]!, text + seal + others.slice(99).join("\n"));
};

/** In each file line 1 is the header, and of what follows each second line a hash. */
const BREAKS: Readonly<Record<string, readonly [Change, number, number | undefined]>> = {
  "a value that was changed": [
    lines(1, (all) => all[3] = all[3]!.replace("c-1", "c-9")),
    1,
    4,
  ],
  "a record that was removed": [lines(1, (all) => all.splice(3, 1)), 1, 4],
  "a record and its hash that were removed": [lines(1, (all) => all.splice(3, 2)), 1, 4],
  "a record that was put in": [lines(1, (all) => all.splice(3, 0, all[3]!)), 1, 4],
  "two records that changed places": [
    lines(0, (all) => [all[3], all[5]] = [all[5]!, all[3]!]),
    0,
    4,
  ],
  "two writes that changed places": [
    lines(0, (all) => all.splice(3, 4, all[5]!, all[6]!, all[3]!, all[4]!)),
    0,
    4,
  ],
  "a hash that was changed": [
    lines(1, (all) => all[4] = all[4]!.replace(/[0-9a-f]{4}"\}$/, '0000"}')),
    1,
    4,
  ],
  "a line that is no record": [lines(1, (all) => all.splice(3, 0, "hello")), 1, 4],
  "a record without a hash at the end": [lines(2, (all) => all.splice(-1, 0, all[1]!)), 2, 10],
  "half a line at the end": [lines(2, (all) => all.push('{"ti')), 2, 10],
  "an end that was cut off": [lines(2, (all) => all.splice(-3, 2)), 2, undefined],
  "a first file that is gone": [(folder, names) => folder.remove(names[0]!), 1, undefined],
  "a file that is gone": [(folder, names) => folder.remove(names[1]!), 2, undefined],
  "a last file that is gone": [(folder, names) => folder.remove(names[2]!), 1, undefined],
  "a header that was changed": [
    lines(1, (all) => all[0] = all[0]!.replace('"seq":4', '"seq":3')),
    1,
    1,
  ],
  "an end with new hashes": [rehashed, 2, undefined],
};

for (const [what, [change, file, line]] of Object.entries(BREAKS)) {
  Deno.test(`AUD-04: ${what} is found, with its place`, async () => {
    await using world = await written();
    const names = chainFiles(world.folder.list()).map(({ name }) => name);
    change(world.folder, names);
    const verdict = verifyAudit(world.folder, AUDIT_KEYS);
    const found = verdict.isWhole ? undefined : [verdict.break.file, verdict.break.line];
    assertEquals(found, [names[file], line]);
  });
}

Deno.test("AUD-04: a chain that nobody touched is whole", async () => {
  await using world = await written();
  assertEquals(verifyAudit(world.folder, AUDIT_KEYS), { isWhole: true, records: 12, files: 3 });
});

const HEADS: Readonly<Record<string, Change>> = {
  "is gone": (folder) => folder.remove(HEAD_FILE),
  "was changed": (folder) =>
    folder.replace(HEAD_FILE, textIn(folder, HEAD_FILE).replace('"seq":12', '"seq":8')),
  "is no head": (folder) => folder.replace(HEAD_FILE, "null"),
};

for (const [what, change] of Object.entries(HEADS)) {
  Deno.test(`AUD-04: a signed head that ${what} is found`, async () => {
    await using world = await written();
    change(world.folder, []);
    assertEquals(verifyAudit(world.folder, AUDIT_KEYS), {
      isWhole: false,
      break: { ...breakOf(world.folder), file: HEAD_FILE, line: undefined },
    });
  });
}

function breakOf(folder: Folder) {
  const verdict = verifyAudit(folder, AUDIT_KEYS);
  if (verdict.isWhole) throw new Error("It is whole");
  return verdict.break;
}

Deno.test("AUD-04: another key signs nothing", async () => {
  await using world = await written();
  const other = new Uint8Array(32).fill(6);
  assertEquals(verifyAudit(world.folder, [other]).isWhole, false);
  assertEquals(verifyAudit(world.folder, [other, ...AUDIT_KEYS]).isWhole, true);
});

Deno.test("AUD-04: what was cut off is found although the gateway has started since", async () => {
  await using world = await written();
  const names = chainFiles(world.folder.list()).map(({ name }) => name);
  lines(2, (all) => all.splice(-3, 2))(world.folder, names);
  world.reopen();
  await world.fill(20);
  world.trail.close();
  assertEquals(verifyAudit(world.folder, AUDIT_KEYS).isWhole, false);
  assertEquals(world.damaged.length, 1);
});
