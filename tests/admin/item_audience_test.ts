/**
 * To whom single items are shown: who may decide it through the API, and what is refused.
 *
 * @module
 * @see contract.md, section 8, "Permissions"; security.md, AUTHZ-10…13
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Principal } from "../../src/domain/principal.ts";
import {
  ADMIN,
  type AdminWorld,
  adminWorld,
  anItem,
  anUpstream,
  type Json,
} from "../support/admin_world.ts";

const RED = "/api/tools/open-tool-red";
const PLAIN = "/api/tools/open-tool-plain";

function user(subject: string, teams: readonly string[], ownedTeams: readonly string[] = []) {
  const seesOwn = teams.length > 0;
  return { ...ADMIN, subject, isAdmin: false, teams, ownedTeams, seesOwn };
}

interface World extends AdminWorld {
  readonly red: string;
  readonly blue: string;
  /** Owns the team red. */
  readonly lead: Principal;
  readonly member: Principal;
  readonly patch: (path: string, body: unknown, principal?: Principal) => Promise<Json>;
}

/** A public server with a tool of everybody's and one of the team red's. */
async function open(): Promise<World> {
  const world = await adminWorld();
  const { call, catalog, declare, stock } = world;
  await declare([anUpstream({ name: "open" })]);
  const { server } = catalog.upstream("open")!;
  await stock(server.id, [
    anItem(server, "plain"),
    anItem(server, "red", { seq: 2 }),
    anItem(server, "hello", { kind: "prompt" }),
    anItem(server, "a://r", { kind: "resource" }),
    anItem(server, "a://{t}", { kind: "template" }),
  ]);
  const team = async (name: string): Promise<string> =>
    (await call("POST", "/api/teams", { body: { name } })).json.id;
  const red = await team("red");
  const blue = await team("blue");
  const patch = async (path: string, body: unknown, principal: Principal = ADMIN) => {
    const { status, json } = await call("PATCH", path, { body, principal });
    return { status, ...json };
  };
  await patch(RED, { visibility: "team", teamId: "red" });
  return {
    ...world,
    red,
    blue,
    lead: user("lead@example.com", [red, "red"], [red, "red"]),
    member: user("member@example.com", [red, "red"]),
    patch,
  };
}

function shownTo({ status, visibility, teamId, owner }: Json) {
  return [status, visibility, teamId, owner];
}

const NOUNS: Readonly<Record<string, string>> = {
  tool: PLAIN,
  prompt: "/api/prompts/open-prompt-hello",
  resource: "/api/resources/open-resource-a___r",
  template: "/api/resources/open-template-a____t_",
};

for (const [kind, path] of Object.entries(NOUNS)) {
  Deno.test(`a ${kind} is shown to one team, named by slug or id, and to everybody again`, async () => {
    const { patch, red, blue } = await open();
    const replies = [
      await patch(path, { visibility: "team", teamId: "red" }),
      await patch(path, { teamId: blue }),
      await patch(path, { visibility: null, teamId: null }),
    ];
    assertEquals(replies.map(shownTo), [
      [200, "team", red, undefined],
      [200, "team", blue, undefined],
      [200, "public", undefined, undefined],
    ]);
  });

  Deno.test(`a hidden ${kind} is the 404 of a missing one on every verb, and on no list`, async () => {
    const { call, patch } = await open();
    await patch(path, { visibility: "private", owner: "alice@example.com" });
    const principal = user("bob@example.com", ["red"]);
    const list = path.replace(/[^/]+$/, "");
    for (const method of ["GET", "PATCH", "DELETE"]) {
      const body = method === "PATCH" ? { body: { title: "x" } } : {};
      const hidden = await call(method, path, { principal, ...body });
      const missing = await call(method, `${list}nothing`, { principal, ...body });
      assertEquals([hidden.status, hidden.text], [404, missing.text]);
    }
    const { json } = await call("GET", list.slice(0, -1), { principal });
    assertEquals(json.items.some(({ id }: Json) => path.endsWith(`/${id}`)), false);
  });
}

Deno.test("an item that is made private without a name is its maker's", async () => {
  const { patch } = await open();
  const reply = await patch(PLAIN, { visibility: "private" });
  assertEquals(shownTo(reply), [200, "private", undefined, ADMIN.subject]);
});

