/**
 * The audit trail of a gateway: what happened is in it, who may read it, and what becomes of calls
 * that cannot be recorded.
 *
 * @module
 * @see security.md, AUD-01 to AUD-08, F36, F60; `docs/audit.md`
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { AuditRecord } from "../../src/events/audit.ts";
import { isRecord } from "../../src/events/audit_chain.ts";
import { openFolder } from "../../src/platform/folder.ts";
import { auditLines, auditRecords } from "../support/audit_world.ts";
import {
  EVERYTHING_PATH,
  type EverythingWorld,
  openEverythingWorld,
  startEverything,
} from "../support/everything.ts";
import { CALL, openInstallation, slowCall } from "../support/gateway_program.ts";
import { often } from "../support/long.ts";
import { callModern, modernBytes, type ModernCall } from "../support/modern.ts";
import { openRaw } from "../support/open_reply.ts";
import { runProgram } from "../support/program.ts";
import { openSession, sessionBody, toolCall } from "../support/session_client.ts";
import { greetOld } from "../support/old_sse_client.ts";
import { startGateway } from "../support/processes.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";

/** `GATEWAY_KILL_ROUNDS` says how often it is killed. */
const ROUNDS = Number(Deno.env.get("GATEWAY_KILL_ROUNDS") ?? often(10, 3));

type Entry = AuditRecord & { readonly time: number };

/** What the gateway has recorded so far of a correlation id's request, or of all. */
function recordsOf({ gateway }: Pick<EverythingWorld, "gateway">): readonly Entry[] {
  return auditRecords(openFolder(`${gateway.dataDir}/audit`)) as unknown as readonly Entry[];
}

/** The ends of calls, once there are so many. */
async function ends(world: Pick<EverythingWorld, "gateway">, count: number) {
  const ended = () => recordsOf(world).filter(({ action }) => action === "call.end");
  return await until("the ends of calls", () => ended().length >= count && ended());
}

const TEXT: ModernCall = { params: { name: "test_simple_text", arguments: { canary: "GULL-77" } } };
const TOOL_ERROR: ModernCall = { params: { name: "test_error_handling", arguments: {} } };

Deno.test("AUD-01: a call is recorded with who, what, where and how it ended", async () => {
  await using world = await openEverythingWorld();
  const { gateway: { origin }, token } = world;
  await callModern(origin, { ...TEXT, path: EVERYTHING_PATH, token });
  await ends(world, 1);
  const [success, start, end] = recordsOf(world);
  assertEquals([success!.action, start!.action, end!.action], [
    "auth.success",
    "call.start",
    "call.end",
  ]);
  const facts = (one: AuditRecord) => {
    const { subject, kind, address, method, name, endpoint, upstream } = one;
    return { subject, kind, address, method, name, endpoint, upstream };
  };
  assertEquals(facts(start!), {
    subject: "alice@example.com",
    kind: "gateway_jwt",
    address: "127.0.0.1",
    method: "tools/call",
    name: "test_simple_text",
    endpoint: "/servers/everything",
    upstream: "everything",
  });
  assertEquals(facts(end!), facts(start!));
  assertEquals([start!.id, start!.token, end!.outcome], [end!.id, success!.token, "ok"]);
  assert(end!.bytes! > 0 && end!.ms! >= 0 && start!.token?.length === 32);
});

const WAYS: Readonly<Record<string, (world: EverythingWorld) => Promise<unknown>>> = {
  "stateless, one server": ({ gateway, token }) =>
    callModern(gateway.origin, { ...TOOL_ERROR, path: EVERYTHING_PATH, token }),
  "stateless, all servers": ({ gateway, token }) =>
    callModern(gateway.origin, {
      params: { name: "everything-test_error_handling", arguments: {} },
      token,
    }),
  "a session, one server": async ({ gateway, token }) => {
    await using session = await openSession(gateway.origin, { path: EVERYTHING_PATH, token });
    await session.send(toolCall("test_error_handling"));
  },
  "a session, all servers": async ({ gateway, token }) => {
    await using session = await openSession(gateway.origin, { token });
    await session.send(toolCall("everything-test_error_handling"));
  },
  "the transport of 2024-11-05": async ({ gateway, token }) => {
    using stream = await greetOld(gateway.origin, { path: "/servers/everything/sse", token });
    await stream.call(1, "test_error_handling");
    await stream.response(1);
  },
};

for (const [way, call] of Object.entries(WAYS)) {
  Deno.test(`AUD-01: a tool that fails is recorded as such: ${way}`, async () => {
    await using world = await openEverythingWorld();
    await call(world);
    const found = await ends(world, 1);
    assertEquals(found.map(({ outcome, upstream }) => [outcome, upstream]), [
      ["tool_error", "everything"],
    ]);
  });
}

