/**
 * Export and import: the round trip on both databases, strategies, refusals, secrets.
 *
 * @module
 * @see contract.md, section 8, "Export and import"; security.md, SEC-06, ADM-12
 */
import assert, { deepStrictEqual as assertEquals, rejects } from "node:assert/strict";
import type { ImportReport } from "../../src/admin/transfer/transfer.ts";
import { hashOfToken, newApiToken } from "../../src/auth/api_token.ts";
import { FaultyRequest, GatewayError } from "../../src/domain/errors.ts";
import type { Principal } from "../../src/domain/principal.ts";
import { ADMIN, anItem, anOffer } from "../support/admin_world.ts";
import { onEachDatabase } from "../support/open_databases.ts";
import {
  FULL,
  openTransferWorld,
  PASSPHRASE,
  SECRETS,
  type TransferWorld,
} from "../support/transfer_world.ts";

const DAY_MS = 86_400_000;
const CAROL: Principal = { ...ADMIN, subject: "carol@example.com", isAdmin: false, teams: [] };

/** Everything there is, with an API token and its hash. */
async function fill(world: TransferWorld): Promise<string> {
  await world.import(FULL);
  const token = newApiToken();
  const nowMs = Date.now();
  await world.people.tokens.create({
    id: "token-1",
    hash: hashOfToken(token),
    name: "ci",
    ownerKey: "ann@example.com",
    owner: "ann@example.com",
    teams: [world.accounts.team("platform")!.id],
    permissions: ["tools.read"],
    onlyServer: world.catalog.server("ops")!.server.id,
    createdMs: nowMs,
    expiresMs: nowMs + DAY_MS,
  });
  await world.accounts.refresh();
  return token;
}

function actions({ records }: ImportReport): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { action } of records) counts[action] = (counts[action] ?? 0) + 1;
  return counts;
}

/** Of which one is left out by the strategy `skip`. */
const SLUGS = "one slug for two servers";

/** As a test may compare it: what is sealed is another text each time. */
function plain({ secrets: _, ...bundle }: Readonly<Record<string, unknown>>) {
  return bundle;
}

onEachDatabase("what is exported, imported and exported again is the same", async (home) => {
  await using source = await openTransferWorld();
  await using target = await openTransferWorld(home.open());
  const token = await fill(source);
  const bundle = await source.exported(PASSPHRASE);
  const report = await target.import(bundle, { passphrase: PASSPHRASE });
  assertEquals(actions(report), { created: 18 });
  assertEquals([report.toFillIn, report.notTaken], [[], []]);
  assertEquals(await target.exported(), plain(bundle));

  const settingsOf = async ({ tables }: TransferWorld) =>
    (await tables.upstreams.list()).map(({ settings }) => [settings!.headers, settings!.auth]);
  assertEquals(await settingsOf(target), await settingsOf(source));
  const found = target.accounts.tokenByHash(hashOfToken(token))!;
  assertEquals([found.id, found.teams, found.onlyServer], [
    "token-1",
    [target.accounts.team("platform")!.id],
    "ops",
  ]);
  assertEquals(target.accounts.user("gone@example.com")?.isDeleted, true);
  assert.ok(target.accounts.isRevoked("stolen", "x", Date.now()));
});

onEachDatabase("records stand in the order in which they stood", async (home) => {
  await using world = await openTransferWorld(home.open());
  const tool = (name: string) => ({ ...FULL.tools[0], name, headers: {} });
  const names = ["c", "a", "b"];
  const server = (name: string) => ({ name });
  await world.import({ sallyport: 1, tools: names.map(tool), servers: names.map(server) });
  await world.import({ sallyport: 1, tools: [tool("0")], servers: [server("0")] });
  assertEquals((await world.tables.own.list()).map(({ exposedName }) => exposedName), [
    ...names,
    "0",
  ]);
  const servers = await world.tables.servers.list();
  assertEquals(servers.map(({ slug }) => slug), [...names, "0"]);
  assert.ok(servers.every(({ seq }, i) => seq > 0 && seq > (servers[i - 1]?.seq ?? 0)));
});

onEachDatabase("of two imports at once, each record is made by one of them", async (home) => {
  await using world = await openTransferWorld(home.open());
  const turned = Object.fromEntries(
    Object.entries(FULL).map((
      [name, list],
    ) => [name, Array.isArray(list) ? list.toReversed() : list]),
  );
  const reports = await Promise.all([world.import(FULL), world.import(turned)]);
  const all = reports.flatMap(({ records }) => records);
  assertEquals(actions({ ...reports[0]!, records: all }), { created: 17, skipped: 17 });
});