Deno.test("an item of a narrower server is shown as its server is, whatever is said of it", async () => {
  const world = await open();
  const narrow = anUpstream({ name: "ours", visibility: "team", team: "t9" });
  await world.declare([anUpstream({ name: "open" }), narrow]);
  const { server } = world.catalog.upstream("ours")!;
  await world.stock(server.id, [anItem(server, "x")]);
  const path = "/api/tools/ours-tool-x";
  assertEquals(shownTo(await world.patch(path, { visibility: "public" })), [
    200,
    "team",
    "t9",
    undefined,
  ]);
  assertEquals((await world.call("GET", path, { principal: world.member })).status, 404);
});

Deno.test("what only one team saw nobody but administrators sees when the team is gone", async () => {
  const { call, member, red } = await open();
  const seen = async (principal: Principal) => (await call("GET", RED, { principal })).status;
  assertEquals(await seen(member), 200);
  await call("DELETE", `/api/teams/${red}`);
  await call("POST", "/api/teams", { body: { name: "red" } });
  // With its slug, as a member of the new team would come.
  assertEquals([await seen(user("new@example.com", ["red"])), await seen(ADMIN)], [404, 200]);
});

Deno.test("an owner of a team changes what is the team's, and a member does not", async () => {
  const { patch, lead, member } = await open();
  const change = async (who: Principal) => (await patch(RED, { title: "x" }, who)).status;
  assertEquals([await change(lead), await change(member)], [200, 403]);
});

Deno.test("an owner of a team makes the team's item his own, and the team's again", async () => {
  const { patch, lead, red } = await open();
  const own = await patch(RED, { visibility: "private" }, lead);
  const back = await patch(RED, { visibility: "team", teamId: "red" }, lead);
  assertEquals([shownTo(own), shownTo(back)], [
    [200, "private", undefined, lead.subject],
    [200, "team", red, undefined],
  ]);
});

const TOO_MUCH: readonly (readonly [string, unknown])[] = [
  ["public", { visibility: "public" }],
  ["what its public server is", { visibility: null }],
  ["another team's", { teamId: "blue" }],
  ["somebody else's", { visibility: "private", owner: "alice@example.com" }],
  ["the team's, under another owner", { visibility: "team", owner: "alice@example.com" }],
  ["that of a team that is not there", { teamId: "nothing" }],
];

for (const [what, body] of TOO_MUCH) {
  Deno.test(`AUTHZ-11: an owner of a team does not make the team's item ${what}`, async () => {
    const { call, patch, lead } = await open();
    const before = (await call("GET", RED)).text;
    assertEquals((await patch(RED, body, lead)).status, 403);
    assertEquals((await call("GET", RED)).text, before);
  });
}

Deno.test("an owner of a team takes nothing that is everybody's", async () => {
  const { patch, lead } = await open();
  const body = { visibility: "team", teamId: "red" };
  assertEquals((await patch(PLAIN, body, lead)).status, 403);
});

Deno.test("an administrator of one team cannot move an item out of its own sight", async () => {
  const { patch, red } = await open();
  const narrowed = { ...ADMIN, teams: [red, "red"] };
  assertEquals((await patch(RED, { teamId: "blue" }, narrowed)).status, 403);
  assertEquals((await patch(RED, { title: "x" }, narrowed)).status, 200);
});

const FAULTY: readonly (readonly [string, unknown, string])[] = [
  ["a team that is not there", { visibility: "team", teamId: "nothing" }, "teamId"],
  ["no team", { visibility: "team" }, "teamId"],
  ["a team and no visibility", { teamId: "red" }, "visibility"],
  ["a visibility that there is not", { visibility: "secret" }, "visibility"],
  ["a team under another name", { visibility: "team", team: "red" }, "team"],
  ["what only the database knows", { audience: { visibility: "public" } }, "audience"],
];

for (const [what, body, path] of FAULTY) {
  Deno.test(`AUTHZ-12: ${what} is 400 and names the place`, async () => {
    const { patch } = await open();
    const { status, errors } = await patch(PLAIN, body);
    assertEquals([status, errors[0].path], [400, path]);
  });
}
