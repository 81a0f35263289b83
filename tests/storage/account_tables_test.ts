/**
 * What the tables of accounts promise, on each database.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { AccountTables, ApiTokenRow } from "../../src/storage/account_tables.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { createAccountTables } from "../../src/storage/tables/accounts.ts";
import { codeOf } from "../contract/catalog_tables/case.ts";
import { type FakeClock, fakeClock } from "../support/fake_clock.ts";
import { onEachDatabase } from "../support/open_databases.ts";

function promise(name: string, test: (tables: AccountTables, clock: FakeClock) => Promise<void>) {
  onEachDatabase(`accounts: ${name}`, async (home) => {
    const database = home.open();
    const clock = fakeClock();
    await migrate(database, { clock });
    await test(createAccountTables(database, { clock }), clock);
  });
}

const USER = { email: "Ann@Example.com", fullName: "Ann", isAdmin: false, enabled: true };

promise("a user is found by the address, whatever its capitals", async ({ users }) => {
  const made = await users.create(USER);
  assertEquals([made.key, made.email, made.revision], ["ann@example.com", "Ann@Example.com", 1]);
  assertEquals(await users.find("ann@example.com"), made);
});

promise("two users do not have one address", async ({ users }) => {
  await users.create(USER);
  assertEquals(await codeOf(users.create({ ...USER, email: "ann@EXAMPLE.com" })), "conflict");
});

promise("one of many writes over a version of a user", async ({ users }) => {
  const { key } = await users.create(USER);
  const codes = await Promise.all(
    Array.from({ length: 8 }, () => codeOf(users.update(key, 1, { enabled: false }))),
  );
  assertEquals(codes.filter((code) => code === undefined).length, 1);
  assertEquals(codes.filter((code) => code === "conflict").length, 7);
  assertEquals((await users.find(key))?.enabled, false);
});

promise("what does not exist cannot be changed", async ({ users, teams, members, tokens }) => {
  assertEquals(await codeOf(users.update("nobody", 1, {})), "not_found");
  assertEquals(await codeOf(teams.update("none", 1, {})), "not_found");
  assertEquals(await codeOf(members.put("none", "a@b.c", "member")), "not_found");
  assertEquals(await members.remove("none", "a@b.c"), false);
  assertEquals([await teams.remove("none", 1), await tokens.remove("none")], [false, false]);
});

const TEAM = { id: "t1", slug: "ops", name: "Ops", description: "all of it" };

promise("a team's description can be taken away, and its slug is its own", async ({ teams }) => {
  await teams.create(TEAM);
  assertEquals(await codeOf(teams.create({ ...TEAM, id: "t2" })), "conflict");
  assertEquals((await teams.update("t1", 1, { name: "O" })).description, "all of it");
  assertEquals((await teams.update("t1", 2, { description: undefined })).description, undefined);
});

promise("that there has been a team is kept when it is removed", async ({ teams }) => {
  assertEquals(await teams.haveBeen(), false);
  await teams.create(TEAM);
  assertEquals(await teams.haveBeen(), true);
  await teams.remove("t1", 1);
  assertEquals([await teams.list(), await teams.haveBeen()], [[], true]);
});

promise("a member has one role in a team, the last that was given", async ({ teams, members }) => {
  await teams.create(TEAM);
  await members.put("t1", "Ann@Example.com", "member");
  await members.put("t1", "ann@example.com", "owner");
  const found = await members.listOf("t1");
  assertEquals(found.map(({ key, role }) => [key, role]), [["ann@example.com", "owner"]]);
});

promise("a team takes its memberships with it", async ({ teams, members }) => {
  await teams.create(TEAM);
  await members.put("t1", "ann@example.com", "member");
  assertEquals(await teams.remove("t1", 1), true);
  assertEquals([await teams.list(), await members.list()], [[], []]);
});

const TOKEN: ApiTokenRow = {
  id: "k1",
  hash: "h1",
  name: "ci",
  ownerKey: "ann@example.com",
  owner: "Ann@Example.com",
  teams: undefined,
  permissions: ["tools.read"],
  onlyServer: undefined,
  createdMs: 1,
  expiresMs: 1_000,
};

for (const teams of [undefined, [], ["t1"], "stored"] as const) {
  promise(`a token keeps its teams: ${JSON.stringify(teams)}`, async ({ tokens }) => {
    await tokens.create({ ...TOKEN, teams });
    assertEquals(await tokens.find("k1"), { ...TOKEN, teams });
  });
}

promise("tokens that have expired are forgotten, and no others", async ({ tokens }) => {
  await tokens.create(TOKEN);
  await tokens.create({ ...TOKEN, id: "k2", hash: "h2", expiresMs: 2_000 });
  await tokens.prune(1_500);
  assertEquals((await tokens.list()).map(({ id }) => id), ["k2"]);
});

promise("every change is in the log, under its kind", async (tables) => {
  const { users, teams, members, tokens, revocations, changes } = tables;
  const { key } = await users.create(USER);
  await teams.create(TEAM);
  await members.put("t1", "ann@example.com", "member");
  await tokens.create(TOKEN);
  await revocations.create({ id: "r1", tokenId: "j", subject: undefined, reason: undefined });
  const seen = await changes.since(0);
  assertEquals(seen.changes.map(({ kind, id }) => `${kind} ${id}`), [
    `user ${key}`,
    "team t1",
    "api_token k1",
    "revocation r1",
  ]);
});

promise("lists are whole, however long", async ({ teams, members, users }) => {
  await teams.create(TEAM);
  for (let i = 0; i < 150; i++) {
    const email = `user-${String(i).padStart(3, "0")}@example.com`;
    await users.create({ ...USER, email });
    await members.put("t1", email, "member");
  }
  assertEquals((await users.list()).length, 150);
  assertEquals(new Set((await members.list()).map(({ key }) => key)).size, 150);
});
