/**
 * `/api/sessions` and `/api/stats`: what is live.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { SessionInfo } from "../../src/admin/api/sessions.ts";
import type { Principal } from "../../src/domain/principal.ts";
import type { InsufficientScope } from "../../src/mcp/dispatch.ts";
import { ADMIN, adminWorld, anUpstream, type Json } from "../support/admin_world.ts";

const KEY = "RpWcOj3yZ0Zb6n4eQmC2kA7u1dV9xT5sF8hLwG-Ky_E";

function aSession(members: Partial<SessionInfo> = {}): SessionInfo {
  return {
    key: KEY,
    kind: "gateway_jwt",
    subject: "alice@example.com",
    endpoint: "github",
    revision: "2025-11-25",
    createdMs: 1000,
    usedMs: 2000,
    ...members,
  };
}

Deno.test("a session is shown with whose it is, where, and since when", async () => {
  const { call, sessions } = await adminWorld();
  sessions.push(aSession());
  const { status, json } = await call("GET", "/api/sessions");
  const { id: _, ...shown } = json.items[0];
  assertEquals(status, 200);
  assertEquals(shown, {
    principal: { kind: "gateway_jwt", subject: "alice@example.com" },
    endpoint: "github",
    revision: "2025-11-25",
    createdAt: "1970-01-01T00:00:01.000Z",
    lastUsedAt: "1970-01-01T00:00:02.000Z",
  });
});

Deno.test("a session is shown under a name that is not its key, nor any part of it", async () => {
  const { call, sessions } = await adminWorld();
  sessions.push(aSession());
  const { text, json } = await call("GET", "/api/sessions");
  const { id } = json.items[0];
  assertEquals([text.includes(KEY), KEY.includes(id), id.length], [false, false, 22]);
});

Deno.test("the name of a session stays, and no other session has it", async () => {
  const { call, sessions } = await adminWorld();
  sessions.push(aSession(), aSession({ key: `${KEY}2` }));
  const ids = async () => (await call("GET", "/api/sessions")).json.items.map(({ id }: Json) => id);
  const first = await ids();
  assertEquals(await ids(), first);
  assertEquals(new Set(first).size, 2);
});

Deno.test("sessions come page by page, the oldest first", async () => {
  const { call, sessions } = await adminWorld();
  for (const i of [3, 1, 2, 5, 4]) {
    sessions.push(aSession({ key: `k${i}`, createdMs: i, subject: `${i}` }));
  }
  const first = await call("GET", "/api/sessions?limit=3");
  const rest = await call("GET", `/api/sessions?limit=3&cursor=${first.json.nextCursor}`);
  const subjects = [first, rest].map(({ json }) =>
    json.items.map(({ principal }: Json) => principal.subject)
  );
  assertEquals(subjects, [["1", "2", "3"], ["4", "5"]]);
});

const USER: Principal = { ...ADMIN, isAdmin: false, teams: [], subject: "bob@example.com" };

for (
  const [who, principal] of [
    ["an administrator of one team", { ...ADMIN, teams: ["red"] }],
    ["a user", USER],
    ["a user whose token names no teams", { ...USER, teams: undefined }],
    ["a user of a team", { ...USER, teams: ["red"], ownedTeams: ["red"] }],
    ["a user who may do everything that users may", { ...USER, permissions: ["*"] }],
    ["a user who may read sessions", { ...USER, permissions: ["sessions.read"] }],
  ] satisfies [string, Principal][]
) {
  Deno.test(`${who} sees its own sessions only`, async () => {
    const { call, sessions } = await adminWorld();
    const { subject } = principal;
    sessions.push(
      aSession(),
      aSession({ key: "own", subject }),
      aSession({ key: "of another kind", subject, kind: "oidc_jwt https://issuer.example" }),
    );
    const { json } = await call("GET", "/api/sessions", { principal });
    assertEquals(json.items.map((one: Json) => one.principal), [{ kind: ADMIN.kind, subject }]);
  });
}

Deno.test("sessions are for those who may read them, own ones too", async () => {
  const { call, sessions } = await adminWorld();
  sessions.push(aSession({ subject: USER.subject }));
  const principal = { ...USER, permissions: ["tools.read"] };
  const { status, thrown } = await call("GET", "/api/sessions", { principal });
  assertEquals([status, (thrown as InsufficientScope).scope], [403, "sessions.read"]);
});

Deno.test("a session cannot be asked for by itself", async () => {
  const { call, sessions } = await adminWorld();
  sessions.push(aSession());
  assertEquals((await call("GET", `/api/sessions/${KEY}`)).status, 404);
});

Deno.test("stats are counts, errors and latencies, by method and by server", async () => {
  const { call, declare, catalog, stats } = await adminWorld();
  await declare([anUpstream()]);
  const { id } = catalog.upstream("alpha")!.server;
  stats.record("tools/call", id, 10, false);
  stats.record("tools/call", id, 10, true);
  stats.record("made/up", "gone", 10, false);
  const { status, json } = await call("GET", "/api/stats");
  const brief = (of: Json) => [of.method ?? of.slug, of.calls, of.errors];
  assertEquals([status, json.since, brief(json.total)], [
    200,
    "2026-08-01T00:00:00.000Z",
    [undefined, 3, 1],
  ]);
  assertEquals(json.methods.map(brief), [["tools/call", 2, 1], ["other", 1, 0]]);
  assertEquals(json.upstreams.map(brief), [["alpha", 2, 1]]);
  assertEquals(Object.keys(json.total.latencyMs), ["p50", "p95", "p99"]);
});

Deno.test("an administrator of one team gets no stats of another team's servers", async () => {
  const { call, declare, catalog, stats } = await adminWorld();
  await declare([anUpstream({ visibility: "team", team: "blue" })]);
  stats.record("ping", catalog.upstream("alpha")!.server.id, 1, false);
  const { json } = await call("GET", "/api/stats", { principal: { ...ADMIN, teams: ["red"] } });
  assertEquals(json.upstreams, []);
});