Deno.test("no secret is in an export without a passphrase, nor in clear in one with it", async () => {
  await using world = await openTransferWorld();
  const token = await fill(world);
  for (const passphrase of [undefined, PASSPHRASE]) {
    const { text } = await world.transfer.export(passphrase);
    const forms = [...Object.values(SECRETS), token, hashOfToken(token), PASSPHRASE];
    const all = forms.flatMap((form) => [form, btoa(form), encodeURIComponent(form)]);
    assertEquals(all.filter((form) => text.includes(form)), []);
  }
});

Deno.test("what cannot be read with this key is named, and is no part of a backup without a word", async () => {
  await using world = await openTransferWorld();
  await fill(world);
  await using other = await openTransferWorld(world.database, { keys: "only for tests, another" });
  await rejects(other.transfer.export(PASSPHRASE), {
    name: GatewayError.name,
    code: "conflict",
    message: /^The credentials of tracker, wiki, get_order cannot be read/,
  });
  const { leftOut } = await other.transfer.export(undefined);
  assertEquals(leftOut, ["token-1", "tracker", "wiki", "get_order"]);
});

Deno.test("without a passphrase, what has secrets is switched off and named", async () => {
  await using source = await openTransferWorld();
  await using target = await openTransferWorld();
  await fill(source);
  const bundle = await source.exported();
  const { toFillIn, records } = await target.import(bundle);
  assertEquals(toFillIn, [
    { kind: "upstream", name: "tracker", what: "headers.X-Key" },
    { kind: "upstream", name: "tracker", what: "auth.token" },
    { kind: "upstream", name: "wiki", what: "auth.clientSecret" },
    { kind: "tool", name: "get_order", what: "headers.X-Api-Key" },
  ]);
  assertEquals(records.filter(({ kind }) => kind === "token").map(({ action }) => action), [
    "skipped",
  ]);
  const { server } = target.catalog.upstream("tracker")!;
  assertEquals([server.enabled, server.transport === "http" && server.auth], [false, {
    type: "none",
  }]);
  // Filled in, it takes the rest of the bundle and keeps what it was given.
  const [row] = await target.tables.upstreams.list();
  const given = { ...row!.settings!, auth: { type: "bearer", token: "given" } as const };
  const headers = { "X-Key": "given" };
  await target.tables.upstreams.update(row!.id, row!.revision, { settings: { ...given, headers } });
  const again = await target.import(bundle, { strategy: "update" });
  assertEquals(again.toFillIn.filter(({ name }) => name === "tracker"), []);
  const { settings } = (await target.tables.upstreams.list())[0]!;
  assertEquals([settings!.enabled, settings!.auth, settings!.headers], [true, given.auth, headers]);
});

Deno.test("a wrong passphrase, and a bundle that was changed, are refused, and nothing is changed", async () => {
  await using source = await openTransferWorld();
  await using target = await openTransferWorld();
  await fill(source);
  const bundle = await source.exported(PASSPHRASE);
  const [first, ...others] = bundle.upstreams!;
  const moved = {
    ...bundle,
    upstreams: [{ ...first, url: "https://evil.example.com/mcp" }, ...others],
  };
  const [user] = bundle.users!;
  const promoted = { ...bundle, users: [{ ...user, email: "eve@example.com" }] };
  for (
    const [document, passphrase] of [
      [bundle, `${PASSPHRASE}!`],
      [moved, PASSPHRASE],
      [promoted, PASSPHRASE],
      [{ ...bundle, secrets: { ...bundle.secrets!, N: 2 ** 15 } }, PASSPHRASE],
      [{ ...bundle, secrets: { ...bundle.secrets!, N: 2 ** 24 } }, PASSPHRASE],
      [{ ...bundle, secrets: { ...bundle.secrets!, r: 1024 } }, PASSPHRASE],
      [{ ...bundle, secrets: undefined }, PASSPHRASE],
    ] as const
  ) {
    await rejects(
      target.import(JSON.parse(JSON.stringify(document)), { passphrase }),
      (error) => error instanceof FaultyRequest && error.code === "invalid_request",
    );
  }
  assertEquals((await target.exported()).upstreams, []);
  // Members in another order are the same bundle.
  const turned = Object.fromEntries(Object.entries(bundle).reverse());
  assertEquals(actions(await target.import(turned, { passphrase: PASSPHRASE })), { created: 18 });
});

