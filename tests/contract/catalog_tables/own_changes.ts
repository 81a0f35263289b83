/**
 * The gateway's own items: written one by one, and many at once.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { OwnSettings } from "../../../src/storage/catalog_tables.ts";
import { codeOf, type Given, type Suite } from "./case.ts";

const NO_CHANGES = { created: [], updated: [], removed: [] };

export function ownChangeCases(suite: Suite): void {
  suite("keeps what is created in one go, in that order", async (given) => {
    const created = Array.from(
      { length: 200 },
      (_, i) => ({ id: `t${i}`, settings: aTool(`a${i}`) }),
    );
    await given.own.apply({ ...NO_CHANGES, created });
    assertEquals(await names(given), created.map(({ settings }) => settings.spec.name));
  });

  suite("changes, removes and creates in one go", async (given) => {
    for (const id of ["a", "b", "c"]) await given.own.create(id, aTool(id));
    await given.own.apply({
      created: [{ id: "d", settings: aTool("b") }],
      updated: [{ id: "c", revision: 1, settings: aTool("c2") }],
      removed: [{ id: "b", revision: 1 }],
    });
    assertEquals(await names(given), ["a", "c2", "b"]);
  });

  suite("changes nothing when one of many was written meanwhile", async (given) => {
    for (const id of ["a", "b"]) await given.own.create(id, aTool(id));
    await given.own.update("b", 1, aTool("b2"));
    const before = await given.changes.revision();
    const work = given.own.apply({
      created: [{ id: "c", settings: aTool("c") }],
      updated: [{ id: "b", revision: 1, settings: aTool("b3") }],
      removed: [{ id: "a", revision: 1 }],
    });
    assertEquals(await codeOf(work), "conflict");
    assertEquals([await names(given), await given.changes.revision()], [["a", "b2"], before]);
  });

  suite("creates none of many when one name is taken", async (given) => {
    await given.own.create("a", aTool("a"));
    const created = ["b", "a2"].map((id) => ({ id, settings: aTool(id.slice(0, 1)) }));
    assertEquals(await codeOf(given.own.apply({ ...NO_CHANGES, created })), "conflict");
    assertEquals(await names(given), ["a"]);
  });
}

async function names({ own }: Given): Promise<string[]> {
  return (await own.list()).map(({ exposedName }) => exposedName);
}

function aTool(name: string): OwnSettings {
  return {
    spec: {
      kind: "tool",
      name,
      method: "GET",
      url: "https://api.example.com/",
      headers: {},
      auth: { type: "bearer", token: "t" },
      inputSchema: { type: "object" },
    },
    enabled: true,
    audience: undefined,
  };
}
