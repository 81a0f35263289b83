/**
 * Several at once.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Change } from "../../../src/storage/catalog_tables.ts";
import { anItem, aRow, aServerRow, itemChanges, manyItems } from "../../support/catalog_rows.ts";
import { seeded } from "../../support/seeded.ts";
import { codeOf, type Given, type Suite } from "./case.ts";

const AT_ONCE = 20;

export function raceCases(suite: Suite): void {
  suite("lets one of many have a slug", async ({ upstreams, servers }) => {
    const codes = await Promise.all(
      Array.from({ length: AT_ONCE }, (_, i) =>
        codeOf(
          i % 2
            ? upstreams.create({ ...aRow(`a${i}`), slug: "one" })
            : servers.create({ ...aServerRow(`a${i}`), slug: "one" }),
        )),
    );
    assertEquals(codes.toSorted(), [...Array(AT_ONCE - 1).fill("conflict"), undefined]);
  });

  suite("lets one of many write over a revision", async ({ upstreams }) => {
    await upstreams.create(aRow("a"));
    const codes = await Promise.all(
      Array.from({ length: AT_ONCE }, (_, i) => codeOf(upstreams.update("a", 1, { name: `${i}` }))),
    );
    assertEquals(codes.toSorted(), [...Array(AT_ONCE - 1).fill("conflict"), undefined]);
    assertEquals((await upstreams.find("a"))?.revision, 2);
  });

  suite("loses no update that overwrites", async ({ upstreams, changes }) => {
    await upstreams.create(aRow("a"));
    await Promise.all(
      Array.from({ length: AT_ONCE }, (_, i) => upstreams.update("a", undefined, { name: `${i}` })),
    );
    assertEquals((await upstreams.find("a"))?.revision, AT_ONCE + 1);
    assertEquals(await changes.revision(), AT_ONCE + 1);
  });

  suite(
    "lets one of two discoveries have a name, whichever order they name them in",
    async (given) => {
      const { upstreams, items } = given;
      for (let round = 0; round < 5; round++) {
        const names = Array.from({ length: 200 }, (_, i) => `${round}-${i}`);
        const ids = [`a${round}`, `b${round}`];
        for (const id of ids) await upstreams.create(aRow(id));
        const codes = await Promise.all(ids.map((upstreamId, i) => {
          const inserted = (i ? names.toReversed() : names).map((exposedName) =>
            anItem(`${upstreamId} ${exposedName}`, { upstreamId, exposedName })
          );
          return codeOf(items.apply(upstreamId, itemChanges({ inserted })));
        }));
        assertEquals(codes.toSorted(), ["conflict", undefined]);
        const counts = await Promise.all(ids.map(async (id) => (await items.listOf(id)).length));
        assertEquals(counts.toSorted(), [0, names.length]);
      }
    },
  );

  suite("leaves no item of a server that is removed during its discovery", async (given) => {
    const { upstreams, items } = given;
    for (let round = 0; round < 5; round++) {
      const id = `up${round}`;
      await upstreams.create(aRow(id));
      const changes = itemChanges({ inserted: manyItems(300, id) });
      const [code] = await Promise.all([
        codeOf(items.apply(id, changes)),
        upstreams.remove(id),
      ]);
      assertEquals([undefined, "not_found"].includes(code), true);
      assertEquals([await upstreams.find(id), await items.listOf(id)], [undefined, []]);
    }
  });

  suite(
    "never undoes an administrator's change by a discovery that had read before",
    async (given) => {
      const { upstreams, items } = given;
      await upstreams.create(aRow("up"));
      await items.apply("up", itemChanges({ inserted: manyItems(300) }));
      for (let round = 0; round < 5; round++) {
        const read = await items.listOf("up");
        const item = read[round * 50]!;
        const updated = read.map((one) => ({ ...one, definition: `{"round":${round}}` }));
        const [code] = await Promise.all([
          codeOf(items.apply("up", itemChanges({ updated }))),
          items.update(item.id, undefined, { title: `round ${round}` }),
        ]);
        assertEquals([undefined, "conflict"].includes(code), true);
        const after = (await items.listOf("up")).find(({ id }) => id === item.id);
        assertEquals(after?.title, `round ${round}`);
      }
    },
  );

  suite("shows a follower every change, whoever writes meanwhile", async (given) => {
    const seen = await followed(given);
    const known = await given.upstreams.list();
    const names = new Map(known.map(({ id, name }) => [id, name]));
    assertEquals(seen, names);
  });
}

/** What a replica knows that only reads what the log names, while others write at random. */
async function followed(given: Given): Promise<Map<string, string>> {
  const { upstreams, changes } = given;
  const { below } = seeded("changes are followed");
  const known = new Map<string, string>();
  let from = 0;
  let isDone = false;
  const take = async (change: Change) => {
    const row = await upstreams.find(change.id);
    if (row === undefined) known.delete(change.id);
    else known.set(change.id, row.name);
  };
  const follow = async () => {
    const since = await changes.since(from);
    for (const change of since.changes) await take(change);
    from = since.revision;
  };
  const write = async (writer: number) => {
    for (let i = 0; i < 40; i++) {
      const id = `a${below(15)}`;
      const what = below(4);
      if (what === 0) await codeOf(upstreams.remove(id));
      else if (what === 1) await codeOf(upstreams.create(aRow(id)));
      else await codeOf(upstreams.update(id, undefined, { name: `${writer} ${i}` }));
    }
  };
  const following = (async () => {
    while (!isDone) await follow();
  })();
  await Promise.all([0, 1, 2, 3].map(write));
  isDone = true;
  await following;
  await follow();
  return known;
}
