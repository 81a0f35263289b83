/**
 * What a credential may do, by its claims and what the store says: the table of security.md,
 * section 4.6, row by row, and how a change of rights acts.
 *
 * @module
 */
import {
  deepStrictEqual as assertEquals,
  notStrictEqual,
  strictEqual,
  throws,
} from "node:assert/strict";
import { mayManage, maySee } from "../../src/domain/access.ts";
import { type Credential, NO_CREDENTIAL } from "../../src/domain/credential.ts";
import { GatewayError } from "../../src/domain/errors.ts";
import { ANONYMOUS, type Principal } from "../../src/domain/principal.ts";
import type { Audience } from "../../src/domain/server.ts";
import {
  type AccountWorld,
  aCredential,
  ALICE,
  openAccounts,
  ROOT,
} from "../support/account_world.ts";

const CAROL = "carol@example.com";
const BOB = "bob@example.com";

const OF_ALL: Audience = { visibility: "public", team: undefined, owner: ALICE };
const OF_TEAM: Audience = { visibility: "team", team: "team-t1", owner: ALICE };
/** As the config file names a team. */
const OF_SLUG: Audience = { visibility: "team", team: "t1", owner: undefined };
const OF_ALICE: Audience = { visibility: "private", team: undefined, owner: ALICE };

/** Alice and Carol are in t1, Bob is in t2. */
async function openTable(): Promise<AccountWorld> {
  const world = await openAccounts();
  await world.team("t1", { [ALICE]: "owner", [CAROL]: "member" });
  await world.team("t2", { [BOB]: "member" });
  await world.user(ROOT, { isAdmin: true });
  return world;
}

/** What is visible: public, of team t1, private to Alice. */
function seen(principal: Principal): string {
  return [OF_ALL, OF_TEAM, OF_ALICE].map((one) => maySee(principal, one) ? "yes" : "no").join(" ");
}

const ROWS: readonly [caller: string, subject: string, claim: Partial<Credential>, string][] = [
  ["alice, absent", ALICE, {}, "yes no no"],
  ["alice, []", ALICE, { teams: [] }, "yes no no"],
  ["alice, [t1] by slug", ALICE, { teams: ["t1"] }, "yes yes yes"],
  ["alice, [t1] by id", ALICE, { teams: ["team-t1"] }, "yes yes yes"],
  ["alice, [t2], not a member", ALICE, { teams: ["t2"] }, "403"],
  ["alice, a team that is not", ALICE, { teams: ["t3"] }, "403"],
  ["carol, [t1]", CAROL, { teams: ["t1"] }, "yes yes no"],
  ["bob, [t2]", BOB, { teams: ["t2"] }, "yes no no"],
  ["bob, [t1], not a member", BOB, { teams: ["t1"] }, "403"],
  ["bob, [t1, t2], member of one", BOB, { teams: ["t1", "t2"] }, "403"],
  ["admin by store, absent", ROOT, {}, "yes yes yes"],
  ["admin by store, []", ROOT, { teams: [] }, "yes no no"],
  ["admin by store, [t1]", ROOT, { teams: ["t1"] }, "yes yes no"],
  ["admin by claim of an own token", "x@example.com", { claimsAdmin: true }, "yes yes yes"],
  ["admin by claim, whom the store knows", ALICE, { claimsAdmin: true, teams: [] }, "yes no no"],
  ["alice, memberships of the store", ALICE, { teams: "stored" }, "yes yes yes"],
  ["bob, memberships of the store", BOB, { teams: "stored" }, "yes no no"],
  ["admin by store, memberships of the store", ROOT, { teams: "stored" }, "yes yes yes"],
];

for (const [caller, subject, claim, expected] of ROWS) {
  Deno.test(`AUTHZ-02: ${caller} sees public, team, private: ${expected}`, async () => {
    await using world = await openTable();
    const found = () => {
      try {
        return seen(world.principal(subject, claim));
      } catch (error) {
        return error instanceof GatewayError && error.code === "forbidden" ? "403" : error;
      }
    };
    assertEquals(found(), expected);
  });
}

Deno.test("where there has never been a team, a token's word for its teams is taken", async () => {
  await using world = await openAccounts();
  assertEquals(maySee(world.principal(CAROL, { teams: ["t1"] }), OF_SLUG), true);
  assertEquals(maySee(world.principal(CAROL, { teams: ["t2"] }), OF_SLUG), false);
  assertEquals(maySee(world.principal(CAROL), OF_SLUG), false);
});

