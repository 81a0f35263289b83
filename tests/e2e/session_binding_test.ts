/**
 * What sessions are bound to, what is left of them in files and logs, and what a stranger's id
 * does: nothing.
 *
 * @module
 * @see security.md, IRPC-01, SESS-02, SESS-04, SESS-12, SESS-13, EVT-08, EVT-09, EVT-11
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { type Api, openApi } from "../support/api_client.ts";
import {
  configFor,
  type Everything,
  EVERYTHING_PATH,
  startEverything,
} from "../support/everything.ts";
import { responseOf } from "../support/open_reply.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import {
  callSession,
  openSession,
  type Session,
  type SessionCall,
  toolCall,
  visibleIn,
} from "../support/session_client.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";

const PATH = EVERYTHING_PATH;
const ALICE = "alice@example.com";
const MARK = "marked-0b5e7c";

const VERBS: Readonly<Record<string, SessionCall>> = {
  "POST": { ...toolCall("test_simple_text"), idText: "1" },
  "GET": { verb: "GET", headers: { Accept: "text/event-stream" } },
  "DELETE": { verb: "DELETE" },
};

let upstream: Everything;
let gateway: Gateway;
let api: Api;

Deno.test.beforeAll(async () => {
  upstream = await startEverything();
  gateway = await start();
  api = await openApi(() => gateway.origin);
});

Deno.test.afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await upstream?.[Symbol.asyncDispose]();
});

function start(args: readonly string[] = []): Promise<Gateway> {
  return startGateway({
    config: configFor({ everything: upstream.origin }),
    env: {
      JWT_SECRET_KEY: TEST_JWT_SECRET,
      JSON_RESPONSE_ENABLED: "false",
      LOG_LEVEL: "debug",
    },
    args,
  });
}

async function open(token?: string, { origin } = gateway): Promise<Session> {
  return await openSession(origin, { path: PATH, token: token ?? await mintToken() });
}

async function attempt(token: string, id: string, call: SessionCall, { origin } = gateway) {
  const headers = { ...call.headers, "Mcp-Session-Id": id };
  return await callSession(origin, { path: PATH, ...call, token, headers });
}

// ── Kinds of credentials ────────────────────────────────────────────────────────────────────────

/** A token of the same subject, of another kind than a JWT. */
async function apiToken(): Promise<string> {
  const token = await mintToken({ sub: ALICE });
  const { json } = await api.call("POST", "/tokens", { token, body: { name: "ci", teams: "*" } });
  return json.token;
}

for (const [verb, call] of Object.entries(VERBS)) {
  Deno.test(`SESS-02: ${verb} with another kind of credential of the same subject is the 404 of an unknown session`, async () => {
    const [jwt, other] = [await mintToken({ sub: ALICE }), await apiToken()];
    for (const [own, foreign] of [[jwt, other], [other, jwt]] as const) {
      await using session = await open(own);
      const reply = await attempt(foreign, session.id, call);
      const unknown = await attempt(foreign, crypto.randomUUID(), call);
      assertEquals([reply.status, visibleIn(reply)], [404, visibleIn(unknown)]);
      assertEquals((await session.send({ method: "ping" })).status, 200);
    }
  });
}

Deno.test("SESS-04: an id that nobody was given makes no session, here or at the server", async () => {
  const token = await mintToken({ sub: "fixer@example.com" });
  const before = [(await api.all("/sessions")).length, (await upstream.stats()).sessions];
  for (const id of [crypto.randomUUID(), "a".repeat(32), "A".repeat(40)]) {
    for (const call of Object.values(VERBS)) await attempt(token, id, call);
  }
  const after = [(await api.all("/sessions")).length, (await upstream.stats()).sessions];
  assertEquals(after, before);
});

Deno.test("EVT-11: a result that is fetched again is not made again", async () => {
  await using session = await open();
  const count = async () => (await upstream.stats()).calls.test_simple_text ?? 0;
  const before = await count();
  const { events } = await session.send(toolCall("test_simple_text"));
  for (let times = 0; times < 3; times++) {
    using again = await session.listen(events[0]!.id);
    await responseOf(again);
  }
  assertEquals(await count(), before + 1);
});

// ── Headers that mean something elsewhere ───────────────────────────────────────────────────────

/** What replicas and proxies of other gateways say among themselves. */
const INTERNAL = (victim: string) => ({
  "x-forwarded-internally": "true",
  "x-mcp-session-id": victim,
  "x-session-id": victim,
  "mcp-init-host": "localhost",
  "x-internal-auth": "true",
  "x-sallyport-principal": "root@example.com",
  "x-authenticated-user": "root@example.com",
  "x-auth-request-email": "root@example.com",
  "x-original-method": "DELETE",
  "x-http-method-override": "DELETE",
});

const WHO = ["its owner", "somebody else", "nobody"] as const;