Deno.test("AUD-01: without sessions a call of the session era is recorded", async () => {
  await using world = await openEverythingWorld({ env: { USE_STATEFUL_SESSIONS: "false" } });
  const { gateway: { origin }, token } = world;
  await fetch(`${origin}${EVERYTHING_PATH}`, {
    method: "POST",
    headers: {
      "Authorization": `Bearer ${token}`,
      "Content-Type": "application/json",
      "Accept": "application/json, text/event-stream",
    },
    body: sessionBody({ ...toolCall("test_simple_text") }),
  }).then((reply) => reply.text());
  assertEquals((await ends(world, 1)).map(({ outcome }) => outcome), ["ok"]);
});

Deno.test("AUD-03: members of a batch are recorded one by one", async () => {
  await using world = await openEverythingWorld();
  const { gateway: { origin }, token } = world;
  await using session = await openSession(origin, {
    path: EVERYTHING_PATH,
    token,
    revision: "2025-03-26",
  });
  const calls = ["test_simple_text", "test_error_handling", "no_such_tool"];
  const body = calls.map((name, i) => sessionBody({ ...toolCall(name), idText: `${i + 1}` }));
  await session.send({ body: `[${body.join(",")}]` });
  const found = await ends(world, 3);
  const sorted = found.toSorted((a, b) => a.id! < b.id! ? -1 : 1);
  assertEquals(sorted.map(({ id, name }) => [id!.at(-1), name]), [
    ["1", "test_simple_text"],
    ["2", "test_error_handling"],
    ["3", "no_such_tool"],
  ]);
  assertEquals(sorted[1]!.outcome, "tool_error");
});

Deno.test("F60: a call whose client has left is recorded as cancelled", async () => {
  await using world = await openEverythingWorld();
  const { gateway: { origin }, token } = world;
  const open = await openRaw(
    origin,
    modernBytes(origin, { ...slowCall(20_000), path: EVERYTHING_PATH, token }),
  );
  await until("the call", async () => (await world.upstream.stats()).started > 0);
  open.close();
  assertEquals((await ends(world, 1)).map(({ outcome }) => outcome), ["cancelled"]);
});

Deno.test("AUD-01: refusals are recorded, and a flood of them is counted", async () => {
  await using world = await openEverythingWorld();
  const { gateway: { origin } } = world;
  for (let i = 0; i < 20; i++) await callModern(origin, { ...TEXT, token: "bad" });
  const scoped = await mintToken({ scopes: { permissions: ["tools.read"] } });
  await callModern(origin, { ...TEXT, token: scoped });
  await callModern(origin, { ...TEXT, token: scoped, path: "/servers/hidden/mcp" });
  const found = await until("refusals", () => {
    const all = recordsOf(world).filter(({ outcome }) => outcome === "denied");
    return all.length >= 3 && all;
  });
  assertEquals(
    found.map(({ action, code, method, name, subject }) => [action, code, method, name, subject]),
    [
      ["auth.failure", "unauthenticated", "POST", undefined, undefined],
      ["denied", "forbidden", "tools/call", "test_simple_text", "alice@example.com"],
      ["denied", "not_found", "POST", undefined, "alice@example.com"],
    ],
  );
});

const NOBODYS = { visibility: "private", owner: "bob@example.com" };

Deno.test("AUTHZ-09: whose private server is used, and hidden ones that are tried, is said", async () => {
  await using upstream = await startEverything();
  await using gateway = await startGateway({
    config: {
      mcpServers: { secret: { type: "http", url: `${upstream.origin}/mcp`, ...NOBODYS } },
    },
    env: { JWT_SECRET_KEY: TEST_JWT_SECRET },
  });
  const admin = await mintToken({ sub: "root@example.com", is_admin: true });
  const call = { params: { name: "secret-test_simple_text", arguments: {} } };
  for (const token of [admin, await mintToken()]) {
    await callModern(gateway.origin, { ...call, token });
  }
  const found = await ends({ gateway }, 2);
  assertEquals(found.map(({ access, outcome }) => [access, outcome]), [
    ["admin", "ok"],
    ["hidden", "error"],
  ]);
});

Deno.test("AUD-01: the client's address is what a trusted proxy says, and nobody else", async () => {
  for (const [proxies, address] of [["127.0.0.0/8", "203.0.113.9"], ["", "127.0.0.1"]]) {
    await using world = await openEverythingWorld({ env: { TRUSTED_PROXIES: proxies! } });
    const headers = { "X-Forwarded-For": "198.51.100.1, 203.0.113.9, 127.0.0.3" };
    const { gateway: { origin }, token } = world;
    await callModern(origin, { ...TEXT, path: EVERYTHING_PATH, token, headers });
    assertEquals((await ends(world, 1)).map((one) => one.address), [address]);
  }
});