Deno.test("with the first team, a token's word counts no longer, and never again", async () => {
  await using world = await openAccounts();
  await world.team("other", {});
  throws(() => world.principal(CAROL, { teams: ["t1"] }), { code: "forbidden" });
  await world.removeTeam("other");
  throws(() => world.principal(CAROL, { teams: ["t1"] }), { code: "forbidden" });
});

Deno.test("AUTHZ-04: a claim of administration counts for nothing once the store knows the subject", async () => {
  await using world = await openTable();
  await world.user(ALICE);
  assertEquals(seen(world.principal(ALICE, { claimsAdmin: true })), "yes no no");
});

Deno.test("a record that names a team by its slug is the team's", async () => {
  await using world = await openTable();
  assertEquals(maySee(world.principal(CAROL, { teams: ["t1"] }), OF_SLUG), true);
  assertEquals(maySee(world.principal(BOB, { teams: ["t2"] }), OF_SLUG), false);
});

Deno.test("whoever is in the store's team is so whatever the capitals of the address", async () => {
  await using world = await openTable();
  assertEquals(seen(world.principal("Alice@Example.COM", { teams: ["t1"] })), "yes yes yes");
});

Deno.test("no credential is anonymous, and sees what is public", async () => {
  await using world = await openTable();
  strictEqual(world.rights.principalOf(NO_CREDENTIAL), ANONYMOUS);
  assertEquals(seen(ANONYMOUS), "yes no no");
});

for (
  const [who, subject, claim, expected] of [
    ["an owner of the team", ALICE, { teams: ["t1"] }, [false, true, true]],
    ["a member of the team", CAROL, { teams: ["t1"] }, [false, false, false]],
    ["an administrator", ROOT, {}, [true, true, true]],
    ["an administrator, narrowed to the team", ROOT, { teams: ["t1"] }, [true, true, false]],
    ["an owner of the team who names no team", ALICE, {}, [false, false, false]],
  ] as const
) {
  Deno.test(`AUTHZ-11: ${who} manages public, team, private: ${expected.join(" ")}`, async () => {
    await using world = await openTable();
    const principal = world.principal(subject, claim);
    assertEquals([OF_ALL, OF_TEAM, OF_ALICE].map((one) => mayManage(principal, one)), expected);
  });
}

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return error instanceof GatewayError ? error.code : String(error);
  }
}

Deno.test("AUTHN-17: a disabled user is refused with every kind of credential, and let in again", async () => {
  await using world = await openTable();
  await world.user(BOB);
  const kinds = ["gateway_jwt", "proxy", "oidc_jwt https://issuer.example"] as const;
  const credentials = kinds.map((kind) => aCredential(BOB, { kind }));
  const codes = () => credentials.map((one) => codeOf(() => world.rights.principalOf(one)));
  assertEquals(codes(), [undefined, undefined, undefined]);
  await world.tables.users.update(BOB, 1, { enabled: false });
  await world.accounts.refresh();
  assertEquals(codes(), Array(3).fill("unauthenticated"));
  await world.tables.users.update(BOB, 2, { enabled: true });
  await world.accounts.refresh();
  assertEquals(codes(), [undefined, undefined, undefined]);
});

Deno.test("AUTHN-17: a deleted user stays refused", async () => {
  await using world = await openTable();
  await world.user(BOB);
  await world.users.remove(BOB, () => true, world.principal(ROOT));
  assertEquals(codeOf(() => world.principal(BOB)), "unauthenticated");
});

Deno.test("REQUIRE_USER_IN_DB: a subject whom the store does not know is refused", async () => {
  await using world = await openAccounts({ requireUser: true });
  await world.user(ALICE);
  assertEquals(codeOf(() => world.principal(ALICE)), undefined);
  assertEquals(codeOf(() => world.principal(BOB)), "unauthenticated");
});

Deno.test("AUTHN-11: a token is refused from its revocation on, and no other", async () => {
  await using world = await openTable();
  await world.revocations.create({ tokenId: "j1", subject: undefined, reason: undefined });
  assertEquals(codeOf(() => world.principal(BOB, { tokenId: "j1" })), "unauthenticated");
  assertEquals(codeOf(() => world.principal(BOB, { tokenId: "j2" })), undefined);
});