Deno.test("a second import changes nothing, by skip and by update", async () => {
  await using world = await openTransferWorld();
  await world.import(FULL);
  const before = await world.tables.changes.revision();
  assertEquals(actions(await world.import(FULL)), { skipped: 17 });
  const updated = await world.import(FULL, { strategy: "update" });
  const accountsOnly = updated.records.filter(({ action }) => action !== "unchanged");
  assertEquals(accountsOnly.map(({ kind, action }) => `${kind} ${action}`), [
    "revocation skipped",
    "revocation skipped",
  ]);
  assertEquals(await world.tables.changes.revision(), before);
});

Deno.test("update takes over what the bundle says, and leaves what it does not say", async () => {
  await using world = await openTransferWorld();
  await world.import(FULL);
  const { records } = await world.import({
    sallyport: 1,
    teams: [{ name: "Platform", members: [{ email: "BO@example.com", role: "owner" }] }],
    users: [
      { email: "ann@example.com", deleted: true },
      { email: "gone@example.com", fullName: "Back" },
    ],
    upstreams: [{ name: "Tracker", url: "https://tracker.example.com/mcp", tags: ["c"] }],
    tools: [{ ...FULL.tools[0], headers: { "X-Api-Key": "*****" }, description: "Changed" }],
    items: [{ upstream: "tracker", kind: "tool", upstreamName: "delete_all", enabled: true }],
    servers: [{ name: "Operations", slug: "ops", tools: [] }],
  }, { strategy: "update" });
  assertEquals(new Set(records.map(({ action }) => action)), new Set(["updated"]));
  const { accounts, catalog } = world;
  const team = accounts.team("platform")!;
  assertEquals([team.description, accounts.membersOf(team.id).map(({ role }) => role)], [
    "Those who run it",
    // The other was deleted.
    ["owner"],
  ]);
  assertEquals(
    ["ann@example.com", "gone@example.com"].map((key) => accounts.user(key)!.isDeleted),
    [true, false],
  );
  const { server } = catalog.upstream("tracker")!;
  assertEquals([server.tags, server.visibility, server.timeoutMs], [["c"], "team", 90_000]);
  const [tool] = await world.tables.own.list();
  const { spec } = tool!.own!;
  assertEquals([spec.description, spec.kind === "tool" && spec.headers], ["Changed", {
    "X-Api-Key": SECRETS.tool,
  }]);
  const server2 = catalog.server("ops")!.server;
  assertEquals([server2.tools, server2.prompts], [[], ["greet"]]);
});

Deno.test("a secret that is known does not go to another address with an update", async () => {
  await using world = await openTransferWorld();
  await world.import(FULL);
  const url = "https://elsewhere.example.com/mcp";
  const { toFillIn } = await world.import({
    sallyport: 1,
    upstreams: [{ name: "Tracker", url, headers: { "X-Key": "*****" } }],
    tools: [{ ...FULL.tools[0], url: `${url}/{id}`, headers: { "X-Api-Key": "*****" } }],
  }, { strategy: "update" });
  assertEquals(toFillIn.map(({ name, what }) => `${name} ${what}`), [
    "tracker auth.token",
    "tracker headers.X-Key",
    "get_order headers.X-Api-Key",
  ]);
  const [row] = await world.tables.upstreams.list();
  assertEquals([row!.settings!.headers, row!.settings!.auth, row!.settings!.enabled], [
    {},
    { type: "none" },
    false,
  ]);
  const { own } = (await world.tables.own.list())[0]!;
  assertEquals([own!.spec.kind === "tool" && own!.spec.headers, own!.enabled], [{}, false]);
});

Deno.test("rename puts the bundle beside what is there, and names it by its new names", async () => {
  await using world = await openTransferWorld();
  await world.import(FULL);
  const { records } = await world.import(FULL, { strategy: "rename" });
  const renamed = records.filter(({ action }) => action === "renamed");
  assertEquals(renamed.map(({ name, newName }) => `${name} ${newName}`), [
    "Tracker tracker-2",
    "Renamed since wiki-2",
    "get_order get_order-2",
    "greet greet-2",
    "Operations ops-2",
  ]);
  const { server } = world.catalog.server("ops-2")!;
  assertEquals([server.tools, server.prompts, Object.keys(server.overrides.tools)], [
    ["tracker-2-*", "get_order-2"],
    ["greet-2"],
    ["get_order-2"],
  ]);
  const { items } = world.catalog.upstream("wiki-2")!;
  assertEquals(items.map(({ upstreamName, enabled }) => [upstreamName, enabled]), [
    ["wiki://start", false],
  ]);
});

