/**
 * `kill -9` during writes, again and again on one file: what was acknowledged is there, what was
 * not is there whole or not at all, and the file is sound.
 *
 * `KILL_ROUNDS` says how often; the time between is random (`TEST_SEED`).
 *
 * @module
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert/strict";
import { sql } from "kysely";
import { ITEMS } from "../support/catalog_writer.ts";
import { often } from "../support/long.ts";
import { openPlace } from "../support/open_databases.ts";
import { denoRun } from "../support/program.ts";
import { seeded } from "../support/seeded.ts";
import { spawnDeno } from "../support/spawn.ts";
import { tempDir } from "../support/temp_dir.ts";

const ROUNDS = Number(Deno.env.get("KILL_ROUNDS") ?? often(25, 10));
const LIFE_MS_MAX = 60;

Deno.test(`${ROUNDS} times killed while it writes, a file loses nothing acknowledged`, async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/sallyport.db`;
  const { below } = seeded("killed while writing");
  const acknowledged: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    acknowledged.push(...await writtenUntilKilled(path, `r${round}`, below(LIFE_MS_MAX)));
    const { integrity, counts } = await stateOf(path);
    assertEquals(integrity, ["ok"]);
    assertEquals(acknowledged.filter((id) => counts.get(id) !== ITEMS), []);
    // Created, and killed before or after its items were committed, never in between.
    assertEquals([...counts.values()].filter((count) => count !== 0 && count !== ITEMS), []);
  }
  assert(acknowledged.length > ROUNDS, `${acknowledged.length} were acknowledged`);
});

/** @returns what was acknowledged before the end */
async function writtenUntilKilled(path: string, prefix: string, lifeMs: number) {
  const script = denoRun(["-A", "--no-check"], "tests/support/catalog_writer.ts");
  const { child, stdout, stderr } = spawnDeno([...script, path, prefix], {});
  const ended = child.status.then(() => Promise.reject(new Error(stderr.text())));
  await Promise.race([stdout.find(/\n/), ended]);
  // Not a wait for something: the moment of death is what is tried out.
  await new Promise((resolve) => setTimeout(resolve, lifeMs));
  child.kill("SIGKILL");
  await ended.catch(() => {});
  await Promise.all([stdout.ended, stderr.ended]);
  // The last line may have been cut.
  return stdout.text().split("\n").slice(0, -1);
}

async function stateOf(path: string) {
  await using database = openPlace({ kind: "sqlite", path });
  const checked = await database.run((db) =>
    sql<{ integrity_check: string }>`pragma integrity_check`.execute(db)
  );
  const rows = await database.run((db) =>
    db.selectFrom("servers").leftJoin("items", "items.upstream_id", "servers.id")
      .select(({ fn }) => ["servers.id as id", fn.count<number>("items.id").as("count")])
      .groupBy("servers.id").execute()
  );
  return {
    integrity: checked.rows.map((row) => row.integrity_check),
    counts: new Map(rows.map(({ id, count }) => [id, count])),
  };
}