Deno.test("AUTHN-11: a subject's tokens are refused that were made before, not those made later", async () => {
  await using world = await openTable();
  const before = world.clock.now();
  world.clock.advance(5_000);
  await world.revocations.create({ tokenId: undefined, subject: BOB, reason: "lost laptop" });
  const at = (issuedAtMs: number | undefined) => codeOf(() => world.principal(BOB, { issuedAtMs }));
  assertEquals(at(before), "unauthenticated");
  assertEquals(at(undefined), "unauthenticated");
  assertEquals(at(world.clock.now() + 1_000), undefined);
});

Deno.test("AUTHZ-05: who leaves a team is refused with a token that names it", async () => {
  await using world = await openTable();
  const credential = aCredential(CAROL, { teams: ["t1"] });
  assertEquals(seen(world.rights.principalOf(credential)), "yes yes no");
  await world.teams.removeMember("t1", CAROL, world.principal(ALICE, { teams: ["t1"] }));
  assertEquals(codeOf(() => world.rights.principalOf(credential)), "forbidden");
});

Deno.test("AUTHZ-13: a team that is gone is gone from every credential", async () => {
  await using world = await openTable();
  await world.teams.remove("t1", () => true, world.principal(ROOT));
  assertEquals(codeOf(() => world.principal(ALICE, { teams: ["t1"] })), "forbidden");
  assertEquals(seen(world.principal(ALICE, { teams: "stored" })), "yes no yes");
});

Deno.test("a principal is the same object until its own rights change", async () => {
  await using world = await openTable();
  const credential = aCredential(CAROL, { teams: "stored" });
  const before = world.rights.principalOf(credential);
  await world.user("somebody@example.com");
  strictEqual(world.rights.principalOf(credential), before);
  await world.tables.members.put("team-t2", CAROL, "member");
  await world.accounts.refresh();
  notStrictEqual(world.rights.principalOf(credential), before);
});

Deno.test("AUTHN-18: rights that are too old are no rights", async () => {
  await using world = await openAccounts({ pollMs: 1_000, rightsMaxMs: 60_000 });
  const credential = aCredential(BOB);
  world.rights.principalOf(credential);
  world.clock.advance(59_000);
  assertEquals(codeOf(() => world.rights.principalOf(credential)), undefined);
  world.clock.advance(2_000);
  assertEquals(codeOf(() => world.rights.principalOf(credential)), "unavailable");
  await world.accounts.refresh();
  assertEquals(codeOf(() => world.rights.principalOf(credential)), undefined);
});

for (
  const [what, change] of [
    ["the user is disabled", (world) => world.tables.users.update(BOB, 1, { enabled: false })],
    ["the membership ends", (world) => world.tables.members.remove("team-t2", BOB)],
    [
      "the token is revoked",
      (world) => world.revocations.create({ tokenId: "j1", subject: undefined, reason: undefined }),
    ],
  ] as readonly [string, (world: AccountWorld) => Promise<unknown>][]
) {
  Deno.test(`AUTHN-11, AUTHN-17: what goes on is told when ${what}`, async () => {
    await using world = await openTable();
    await world.user(BOB);
    const principal = world.principal(BOB, { tokenId: "j1", teams: ["t2"] });
    let told = 0;
    world.rights.watch(principal, () => told++);
    await world.user("somebody@example.com");
    assertEquals(told, 0);
    await change(world);
    await world.accounts.refresh();
    assertEquals(told, 1);
  });
}

Deno.test("AUTHN-22: what goes on is told when the credential expires", async () => {
  await using world = await openTable();
  const principal = world.principal(BOB, { expiresAtMs: world.clock.now() + 5_000 });
  let told = 0;
  world.rights.watch(principal, () => told++);
  world.timers.advance(4_900);
  assertEquals(told, 0);
  world.timers.advance(200);
  assertEquals(told, 1);
});

Deno.test("who stops watching is not told, and leaves no timer behind", async () => {
  await using world = await openTable();
  await world.user(BOB);
  const before = world.timers.open();
  const principal = world.principal(BOB, { expiresAtMs: world.clock.now() + 5_000 });
  const stop = world.rights.watch(principal, () => {
    throw new Error("Told");
  });
  stop();
  assertEquals(world.timers.open(), before);
  await world.tables.users.update(BOB, 1, { enabled: false });
  await world.accounts.refresh();
});