Deno.test("the end of a session is recorded", async () => {
  await using world = await openEverythingWorld();
  const { gateway: { origin }, token } = world;
  await (await openSession(origin, { path: EVERYTHING_PATH, token })).end();
  const found = await until(
    "the end",
    () => recordsOf(world).find(({ action }) => action === "session.end"),
  );
  assertEquals([found.code, found.subject, found.endpoint], [
    "closed",
    "alice@example.com",
    "/servers/everything",
  ]);
});

Deno.test("AUD-05: arguments and credentials are in no file of the audit", async () => {
  await using world = await openEverythingWorld();
  const { gateway, token } = world;
  const calls = [1, 2].map(() =>
    callModern(gateway.origin, { ...TEXT, path: EVERYTHING_PATH, token })
  );
  await Promise.all(calls);
  await ends(world, 2);
  const text = auditLines(openFolder(`${gateway.dataDir}/audit`)).join("\n");
  assertEquals([text.includes("GULL-77"), text.includes(token)], [false, false]);
  const hashes = recordsOf(world).flatMap(({ args }) => args ?? []);
  assertEquals([hashes.length, new Set(hashes).size], [2, 1]);
});

interface Api {
  readonly get: (path: string, token?: string) => Promise<Response>;
  readonly admin: string;
}

async function api({ gateway: { origin } }: Pick<EverythingWorld, "gateway">): Promise<Api> {
  const admin = await mintToken({ sub: "root@example.com", is_admin: true });
  const get = (path: string, token = admin) =>
    fetch(origin + path, { headers: { Authorization: `Bearer ${token}` } });
  return { get, admin };
}

Deno.test("AUD-07: only administrators read the audit, and that they do is in it", async () => {
  await using world = await openEverythingWorld();
  const { get } = await api(world);
  const plain = await mintToken();
  const team = await mintToken({ is_admin: true, teams: ["red"] });
  const scoped = await mintToken({ is_admin: true, scopes: { permissions: ["tools.read"] } });
  const statuses = await Promise.all(
    [plain, team, scoped].map(async (token) => {
      const reply = await get("/api/audit", token);
      await reply.body?.cancel();
      return reply.status;
    }),
  );
  assertEquals(statuses, [403, 403, 403]);
  await (await get("/api/audit")).body?.cancel();
  const { items } = await (await get("/api/audit?action=admin.read")).json();
  assertEquals(items.map((one: AuditRecord) => [one.subject, one.method]), [
    ["root@example.com", "GET /api/audit"],
    ["root@example.com", "GET /api/audit"],
  ]);
});