Deno.test("fail is a conflict that names each record, and nothing is changed", async () => {
  await using world = await openTransferWorld();
  await world.import({ sallyport: 1, prompts: FULL.prompts });
  const before = await world.exported();
  await rejects(world.import(FULL, { strategy: "fail" }), (error) => {
    assert.ok(error instanceof FaultyRequest);
    assertEquals([error.code, error.faults], ["conflict", [
      { path: "prompts.0.name", message: "is there already" },
    ]]);
    return true;
  });
  assertEquals(await world.exported(), before);
});

Deno.test("a dry run says what would happen, and changes nothing", async () => {
  await using world = await openTransferWorld();
  await using other = await openTransferWorld();
  const before = await world.tables.changes.revision();
  const bad = { ...FULL.tools[0], name: "bad", url: "https://{host}/" };
  const document = { ...FULL, tools: [...FULL.tools, bad] };
  const dry = await world.import(document, { dryRun: true });
  assertEquals(actions(dry), { created: 17, failed: 1 });
  assert.match(dry.records.find(({ action }) => action === "failed")!.reason!, /^tools\.1\.url /);
  assertEquals(await world.tables.changes.revision(), before);
  const { dryRun: _, ...real } = await world.import(FULL);
  const { dryRun: _dry, ...told } = await other.import(FULL, { dryRun: true });
  assertEquals(real, told);
});

Deno.test("one record that is wrong, and nothing of the bundle is taken over", async () => {
  const tool = FULL.tools[0];
  const upstream = FULL.upstreams[0];
  const rows: readonly (readonly [string, object, string, string])[] = [
    ["an unknown list", { roots: [] }, "invalid_request", "roots"],
    ["a later form", { sallyport: 2 }, "invalid_request", "sallyport"],
    ["no list", { tools: {} }, "invalid_request", "tools"],
    ["an entry that is none", { tools: [null] }, "invalid_request", "tools.0"],
    [
      "an unknown member",
      { upstreams: [{ ...upstream, declared: true }] },
      "invalid_request",
      "upstreams.0.declared",
    ],
    ["an id", { tools: [{ ...tool, id: "x" }] }, "invalid_request", "tools.0.id"],
    [
      "a private address",
      { upstreams: [{ ...upstream, url: "http://169.254.169.254/" }] },
      "egress_denied",
      "upstreams.0",
    ],
    [
      "a tool at a private address",
      { tools: [{ ...tool, url: "http://127.0.0.1/", anyAddress: true }] },
      "egress_denied",
      "tools.0",
    ],
    [
      "a stdio server",
      { upstreams: [{ name: "sh", type: "stdio", command: "sh" }] },
      "invalid_request",
      "upstreams.0.url",
    ],
    ["one record twice", { tools: [tool, tool] }, "invalid_request", "tools.1"],
    [
      SLUGS,
      { servers: [{ name: "Tracker" }], upstreams: [upstream] },
      "conflict",
      "servers.0.slug",
    ],
    [
      "one name for two",
      {
        upstreams: [upstream],
        tools: [tool],
        items: [{ upstream: "tracker", kind: "tool", upstreamName: "x", name: "get_order" }],
      },
      "conflict",
      "items.0.name",
    ],
    [
      "a token for longer than any",
      {
        tokens: [{
          id: "a",
          name: "a",
          owner: "a@example.com",
          createdAt: "2026-01-01T00:00:00Z",
          expiresAt: "2036-01-01T00:00:00Z",
        }],
      },
      "invalid_request",
      "tokens.0.expiresAt",
    ],
    [
      "too many",
      { revocations: Array.from({ length: 10_001 }, (_, i) => ({ jti: `j${i}` })) },
      "invalid_request",
      "revocations",
    ],
  ];
  await using world = await openTransferWorld();
  for (const [what, lists, code, path] of rows) {
    const document = { sallyport: 1, prompts: FULL.prompts, ...lists };
    for (const strategy of what === SLUGS ? ["update"] as const : ["skip", "update"] as const) {
      await rejects(world.import(document, { strategy }), (error) => {
        assert.ok(error instanceof FaultyRequest, `${what}: ${error}`);
        const found = [error.code, error.faults[0]!.path];
        assertEquals(found, [code, path], `${what}: ${JSON.stringify(error.faults)}`);
        return true;
      });
    }
  }
  assertEquals(await world.tables.changes.revision(), 0);
});

