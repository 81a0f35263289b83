/**
 * Changes of several tables as one transaction.
 *
 * @module
 * @see security.md, ADM-12
 */
import { deepStrictEqual as assertEquals, rejects } from "node:assert/strict";
import { systemClock } from "../../src/platform/clock.ts";
import { type Database, NotUnique } from "../../src/storage/database.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { createKeyring } from "../../src/storage/sealed.ts";
import { createAccountTables } from "../../src/storage/tables/accounts.ts";
import { createCatalogTables } from "../../src/storage/tables/catalog.ts";
import { together } from "../../src/storage/together.ts";
import { onEachDatabase } from "../support/open_databases.ts";

const keyring = createKeyring("only for tests 0123456789 abcdefgh", undefined);

function tablesOf(database: Database) {
  const deps = { clock: systemClock, keyring };
  return {
    ...createCatalogTables(database, deps),
    accounts: createAccountTables(database, deps),
  };
}

type Tables = ReturnType<typeof tablesOf>;

const SERVER = {
  title: undefined,
  description: undefined,
  instructions: undefined,
  tools: [],
  prompts: [],
  resources: [],
  naming: "prefixed",
  visibility: "public",
  team: undefined,
  owner: undefined,
  overrides: { tools: {}, prompts: {}, resources: {} },
  enabled: true,
} as const;

const server = ({ servers }: Tables, slug: string) =>
  servers.create({ id: `id-${slug}`, slug, name: slug, declared: false, settings: SERVER });
const user = ({ accounts }: Tables, email: string) =>
  accounts.users.create({ email, fullName: undefined, isAdmin: false, enabled: true });

onEachDatabase(
  "what is done together is seen together, each record once in the log",
  async (home) => {
    const database = home.open();
    await migrate(database, { clock: systemClock });
    const tables = tablesOf(database);
    await server(tables, "before");
    const from = await tables.changes.revision();
    await together(database, async (one) => {
      const inside = tablesOf(one);
      await server(inside, "a");
      await server(inside, "b");
      await inside.servers.update("id-a", 1, { name: "A" });
      await user(inside, "ann@example.com");
      await inside.accounts.users.update("ann@example.com", 1, { enabled: false });
    });
    await server(tables, "after");
    const rows = await tables.servers.list();
    assertEquals(rows.map(({ slug, name, revision }) => `${slug} ${name} ${revision}`), [
      "before before 1",
      "a A 2",
      "b b 1",
      "after after 1",
    ]);
    assertEquals(rows.every(({ seq }, i) => seq > (rows[i - 1]?.seq ?? 0)), true);
    const { changes } = await tables.changes.since(from);
    assertEquals(changes.map(({ kind, id }) => `${kind} ${id}`), [
      "server id-b",
      "server id-a",
      "user ann@example.com",
      "server id-after",
    ]);
  },
);

onEachDatabase("when one of them fails, none of them was", async (home) => {
  const database = home.open();
  await migrate(database, { clock: systemClock });
  const tables = tablesOf(database);
  await user(tables, "ann@example.com");
  const before = await tables.changes.revision();
  const attempt = (last: (inside: Tables) => Promise<unknown>) =>
    together(database, async (one) => {
      const inside = tablesOf(one);
      await server(inside, "a");
      await inside.accounts.teams.begin();
      await last(inside);
    });
  await rejects(attempt((inside) => user(inside, "ann@example.com")), NotUnique);
  await rejects(attempt((inside) => inside.servers.update("id-a", 7, { name: "x" })), {
    code: "conflict",
  });
  assertEquals(
    [
      await tables.servers.list(),
      await tables.accounts.teams.haveBeen(),
      await tables.changes.revision(),
    ],
    [[], false, before],
  );
});