for (const [verb, call] of Object.entries(VERBS)) {
  for (const who of WHO) {
    // The owner's own stream would stay open.
    if (verb === "GET" && who === "its owner") continue;
    Deno.test(`IRPC-01: internal headers change nothing of ${verb} in a session by ${who}, byte for byte`, async () => {
      const owner = await mintToken({ sub: ALICE });
      const token = {
        "its owner": owner,
        "somebody else": await mintToken({ sub: "mallory@example.com" }),
        "nobody": undefined,
      }[who];
      await using victim = await open(owner);
      const seen = async (more: Readonly<Record<string, string>>) => {
        await using session = await open(owner);
        const headers = { ...call.headers, ...more, "Mcp-Session-Id": session.id };
        const reply = await callSession(gateway.origin, { path: PATH, ...call, token, headers });
        return visibleIn(reply).replaceAll(/id: [^\\]+/g, "");
      };
      assertEquals(await seen(INTERNAL(victim.id)), await seen({}));
      assertEquals((await victim.send({ method: "ping" })).status, 200);
    });
  }
}

Deno.test("IRPC-01: internal headers reach no server", async () => {
  await using session = await open();
  const headers = INTERNAL(session.id);
  await session.send({ ...VERBS.POST, headers });
  const { lastHeaders } = await upstream.stats();
  assertEquals(Object.keys(headers).filter((name) => name in lastHeaders), []);
});

// ── What is written down ────────────────────────────────────────────────────────────────────────

Deno.test("SESS-13: no log line at debug holds a session id, in whatever request", async () => {
  const session = await open();
  for (const call of Object.values(VERBS)) await session.send({ ...call, token: "bad" });
  await session.send(toolCall("test_error_handling"));
  await session.send({ method: "initialize", params: {} });
  await session.end();
  await session.send({ method: "ping" });
  const log = gateway.stderr();
  assert(log.includes('"Request"'), log.slice(0, 500));
  assertEquals(log.includes(session.id), false);
});

Deno.test("SESS-13: no answer of the API holds a session id", async () => {
  await using session = await open();
  const { text } = await api.must("GET", "/sessions?limit=500");
  assertEquals([text.includes(ALICE), text.includes(session.id)], [true, false]);
});

Deno.test("EVT-08: a malformed Last-Event-ID is not written down", async () => {
  await using session = await open();
  const id = `${MARK} with a space`;
  const headers = { "Accept": "text/event-stream", "Last-Event-ID": id };
  assertEquals((await session.send({ verb: "GET", headers })).status, 400);
  assertEquals(gateway.stderr().includes(MARK), false);
});

Deno.test("EVT-09 (SQLite, one replica): neither results nor session ids can be read in the data directory", async () => {
  await using session = await open();
  const { events } = await session.send(toolCall("test_echo", { secret: MARK }));
  using again = await session.listen(events[0]!.id);
  assert(JSON.stringify(await responseOf(again)).includes(MARK));
  const found: string[] = [];
  for await (const { name } of Deno.readDir(gateway.dataDir)) {
    const text = await Deno.readTextFile(`${gateway.dataDir}/${name}`).catch(() => "");
    if ([MARK, session.id].some((secret) => text.includes(secret))) found.push(name);
  }
  assertEquals(found, []);
});

// ── Records that somebody has changed ───────────────────────────────────────────────────────────

/** What is done to the record of the first session; the second is somebody else's. */
const FORGERIES: Readonly<Record<string, string>> = {
  "with a bit turned": "UPDATE session SET base = substr(base, 1, 20) || x'00' || substr(base, 22)",
  "of somebody else": "UPDATE session SET base = other.base " +
    "FROM (SELECT key, base FROM session) AS other WHERE other.key <> session.key",
  "that is empty": "UPDATE session SET base = x''",
  "that is cut short": "UPDATE session SET base = substr(base, 1, length(base) - 1)",
};

for (const [what, sql] of Object.entries(FORGERIES)) {
  Deno.test(`SESS-12 (SQLite, one replica): a session whose record is one ${what} is the 404 of an unknown one`, async () => {
    await using first = await start();
    const tokens = await Promise.all([ALICE, "bob@example.com"].map((sub) => mintToken({ sub })));
    const ids: string[] = [];
    for (const token of tokens) ids.push((await open(token, first)).id);
    await first.stop();
    const db = new DatabaseSync(`${first.dataDir}/sessions.db`);
    const { changes } = db.prepare(sql).run();
    db.close();
    assertEquals(changes, 2);
    await using second = await start(["--data", first.dataDir]);
    for (const token of tokens) {
      const unknown = await attempt(token, crypto.randomUUID(), VERBS.POST!, second);
      for (const id of ids) {
        const reply = await attempt(token, id, VERBS.POST!, second);
        assertEquals([reply.status, visibleIn(reply)], [404, visibleIn(unknown)]);
      }
    }
  });
}