Deno.test("AUD-01: a change through the API is recorded with its outcome", async () => {
  await using world = await openEverythingWorld();
  const { admin } = await api(world);
  const { gateway: { origin } } = world;
  const create = (body: unknown) =>
    fetch(`${origin}/api/teams`, {
      method: "POST",
      headers: { Authorization: `Bearer ${admin}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    }).then((reply) => reply.text());
  await create({ name: "Red" });
  await create({ name: "Red" });
  const found = await until("changes", () => {
    const all = recordsOf(world).filter(({ action }) => action.startsWith("admin."));
    return all.length >= 4 && all;
  });
  assertEquals(found.map(({ action, method, outcome, code }) => [action, method, outcome, code]), [
    ["admin.start", "POST /api/teams", undefined, undefined],
    ["admin.end", "POST /api/teams", "ok", undefined],
    ["admin.start", "POST /api/teams", undefined, undefined],
    ["admin.end", "POST /api/teams", "error", "conflict"],
  ]);
});

Deno.test("the audit is read in pages, filtered, the newest first", async () => {
  await using world = await openEverythingWorld();
  const { get } = await api(world);
  const { gateway: { origin }, token } = world;
  for (let i = 0; i < 5; i++) await callModern(origin, { ...TEXT, path: EVERYTHING_PATH, token });
  await callModern(origin, { ...TOOL_ERROR, path: EVERYTHING_PATH, token });
  await ends(world, 6);
  const query = "/api/audit?subject=ALICE@example.com&action=call.end&limit=4";
  const first = await (await get(query)).json();
  const second = await (await get(`${query}&cursor=${first.nextCursor}`)).json();
  const outcomes = [...first.items, ...second.items].map(({ outcome }) => outcome);
  assertEquals(outcomes, ["tool_error", "ok", "ok", "ok", "ok", "ok"]);
  const times = [...first.items, ...second.items].map(({ time }) => time);
  assertEquals(times, times.toSorted().toReversed());
  const failed = await (await get("/api/audit?outcome=tool_error")).json();
  assertEquals(failed.items.length, 1);
  const later = await (await get(`/api/audit?from=${new Date(Date.now() + 1e6).toISOString()}`))
    .json();
  assertEquals(later, { items: [] });
});

Deno.test("AUDIT=false records nothing", async () => {
  await using world = await openEverythingWorld({ env: { AUDIT: "false" } });
  const { gateway, token } = world;
  await callModern(gateway.origin, { ...TEXT, path: EVERYTHING_PATH, token });
  assertEquals(openFolder(`${gateway.dataDir}/audit`).list(), []);
});

/** Something that is no folder stands where the folder was: nothing can be written, as on a full disk. */
function blocked(dataDir: string): { free: () => void } {
  Deno.writeTextFileSync(`${dataDir}/audit`, "");
  return { free: () => Deno.removeSync(`${dataDir}/audit`) };
}

const UNRECORDED: Readonly<Record<string, (world: EverythingWorld) => Promise<number>>> = {
  "a stateless call": async ({ gateway, token }) =>
    (await callModern(gateway.origin, { ...TEXT, path: EVERYTHING_PATH, token })).status,
  "a call of a session": async ({ gateway, token }) => {
    await using session = await openSession(gateway.origin, { path: EVERYTHING_PATH, token });
    return (await session.send(toolCall("test_simple_text"))).status;
  },
  "a change through the API": async (world) => {
    const { admin } = await api(world);
    const reply = await fetch(`${world.gateway.origin}/api/teams`, {
      method: "POST",
      headers: { Authorization: `Bearer ${admin}`, "Content-Type": "application/json" },
      body: JSON.stringify({ name: `Team ${crypto.randomUUID()}` }),
    });
    await reply.body?.cancel();
    return reply.status === 201 ? 200 : reply.status;
  },
};

for (const [what, call] of Object.entries(UNRECORDED)) {
  Deno.test(`AUD-02, F36: ${what} does not run while it cannot be recorded`, async () => {
    await using world = await openEverythingWorld();
    const block = blocked(world.gateway.dataDir);
    assertEquals(await call(world), 503);
    assertEquals((await world.upstream.stats()).calls, {});
    block.free();
    assertEquals(await call(world), 200);
    const { audit } = await (await (await api(world)).get("/api/stats")).json();
    assert(audit.lost > 0 && audit.records > 0, JSON.stringify(audit));
  });
}

Deno.test(`AUD-04: kill -9 leaves a whole trail, ${ROUNDS} times in a row`, async () => {
  await using installation = await openInstallation();
  const { dataDir, args, dir } = installation;
  let answered = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const program = installation.serve({ env: { MCP_REQUIRE_AUTH: "false" } });
    const origin = await program.listening();
    const calls = Array.from({ length: 8 }, () => callModern(origin, CALL).then(() => answered++));
    await Promise.race(calls);
    program.signal("SIGKILL");
    await Promise.allSettled(calls);
    await program.ended();
  }
  const starts = auditRecords(openFolder(`${dataDir}/audit`))
    .filter(({ action }) => action === "call.start");
  assert(starts.length >= answered && answered >= ROUNDS, `${starts.length} for ${answered}`);
  // What was cut off is cut off by the next start.
  const last = installation.serve();
  await last.listening();
  last.signal("SIGTERM");
  await last.ended();
  const { code, stdout } = await runProgram(["audit", "verify", ...args], { cwd: dir });
  assertEquals([code, /^The audit trail is whole: \d+ records in 1 files$/m.test(stdout)], [
    0,
    true,
  ]);
});

Deno.test("AUD-04: audit verify names the line that was changed, and ends with 1", async () => {
  await using installation = await openInstallation();
  const { dataDir, args, dir } = installation;
  const program = installation.serve({ env: { MCP_REQUIRE_AUTH: "false" } });
  const origin = await program.listening();
  for (let i = 0; i < 3; i++) await callModern(origin, CALL);
  program.signal("SIGTERM");
  await program.ended();
  const folder = openFolder(`${dataDir}/audit`);
  const [name] = folder.list();
  const lines = auditLines(folder).map((line, i) =>
    isRecord(line) && i < 3 ? line.replace("tools/call", "tools/list") : line
  );
  folder.replace(name!, `${lines.join("\n")}\n`);
  const { code, stderr } = await runProgram(["audit", "verify", ...args], { cwd: dir });
  assertEquals(code, 1);
  assertEquals(stderr.includes(`${name}, line 2 to line 3 are not what was written`), true, stderr);
  assertEquals((await runProgram(["audit"], { cwd: dir })).code, 2);
});
