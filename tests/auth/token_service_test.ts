/**
 * API tokens: who may make which, what they are good for, and when that ends.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals, rejects } from "node:assert/strict";
import type { NewToken } from "../../src/auth/token_service.ts";
import { maySee } from "../../src/domain/access.ts";
import { GatewayError } from "../../src/domain/errors.ts";
import type { Principal } from "../../src/domain/principal.ts";
import { InsufficientScope } from "../../src/mcp/dispatch.ts";
import { type AccountWorld, ALICE, openAccounts, ROOT } from "../support/account_world.ts";

const PLAIN: NewToken = {
  name: "ci",
  expiresInMs: 60_000,
  teams: undefined,
  permissions: undefined,
  onlyServer: undefined,
};

async function openTokens(): Promise<AccountWorld> {
  const world = await openAccounts();
  await world.team("t1", { [ALICE]: "member" });
  await world.team("t2", {});
  await world.user(ROOT, { isAdmin: true });
  return world;
}

/** What a token is good for now; `undefined` for nothing. */
function usedAs(world: AccountWorld, token: string): Principal | undefined {
  const credential = world.findApiToken(token);
  return credential && world.rights.principalOf(credential);
}

Deno.test("AUTHN-20: a token has 256 bits, a prefix by which it is known, and no second copy", async () => {
  await using world = await openTokens();
  const { token, record } = await world.tokens.create(PLAIN, world.principal(ALICE));
  assert(/^spt_[A-Za-z0-9_-]{43}$/.test(token), token);
  const kept = JSON.stringify([await world.tables.tokens.list(), record]);
  assert(!kept.includes(token.slice("spt_".length)));
});

Deno.test("no two tokens are alike", async () => {
  await using world = await openTokens();
  const made = await Promise.all(
    Array.from({ length: 20 }, () => world.tokens.create(PLAIN, world.principal(ALICE))),
  );
  assertEquals(new Set(made.map(({ token }) => token)).size, 20);
});

Deno.test("a token is its owner, of another kind than the owner's JWT", async () => {
  await using world = await openTokens();
  const { token } = await world.tokens.create(PLAIN, world.principal(ALICE));
  const principal = usedAs(world, token)!;
  assertEquals([principal.kind, principal.subject], ["api_token", ALICE]);
});

const OF_TEAM = { visibility: "team", team: "team-t1", owner: undefined } as const;
const OF_ALICE = { visibility: "private", team: undefined, owner: ALICE } as const;

for (
  const [teams, team, own] of [
    [undefined, false, false],
    [["t1"], true, true],
    ["stored", true, true],
  ] as const
) {
  Deno.test(`a token with teams ${JSON.stringify(teams)} sees the team's ${team}, the owner's ${own}`, async () => {
    await using world = await openTokens();
    const { token } = await world.tokens.create({ ...PLAIN, teams }, world.principal(ALICE));
    const principal = usedAs(world, token)!;
    assertEquals([maySee(principal, OF_TEAM), maySee(principal, OF_ALICE)], [team, own]);
  });
}

Deno.test("an administrator's token without teams sees what is public", async () => {
  await using world = await openTokens();
  const { token } = await world.tokens.create(PLAIN, world.principal(ROOT));
  assertEquals(maySee(usedAs(world, token)!, OF_TEAM), false);
});

Deno.test("there is no token for a team that its owner is not in", async () => {
  await using world = await openTokens();
  const made = world.tokens.create({ ...PLAIN, teams: ["t2"] }, world.principal(ALICE));
  await rejects(made, (error) => error instanceof GatewayError && error.code === "forbidden");
});

Deno.test("a token loses a team when its owner does", async () => {
  await using world = await openTokens();
  const wanted = { ...PLAIN, teams: ["t1"] };
  const { token } = await world.tokens.create(wanted, world.principal(ALICE));
  await world.tables.members.remove("team-t1", ALICE);
  await world.accounts.refresh();
  await rejects(
    async () => await usedAs(world, token),
    (error) => error instanceof GatewayError && error.code === "forbidden",
  );
});

for (
  const [has, wants, isRefused] of [
    [undefined, undefined, false],
    [["tools.read", "tokens.create"], ["tools.read"], false],
    [["tools.read", "tokens.create"], ["tools.read", "tools.execute"], true],
    [["tools.read", "tokens.create"], undefined, true],
    [["tokens.create"], ["*"], true],
    [["*"], ["*"], false],
    [[], [], false],
  ] as const
) {
  const what = `${JSON.stringify(wants)} by one with ${JSON.stringify(has)}`;
  Deno.test(`AUTHZ-14: a token for ${what} is ${isRefused ? "refused" : "made"}`, async () => {
    await using world = await openTokens();
    const made = world.tokens.create(
      { ...PLAIN, permissions: wants },
      world.principal(ALICE, { permissions: has }),
    );
    if (isRefused) await rejects(made, InsufficientScope);
    else await made;
  });
}

Deno.test("a credential for one server makes no token for another", async () => {
  await using world = await openTokens();
  const principal = world.principal(ALICE, { onlyServer: "one" });
  for (const onlyServer of [undefined, "two"]) {
    const made = world.tokens.create({ ...PLAIN, onlyServer }, principal);
    await rejects(made, (error) => error instanceof GatewayError && error.code === "forbidden");
  }
  await world.tokens.create({ ...PLAIN, onlyServer: "one" }, principal);
});

Deno.test("a token is good until it expires, and not a moment longer", async () => {
  await using world = await openTokens();
  const { token } = await world.tokens.create(PLAIN, world.principal(ALICE));
  world.clock.advance(PLAIN.expiresInMs - 1);
  assert(usedAs(world, token));
  world.clock.advance(1);
  assertEquals(usedAs(world, token), undefined);
});

Deno.test("AUTHN-11: a token that was revoked is refused, although its credential is still known", async () => {
  await using world = await openTokens();
  const { token, record } = await world.tokens.create(PLAIN, world.principal(ALICE));
  const credential = world.findApiToken(token)!;
  await world.tokens.remove(record.id, world.principal(ALICE));
  assertEquals(world.findApiToken(token), undefined);
  await rejects(
    async () => await world.rights.principalOf(credential),
    (error) => error instanceof GatewayError && error.code === "unauthenticated",
  );
});

Deno.test("others' tokens are not there, for all but administrators", async () => {
  await using world = await openTokens();
  const { record } = await world.tokens.create(PLAIN, world.principal(ALICE));
  const bob = world.principal("bob@example.com");
  assertEquals(world.tokens.list(bob), []);
  await rejects(
    world.tokens.remove(record.id, bob),
    (error) => error instanceof GatewayError && error.code === "not_found",
  );
  assertEquals(world.tokens.list(world.principal(ROOT)).map(({ id }) => id), [record.id]);
});

Deno.test("what only looks like a token is none", async () => {
  await using world = await openTokens();
  const { token } = await world.tokens.create(PLAIN, world.principal(ALICE));
  for (const other of ["spt_", token.slice(0, -1), `${token}A`, token.toUpperCase()]) {
    assertEquals(world.findApiToken(other), undefined);
  }
});
