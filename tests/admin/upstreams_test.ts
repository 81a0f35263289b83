/**
 * `/api/upstreams`: made, shown, changed, removed, tried out.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { GatewayError } from "../../src/domain/errors.ts";
import type { StdioUpstream } from "../../src/domain/server.ts";
import {
  adminWorld,
  anItem,
  anOffer,
  anUpstream,
  DENIED_HOST,
  type Json,
} from "../support/admin_world.ts";
import { until } from "../support/until.ts";

const NEW = { name: "Git Hub!", url: "https://a.example/mcp" };

Deno.test("POST answers 201 with the record, its place and its version", async () => {
  const { call } = await adminWorld();
  const { status, headers, json } = await call("POST", "/api/upstreams", { body: NEW });
  assertEquals([status, headers.get("location")], [201, `/api/upstreams/${json.id}`]);
  assertEquals(/^"[\w-]+\.1"$/.test(headers.get("etag")!), true);
});

Deno.test("a new server has all members of the contract, and what was left out is said plainly", async () => {
  const { call } = await adminWorld();
  const { json: { id: _, ...record } } = await call("POST", "/api/upstreams", { body: NEW });
  assertEquals(record, {
    slug: "git-hub",
    name: "Git Hub!",
    type: "http",
    url: "https://a.example/mcp",
    headers: {},
    auth: { type: "none" },
    visibility: "public",
    owner: "root@example.com",
    passthroughHeaders: [],
    enabled: true,
    expose: true,
    tags: [],
    declared: false,
    status: "unknown",
    protocolRevision: null,
    capabilities: null,
    lastSeenAt: null,
    createdAt: "2026-08-01T00:00:00.000Z",
    updatedAt: "2026-08-01T00:00:00.000Z",
  });
});

Deno.test("everything that can be given comes back as it was given", async () => {
  const { call } = await adminWorld();
  const given = {
    title: "Things",
    type: "sse",
    visibility: "team",
    teamId: "red",
    owner: "alice@example.com",
    passthroughHeaders: ["x-tenant"],
    timeout: "90s",
    enabled: false,
    expose: false,
    tags: ["a", "b"],
  };
  const { json } = await call("POST", "/api/upstreams", { body: { ...NEW, ...given } });
  assertEquals({ ...json, ...given }, json);
});

for (const [given, shown] of [[90, "90s"], ["5m", "300s"], [0.5, "500ms"], ["250ms", "250ms"]]) {
  Deno.test(`a timeout of ${JSON.stringify(given)} reads as ${shown}`, async () => {
    const { call } = await adminWorld();
    const { json } = await call("POST", "/api/upstreams", { body: { ...NEW, timeout: given } });
    assertEquals(json.timeout, shown);
  });
}

Deno.test("what was written is seen at once, by id and by slug", async () => {
  const { call } = await adminWorld();
  const { json } = await call("POST", "/api/upstreams", { body: NEW });
  assertEquals((await call("GET", `/api/upstreams/${json.id}`)).json, json);
  assertEquals((await call("GET", "/api/upstreams/git-hub")).json, json);
});

Deno.test("HEAD is GET without the body", async () => {
  const { call } = await adminWorld();
  await call("POST", "/api/upstreams", { body: NEW });
  const head = await call("HEAD", "/api/upstreams/git-hub");
  const get = await call("GET", "/api/upstreams/git-hub");
  assertEquals([head.status, head.text], [200, ""]);
  assertEquals([...head.headers], [...get.headers]);
});

Deno.test("a slug that is taken is a conflict that names it, whichever kind of server has it", async () => {
  const { call } = await adminWorld();
  await call("POST", "/api/servers", { body: { name: "git hub" } });
  const { status, json } = await call("POST", "/api/upstreams", { body: NEW });
  assertEquals([status, json.code], [409, "conflict"]);
  assertEquals(json.title.includes('"git-hub"'), true);
});

Deno.test("of 20 servers of one name that are made at once, one is", async () => {
  const { call } = await adminWorld();
  const all = await Promise.all(
    Array.from({ length: 20 }, () => call("POST", "/api/upstreams", { body: NEW })),
  );
  assertEquals(all.map(({ status }) => status).sort(), [201, ...Array(19).fill(409)]);
});

Deno.test("a server that cannot be reached is added all the same, and says so", async () => {
  const world = await adminWorld();
  world.discover = (id) => {
    const lastError = "The upstream server refused the connection";
    world.statuses.set(id, { status: "unreachable", lastSeenMs: undefined, lastError });
    return Promise.reject(new GatewayError("upstream_unavailable", lastError));
  };
  const { status, json } = await world.call("POST", "/api/upstreams", { body: NEW });
  assertEquals([status, json.status], [201, "unreachable"]);
  assertEquals(json.lastError, "The upstream server refused the connection");
});

Deno.test("a server that never answers is waited for 3 s, and added all the same", async () => {
  const world = await adminWorld();
  world.discover = () => new Promise(() => {});
  const answer = world.call("POST", "/api/upstreams", { body: NEW });
  let isAnswered = false;
  answer.then(() => isAnswered = true);
  await until("it waits", () => world.catalog.upstream("git-hub") && world.timers.open() > 0);
  world.timers.advance(2_900);
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(isAnswered, false);
  world.timers.advance(200);
  const { status, json } = await answer;
  assertEquals([status, json.status, world.timers.open()], [201, "unknown", 0]);
});

Deno.test("a server that is added switched off is not discovered", async () => {
  const world = await adminWorld();
  let wasAsked = false;
  world.discover = () => (wasAsked = true, Promise.resolve());
  const { json } = await world.call("POST", "/api/upstreams", { body: { ...NEW, enabled: false } });
  assertEquals([json.status, wasAsked], ["disabled", false]);
});

for (
  const [what, change] of [
    ["an address", { url: `http://${DENIED_HOST}/mcp` }],
    ["a scheme", { url: "file:///etc/passwd" }],
    ["a token endpoint", {
      auth: {
        type: "oauth_client_credentials",
        tokenUrl: `http://${DENIED_HOST}/token`,
        clientId: "a",
        clientSecret: "b",
      },
    }],
  ] as const
) {
  Deno.test(`${what} that the egress policy denies is refused before anything is kept or connected`, async () => {
    const world = await adminWorld();
    const body = { ...NEW, ...change };
    const made = await world.call("POST", "/api/upstreams", { body });
    const tried = await world.call("POST", "/api/upstreams/test", { body });
    const found = world.catalog.upstreams().length + world.tested.length;
    assertEquals([made.status, tried.status, found], [400, 400, 0]);
    assertEquals([made.json.code, tried.json.code], ["egress_denied", "egress_denied"]);
  });

  Deno.test(`${what} that the egress policy denies cannot be put into a record later`, async () => {
    const { call } = await adminWorld();
    await call("POST", "/api/upstreams", { body: NEW });
    const { status } = await call("PATCH", "/api/upstreams/git-hub", { body: change });
    const after = await call("GET", "/api/upstreams/git-hub");
    assertEquals([status, after.json.url, after.json.auth.type], [400, NEW.url, "none"]);
  });
}

for (
  const [what, url] of [
    ["credentials", "https://user:pass@a.example/mcp"],
    ["a user", "https://user@a.example/mcp"],
    ["a fragment", "https://a.example/mcp#x"],
  ]
) {
  Deno.test(`a URL with ${what} in it is refused`, async () => {
    const { call } = await adminWorld();
    const { status, text } = await call("POST", "/api/upstreams", { body: { ...NEW, url } });
    assertEquals([status, text.includes("pass@")], [400, false]);
  });
}

const REFUSED: readonly (readonly [string, object, string])[] = [
  ["a relative URL", { url: "/mcp" }, "url"],
  ["no URL", { url: undefined }, "url"],
  ["a URL of 2049 characters", { url: `https://a.example/${"x".repeat(2031)}` }, "url"],
  ["the type stdio", { type: "stdio" }, "type"],
  ["an unknown type", { type: "ws" }, "type"],
  ["a command", { command: "rm" }, "command"],
  ["an id of its own", { id: "x" }, "id"],
  ["a slug of its own", { slug: "x" }, "slug"],
  ["that it is declared", { declared: true }, "declared"],
  ["a status", { status: "connected" }, "status"],
  ["a place", { seq: 1 }, "seq"],
  ["when it was made", { createdAt: "2020-01-01" }, "createdAt"],
  ["a team as the config file has it", { team: "red" }, "team"],
  ["a name without letters", { name: "!!!" }, "name"],
  ["an empty name", { name: "" }, "name"],
  ["a name with a line break", { name: "a\nb" }, "name"],
  ["a name with a zero byte", { name: "a\0b" }, "name"],
  ["half a surrogate pair", { title: "\ud800" }, "title"],
  ["a name of 129 characters", { name: "a".repeat(129) }, "name"],
  ["a team without its name", { visibility: "team" }, "teamId"],
  ["an unknown visibility", { visibility: "all" }, "visibility"],
  ["no timeout at all", { timeout: "soon" }, "timeout"],
  ["a timeout of nothing", { timeout: 0 }, "timeout"],
  ["a timeout of days", { timeout: "2d" }, "timeout"],
  ["a negative timeout", { timeout: -1 }, "timeout"],
  ["a framing header", { headers: { "Content-Length": "1" } }, "headers.Content-Length"],
  ["the Host header", { headers: { host: "b" } }, "headers.host"],
  ["a header of MCP", { headers: { "Mcp-Session-Id": "b" } }, "headers.Mcp-Session-Id"],
  ["a header with a space in its name", { headers: { "a b": "c" } }, "headers.a b"],
  ["a header over two lines", { headers: { a: "b\r\nc: d" } }, "headers.a"],
  ["a header twice", { headers: { "X-A": "1", "x-a": "2" } }, "headers.x-a"],
  ["a header that is a number", { headers: { a: 1 } }, "headers.a"],
  [
    "the client's credential passed on",
    { passthroughHeaders: ["Authorization"] },
    "passthroughHeaders.0",
  ],
  ["a cookie passed on", { passthroughHeaders: ["cookie"] }, "passthroughHeaders.0"],
  ["an unknown credential", { auth: { type: "magic" } }, "auth.type"],
  ["a credential with a member too many", { auth: { type: "none", token: "x" } }, "auth.token"],
  ["a credential with a member too few", { auth: { type: "bearer" } }, "auth.token"],
  ["a token over two lines", { auth: { type: "bearer", token: "a\nb" } }, "auth.token"],
  [
    "a colon in a user's name",
    { auth: { type: "basic", username: "a:b", password: "c" } },
    "auth.username",
  ],
  ["a token endpoint that is no URL", {
    auth: { type: "oauth_client_credentials", tokenUrl: "x", clientId: "a", clientSecret: "b" },
  }, "auth.tokenUrl"],
  ["tags that are a text", { tags: "a" }, "tags"],
  ["65 tags", { tags: Array.from({ length: 65 }, (_, i) => `t${i}`) }, "tags"],
];

for (const [what, members, path] of REFUSED) {
  Deno.test(`${what} is refused, naming ${path}, and nothing is kept`, async () => {
    const { call, catalog } = await adminWorld();
    const body = { ...NEW, ...members };
    const { status, json } = await call("POST", "/api/upstreams", { body });
    assertEquals([status, json.code], [400, "invalid_request"]);
    assertEquals([json.errors[0].path, catalog.upstreams().length], [path, 0]);
  });
}

Deno.test("that stdio servers belong in the config file is said in a sentence", async () => {
  const { call } = await adminWorld();
  const { json } = await call("POST", "/api/upstreams", { body: { ...NEW, type: "stdio" } });
  assertEquals(
    json.errors[0].message,
    'An upstream server of the type "stdio" can be declared in the config file only',
  );
});

Deno.test("all that is wrong is said at once", async () => {
  const { call } = await adminWorld();
  const body = { name: 1, url: "x", tags: [""], more: true };
  const { json } = await call("POST", "/api/upstreams", { body });
  const paths = json.errors.map(({ path }: { path: string }) => path).sort();
  assertEquals(paths, ["more", "name", "tags.0", "url"]);
});

Deno.test("PATCH changes the members that are given, and no other", async () => {
  const { call } = await adminWorld();
  const before = { ...NEW, title: "A", timeout: 5, tags: ["x"], headers: { a: "b" } };
  const { json } = await call("POST", "/api/upstreams", { body: before });
  const after = await call("PATCH", "/api/upstreams/git-hub", { body: { title: "B" } });
  assertEquals(after.json, { ...json, title: "B" });
});

Deno.test("null clears what may be absent", async () => {
  const { call } = await adminWorld();
  const auth = { type: "bearer", token: "t" };
  const full = { title: "A", timeout: 5, tags: ["x"], headers: { a: "b" }, auth, owner: "bob" };
  await call("POST", "/api/upstreams", { body: { ...NEW, ...full, passthroughHeaders: ["x-a"] } });
  const nothing = Object.fromEntries(
    [...Object.keys(full), "passthroughHeaders"].map((name) => [name, null]),
  );
  const { status, json } = await call("PATCH", "/api/upstreams/git-hub", { body: nothing });
  const { title, timeout, tags, headers, passthroughHeaders, owner } = json;
  assertEquals(status, 200);
  assertEquals({ title, timeout, tags, headers, passthroughHeaders, owner, auth: json.auth }, {
    title: undefined,
    timeout: undefined,
    tags: [],
    headers: {},
    passthroughHeaders: [],
    owner: undefined,
    auth: { type: "none" },
  });
});

for (const member of ["name", "url", "enabled", "visibility", "type"]) {
  Deno.test(`null does not clear ${member}, which every server has`, async () => {
    const { call } = await adminWorld();
    await call("POST", "/api/upstreams", { body: NEW });
    const { status } = await call("PATCH", "/api/upstreams/git-hub", { body: { [member]: null } });
    assertEquals(status, 400);
  });
}

Deno.test("a new name leaves the slug, and with it every URL", async () => {
  const { call } = await adminWorld();
  await call("POST", "/api/upstreams", { body: NEW });
  const { json } = await call("PATCH", "/api/upstreams/git-hub", { body: { name: "Other" } });
  assertEquals([json.name, json.slug], ["Other", "git-hub"]);
});

Deno.test("of changes that are made at once, each is kept", async () => {
  const { call } = await adminWorld();
  await call("POST", "/api/upstreams", { body: NEW });
  const changes = [{ title: "T" }, { timeout: 7 }, { tags: ["a"] }, { expose: false }];
  await Promise.all(changes.map((body) => call("PATCH", "/api/upstreams/git-hub", { body })));
  const { json: { title, timeout, tags, expose } } = await call("GET", "/api/upstreams/git-hub");
  assertEquals({ title, timeout, tags, expose }, {
    title: "T",
    timeout: "7s",
    tags: ["a"],
    expose: false,
  });
});

Deno.test("a server that the policy would deny today can still be switched off", async () => {
  const world = await adminWorld();
  await world.tables.upstreams.create({
    id: "old",
    slug: "old",
    name: "old",
    declared: false,
    settings: { ...settingsOf(), url: `http://${DENIED_HOST}/mcp` },
  });
  await world.catalog.refresh();
  const { status } = await world.call("PATCH", "/api/upstreams/old", { body: { enabled: false } });
  assertEquals(status, 200);
});

Deno.test("DELETE answers 204 with nothing, and the server is gone with its items", async () => {
  const world = await adminWorld();
  const { json } = await world.call("POST", "/api/upstreams", { body: NEW });
  await world.stock(json.id, [anItem(json, "x")]);
  const gone = await world.call("DELETE", "/api/upstreams/git-hub");
  const again = await world.call("DELETE", "/api/upstreams/git-hub");
  assertEquals([gone.status, gone.text, again.status], [204, "", 404]);
  assertEquals((await world.call("GET", "/api/tools")).json.items, []);
});

for (const method of ["PATCH", "DELETE"]) {
  Deno.test(`${method} of a server that the config file declares is a conflict`, async () => {
    const { call, declare } = await adminWorld();
    await declare([anUpstream()]);
    const body = method === "PATCH" ? { body: { title: "x" } } : {};
    const { status, json } = await call(method, "/api/upstreams/alpha", body);
    assertEquals([status, json.code], [409, "declared"]);
  });
}

Deno.test("of a stdio server the program is shown, and neither its path, arguments nor environment", async () => {
  const world = await adminWorld();
  const { url: _, headers: __, auth: ___, transport: ____, ...base } = anUpstream();
  const stdio: StdioUpstream = {
    ...base,
    transport: "stdio",
    command: "/opt/private/bin/files",
    args: ["--key", "CANARY"],
    env: { TOKEN: "CANARY" },
    cwd: "/srv/CANARY",
  };
  await world.catalog.declare({ upstreams: [stdio], servers: [] });
  const { text, json } = await world.call("GET", "/api/upstreams/alpha");
  assertEquals([json.type, json.command], ["stdio", "files"]);
  assertEquals(/CANARY|TOKEN|private/.test(text), false);
});

Deno.test("a test says what would be found and keeps nothing", async () => {
  const world = await adminWorld();
  const offer = anOffer({ dropped: [{ kind: "tool", name: "bad", reason: "no name" }] });
  world.test = (server) => {
    const items = [anItem(server, "a"), anItem(server, "b://c", { kind: "resource" })];
    return Promise.resolve({ offer, items, problem: undefined });
  };
  const { status, json } = await world.call("POST", "/api/upstreams/test", { body: NEW });
  assertEquals(status, 200);
  assertEquals(json, {
    status: "connected",
    protocolRevision: "2025-11-25",
    capabilities: { tools: {} },
    tools: ["a"],
    prompts: [],
    resources: ["b://c"],
    templates: [],
    dropped: offer.dropped,
  });
  assertEquals([world.catalog.upstreams(), await world.tables.changes.revision()], [[], 0]);
});

Deno.test("a test of a server that cannot be reached is an answer, with the reason", async () => {
  const world = await adminWorld();
  world.test = () => Promise.reject(new GatewayError("upstream_unavailable", "No connection"));
  const { status, json } = await world.call("POST", "/api/upstreams/test", { body: NEW });
  assertEquals([status, json.status, json.error], [200, "unreachable", "No connection"]);
});

Deno.test("a fault of the gateway's own in a test is not blamed on the server", async () => {
  const world = await adminWorld();
  world.test = () => Promise.reject(new TypeError("CANARY"));
  const { status, text } = await world.call("POST", "/api/upstreams/test", { body: NEW });
  assertEquals([status, text.includes("CANARY")], [500, false]);
});

Deno.test("a server that is tried out is bound to the policy of the API", async () => {
  const world = await adminWorld();
  await world.call("POST", "/api/upstreams/test", { body: NEW });
  assertEquals(world.tested.map(({ declared }) => declared), [false]);
});

Deno.test("a server may be called test", async () => {
  const { call } = await adminWorld();
  await call("POST", "/api/upstreams", { body: { ...NEW, name: "test" } });
  const read = await call("GET", "/api/upstreams/test");
  const gone = await call("DELETE", "/api/upstreams/test");
  assertEquals([read.json.slug, gone.status], ["test", 204]);
});

Deno.test("a refresh says what has come, changed, gone missing, come back, and been forgotten", async () => {
  const world = await adminWorld();
  const { json } = await world.call("POST", "/api/upstreams", { body: NEW });
  const item = (name: string, missingSinceMs?: number) => anItem(json, name, { missingSinceMs });
  const before = [item("same"), item("new text"), item("lost"), item("back", 1), item("old", 1)];
  await world.stock(json.id, before);
  world.discover = (id) =>
    world.tables.items.apply(id, {
      inserted: [item("added")],
      updated: [{ ...item("new text"), definition: "{}" }, item("lost", 2), item("back")],
      removed: [item("old").id],
      offer: anOffer(),
    });
  const { status, json: answer } = await world.call("POST", "/api/upstreams/git-hub/refresh");
  const names = (list: Json) => list.map(({ kind, name }: Json) => `${kind} ${name}`);
  assertEquals(status, 200);
  assertEquals(
    ["added", "changed", "missing", "restored", "removed"].map((how) => names(answer[how])),
    [["tool added"], ["tool new text"], ["tool lost"], ["tool back"], ["tool old"]],
  );
  assertEquals(answer.found, { tools: 4, prompts: 0, resources: 0, templates: 0 });
});

Deno.test("a refresh that fails is an answer that says why", async () => {
  const world = await adminWorld();
  const { json } = await world.call("POST", "/api/upstreams", { body: NEW });
  world.statuses.set(json.id, { status: "unreachable", lastSeenMs: 0, lastError: "Gone" });
  world.discover = () => Promise.reject(new GatewayError("upstream_timeout", "Gone"));
  const { status, json: answer } = await world.call("POST", "/api/upstreams/git-hub/refresh");
  assertEquals([status, answer.status, answer.error], [200, "unreachable", "Gone"]);
});

Deno.test("a refresh of a server that is switched off is a conflict", async () => {
  const { call } = await adminWorld();
  await call("POST", "/api/upstreams", { body: { ...NEW, enabled: false } });
  const { status } = await call("POST", "/api/upstreams/git-hub/refresh");
  assertEquals(status, 409);
});

Deno.test("when a server was last seen is a date, and what it said about itself is shown", async () => {
  const world = await adminWorld();
  const { json } = await world.call("POST", "/api/upstreams", { body: NEW });
  await world.stock(json.id, []);
  world.statuses.set(json.id, { status: "connected", lastSeenMs: 0, lastError: undefined });
  const { json: after } = await world.call("GET", "/api/upstreams/git-hub");
  assertEquals(
    [after.status, after.lastSeenAt, after.protocolRevision, after.capabilities],
    ["connected", "1970-01-01T00:00:00.000Z", "2025-11-25", { tools: {} }],
  );
});

function settingsOf() {
  const { id: _, slug: __, name: ___, declared: ____, seq: _____, ...settings } = anUpstream();
  return settings;
}