Deno.test("nobody imports what he could not make by single calls", async () => {
  await using world = await openTransferWorld();
  await world.import({ sallyport: 1, prompts: FULL.prompts, users: FULL.users });
  const tool = { ...FULL.tools[0], owner: undefined, visibility: undefined };
  const rows: readonly (readonly [string, object])[] = [
    ["something public", { tools: [{ ...tool, visibility: "public" }] }],
    ["for others", { tools: [{ ...tool, owner: "bo@example.com" }] }],
    ["for a team", { servers: [{ name: "x", visibility: "team", teamId: "platform" }] }],
    ["a team", { teams: [{ name: "x" }] }],
    ["a user", { users: [{ email: CAROL.subject, isAdmin: true }] }],
    ["a revocation", { revocations: [{ subject: "root@example.com" }] }],
    ["a change of what is public", { prompts: [{ ...FULL.prompts[0], title: "Mine" }] }],
  ];
  for (const [what, lists] of rows) {
    await rejects(
      world.import({ sallyport: 1, ...lists }, { strategy: "update" }, CAROL),
      (error) => error instanceof FaultyRequest && error.code === "forbidden",
      what,
    );
  }
  const { records } = await world.import({ sallyport: 1, tools: [tool] }, {}, CAROL);
  assertEquals(records.map(({ action }) => action), ["created"]);
  const [made] = await world.tables.own.list();
  assertEquals(made!.audience, { visibility: "private", team: undefined, owner: CAROL.subject });
});

Deno.test("what is changed of items that are not discovered yet holds from their discovery on", async () => {
  await using world = await openTransferWorld();
  await world.import(FULL);
  const { server, items } = world.catalog.upstream("tracker")!;
  assert.ok(items.every(({ missingSinceMs }) => missingSinceMs !== undefined));
  const [hidden, renamed] = items;
  assertEquals([hidden!.exposedName, renamed!.exposedName], [
    "tracker-delete_all",
    "search_tickets",
  ]);
  assertEquals(anItem(server, "delete_all").upstreamName, hidden!.upstreamName);
  await world.tables.items.apply(server.id, {
    inserted: [],
    updated: [{ ...hidden!, missingSinceMs: undefined }],
    removed: [],
    offer: anOffer(),
  });
  await world.catalog.refresh();
  const found = world.catalog.upstream("tracker")!.items.find(({ id }) => id === hidden!.id)!;
  assertEquals([found.enabled, found.missingSinceMs], [false, undefined]);
});

Deno.test("items of a server that is not there are left out, and said to be", async () => {
  await using world = await openTransferWorld();
  const { records } = await world.import({ sallyport: 1, items: [FULL.items[0]] });
  assertEquals(records[0]!.action, "skipped");
  assert.match(records[0]!.reason!, /^No upstream server "tracker"/);
});

Deno.test("at the command line a tool keeps that it may be at any address, and no other gets it", async () => {
  await using world = await openTransferWorld(undefined, { isOperator: true });
  const local = { ...FULL.tools[0], url: "http://127.0.0.1:9/", headers: {} };
  await rejects(world.import({ sallyport: 1, tools: [local] }), { code: "egress_denied" });
  await world.import({ sallyport: 1, tools: [{ ...local, anyAddress: true }] });
  const { tools } = await world.exported();
  assertEquals(tools![0]!.anyAddress, true);
});

Deno.test("nobody takes his own rights away by an import", async () => {
  await using world = await openTransferWorld();
  const me = { email: ADMIN.subject, isAdmin: true };
  await world.import({ sallyport: 1, users: [me] });
  await rejects(
    world.import({ sallyport: 1, users: [{ ...me, isAdmin: false }] }, { strategy: "update" }),
    { code: "conflict" },
  );
});

Deno.test("that there have been teams is kept, though there are none", async () => {
  await using source = await openTransferWorld();
  await using target = await openTransferWorld();
  await source.people.teams.begin();
  await target.import(await source.exported());
  assertEquals([target.accounts.teamsHaveBeen(), (await target.exported()).teamsHaveBeen], [
    true,
    true,
  ]);
});
