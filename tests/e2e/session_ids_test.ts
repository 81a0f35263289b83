/**
 * What the ids of sessions and events are worth: nothing without the right credential, nothing at
 * another endpoint, nothing after the end, and nothing when they are guessed.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import {
  configFor,
  type Everything,
  EVERYTHING_PATH,
  startEverything,
} from "../support/everything.ts";
import { messageOf, statusOf } from "../support/open_reply.ts";
import { type Gateway, startGateway } from "../support/processes.ts";
import { headerOf } from "../support/raw_http.ts";
import {
  callSession,
  initialize,
  lastEventId,
  openSession,
  type Session,
  type SessionCall,
  type SessionOptions,
  type SessionReply,
  toolCall,
  visibleIn,
} from "../support/session_client.ts";
import { mintToken, TEST_JWT_SECRET } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const PATH = EVERYTHING_PATH;
/** The same upstream server under another slug. */
const OTHER_PATH = "/servers/other/mcp";
const SESSIONS_MAX = 3;
/** Enough to see a pattern, if there is one. */
const SAMPLE = 200;
const ENTROPY_BITS_MIN = 128;

let upstream: Everything;
let gateway: Gateway;
/** Lets a principal have few sessions. */
let strict: Gateway;

Deno.test.beforeAll(async () => {
  upstream = await startEverything();
  const config = configFor({ everything: upstream.origin, other: upstream.origin });
  const env = { JWT_SECRET_KEY: TEST_JWT_SECRET };
  [gateway, strict] = await Promise.all([
    startGateway({ config, env }),
    startGateway({ config, env: { ...env, SESSIONS_PER_PRINCIPAL: String(SESSIONS_MAX) } }),
  ]);
});

Deno.test.afterAll(async () => {
  for (const process of [gateway, strict, upstream]) await process?.[Symbol.asyncDispose]();
});

// ── Not found ───────────────────────────────────────────────────────────────────────────────────

const VERBS: Readonly<Record<string, SessionCall>> = {
  "POST": { ...toolCall("test_simple_text"), idText: "1" },
  "GET": { verb: "GET", headers: { Accept: "text/event-stream" } },
  "DELETE": { verb: "DELETE" },
};

/** A session id that is not good at the endpoint, for a caller. */
const STRANGERS: Readonly<Record<string, (token: string) => Promise<string>>> = {
  "nobody": () => Promise.resolve(crypto.randomUUID()),
  "somebody else": async () => (await open({ token: await tokenOf("victim") })).id,
  "another endpoint": async (token) => (await open({ token, path: OTHER_PATH })).id,
  "a session that has ended": async (token) => {
    const session = await open({ token });
    await session.end();
    return session.id;
  },
};

for (const [verb, call] of Object.entries(VERBS)) {
  for (const [whose, idOf] of Object.entries(STRANGERS)) {
    Deno.test(`SESS-02: ${verb} with the session id of ${whose} is 404`, async () => {
      const token = await tokenOf();
      assertEquals((await withSession(token, await idOf(token), call)).status, 404);
    });
  }

  Deno.test(`SESS-02: ${verb}: all sessions that are not found are not found alike`, async () => {
    const token = await tokenOf();
    const ids = await Promise.all(Object.values(STRANGERS).map((idOf) => idOf(token)));
    const replies = await Promise.all(ids.map((id) => withSession(token, id, call)));
    assertEquals(new Set(replies.map((reply) => visibleIn(reply))).size, 1);
  });

  Deno.test(`SESS-05: ${verb} with a session id but no credential is 401`, async () => {
    await using session = await open();
    assertEquals((await withSession(undefined, session.id, call)).status, 401);
  });

  for (
    const [what, twice] of Object.entries<(id: string) => string | string[]>({
      "two session ids": (id) => [id, id],
      "two session ids in one header": (id) => `${id}, ${id}`,
    })
  ) {
    Deno.test(`${verb} with ${what} is refused`, async () => {
      const token = await tokenOf();
      await using session = await open({ token });
      const headers = { ...call.headers, "Mcp-Session-Id": twice(session.id) };
      const { status } = await send({ ...call, token, headers });
      assert(status === 400 || status === 404, `status ${status}`);
    });
  }

  Deno.test(`${verb} with a session id in other case is 404`, async () => {
    const token = await tokenOf();
    await using session = await open({ token });
    const other = session.id.replace(
      /[a-z]/i,
      (letter) => letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
    );
    assertEquals((await withSession(token, other, call)).status, 404);
  });

  for (
    const [what, headersOf] of Object.entries<(id: string) => Record<string, string>>({
      "x-mcp-session-id": (id) => ({ "x-mcp-session-id": id }),
      "x-forwarded-internally": () => ({ "x-forwarded-internally": "true" }),
      "mcp-init-host": (id) => ({ "mcp-init-host": "localhost", "x-session-id": id }),
    })
  ) {
    Deno.test(`${verb}: the header ${what} does not stand in for a session id`, async () => {
      const token = await tokenOf();
      await using session = await open({ token });
      const headers = { ...call.headers, ...headersOf(session.id) };
      assertEquals((await send({ ...call, token, headers })).status, 400);
    });

    Deno.test(`${verb}: the header ${what} opens no session of somebody else`, async () => {
      await using session = await open({ token: await tokenOf("victim") });
      const headers = { ...call.headers, ...headersOf(session.id), "Mcp-Session-Id": session.id };
      assertEquals((await send({ ...call, token: await tokenOf(), headers })).status, 404);
    });

    Deno.test(`SESS-05: ${verb}: the header ${what} does not stand in for a credential`, async () => {
      await using session = await open();
      const headers = { ...call.headers, ...headersOf(session.id), "Mcp-Session-Id": session.id };
      assertEquals((await send({ ...call, headers })).status, 401);
    });
  }
}

Deno.test("a session id in the query is no session id", async () => {
  const token = await tokenOf();
  await using session = await open({ token });
  const query = `?session_id=${session.id}&sessionId=${session.id}&Mcp-Session-Id=${session.id}`;
  const reply = await callSession(gateway.origin, {
    ...VERBS.POST!,
    token,
    path: `${PATH}${query}`,
  });
  assertEquals(reply.status, 400);
});

Deno.test("SESS-02: attempts with a session id leave the session as it was", async () => {
  await using session = await open({ token: await tokenOf("victim") });
  const token = await tokenOf();
  for (const call of Object.values(VERBS)) await withSession(token, session.id, call);
  assertEquals((await session.send({ method: "ping" })).status, 200);
});

// ── The end ─────────────────────────────────────────────────────────────────────────────────────

Deno.test("SESS-06: DELETE ends a session", async () => {
  const session = await open();
  const { status } = await session.end();
  assert(status === 200 || status === 204, `status ${status}`);
});

for (const [verb, call] of Object.entries(VERBS)) {
  Deno.test(`SESS-06: after DELETE the client's ${verb} is 404`, async () => {
    const session = await open();
    await session.end();
    assertEquals((await session.send(call)).status, 404);
  });
}

Deno.test("SESS-06: DELETE reaches the upstream server", async () => {
  const session = await open();
  await session.send(toolCall("test_simple_text"));
  const before = await upstream.stats();
  await session.end();
  const after = await until("the server's session ends", async () => {
    const stats = await upstream.stats();
    return stats.sessions < before.sessions && stats;
  });
  assertEquals(after.methods.DELETE, (before.methods.DELETE ?? 0) + 1);
});

Deno.test("SESS-06: DELETE ends the session's own stream", async () => {
  const session = await open();
  using stream = await session.listen();
  await statusOf(stream);
  await session.end();
  await until("the end of the stream", () => stream.ended());
});

Deno.test("SESS-06: DELETE ends the stream of a call", async () => {
  const session = await open();
  using call = await session.open(toolCall("test_steps", { count: 600, ms: 100 }, "mine"));
  await messageOf(call, "notifications/progress");
  await session.end();
  await until("the end of the stream", () => call.ended());
});

// ── What ids look like ──────────────────────────────────────────────────────────────────────────

Deno.test("SESS-01: session ids are visible ASCII, long enough, and never the same", async () => {
  const ids = await sampleIds();
  const odd = ids.filter((id) => !/^[\x21-\x7e]{22,128}$/.test(id));
  assertEquals([odd, new Set(ids).size], [[], SAMPLE]);
});

Deno.test(`SESS-01: session ids differ in at least ${ENTROPY_BITS_MIN} bits`, async () => {
  const ids = await sampleIds();
  const places = Array.from(
    { length: ids[0]!.length },
    (_, at) => new Set(ids.map((id) => id[at])),
  );
  const bits = places.reduce((sum, seen) => sum + Math.log2(seen.size), 0);
  assert(bits >= ENTROPY_BITS_MIN, `${bits} bits`);
});

Deno.test("SESS-01: a session id tells neither its subject nor the upstream server's session", async () => {
  await using session = await open({ token: await tokenOf("victim") });
  await session.send(toolCall("test_simple_text"));
  const upstreamId = (await upstream.stats()).lastHeaders["mcp-session-id"]!;
  assert(!session.id.includes(upstreamId) && !decoded(session.id).includes("victim"), session.id);
});

Deno.test("only the reply to initialize names the session id", async () => {
  await using session = await open();
  const reply = await session.send(VERBS.POST!);
  assertEquals(headerOf(reply, "mcp-session-id"), undefined);
});

let sample: Promise<readonly string[]> | undefined;

function sampleIds(): Promise<readonly string[]> {
  return sample ??= takeSample();
}

async function takeSample(): Promise<readonly string[]> {
  const ids: string[] = [];
  const token = await tokenOf("collector");
  while (ids.length < SAMPLE) {
    const some = await Promise.all(Array.from({ length: 20 }, () => open({ token })));
    ids.push(...some.map(({ id }) => id));
    await Promise.all(some.map((session) => session.end()));
  }
  return ids;
}

// ── Event ids ───────────────────────────────────────────────────────────────────────────────────

for (
  const [what, value] of Object.entries<string | string[]>({
    "with a space in it": "a b",
    "outside ASCII": "événement",
    "empty": "",
    "of 257 bytes": "a".repeat(257),
    "of 4 KiB": "a".repeat(4096),
  })
) {
  Deno.test(`EVT-08: a Last-Event-ID ${what} is 400`, async () => {
    await using session = await open();
    assertEquals((await resume(session, value)).status, 400);
  });
}

Deno.test("EVT-08: two Last-Event-IDs are 400", async () => {
  await using session = await open();
  const id = await eventIdIn(session);
  assertEquals((await resume(session, [id, id])).status, 400);
});

Deno.test("EVT-01: a Last-Event-ID that was never given is 404", async () => {
  await using session = await open();
  const id = await eventIdIn(session);
  const made = id.replace(/[a-z0-9]/gi, (char) => /\d/.test(char) ? "7" : "k");
  assertEquals((await resume(session, made)).status, 404);
});

Deno.test("EVT-01: a Last-Event-ID with one character changed is 404, whichever it is", async () => {
  await using session = await open();
  const id = await eventIdIn(session);
  const forged = [...id].flatMap((char, at) => {
    if (!/[a-z0-9]/i.test(char)) return [];
    const other = /\d/.test(char) ? (Number(char) + 5) % 10 : char === "q" ? "w" : "q";
    return [`${id.slice(0, at)}${other}${id.slice(at + 1)}`];
  });
  const wrong: [string, number][] = [];
  for (const one of forged) {
    const { status } = await resume(session, one);
    if (status !== 404) wrong.push([one, status]);
  }
  assertEquals(wrong, []);
});

Deno.test("EVT-01: an event id that is cut short is never accepted", async () => {
  await using session = await open();
  const id = await eventIdIn(session);
  for (const part of [id.slice(0, -1), id.slice(1), id.slice(0, id.length / 2)]) {
    const { status } = await resume(session, part);
    assert(status === 400 || status === 404, `${part}: ${status}`);
  }
});

for (
  const [whose, subject] of [["somebody else", "victim"], [
    "the same principal",
    undefined,
  ]] as const
) {
  Deno.test(`EVT-02: the event id of a session of ${whose} is 404 in another session`, async () => {
    const token = await tokenOf();
    await using session = await open({ token });
    await using other = await open({ token: subject ? await tokenOf(subject) : token });
    assertEquals((await resume(session, await eventIdIn(other))).status, 404);
  });
}

Deno.test("an event id that is good resumes its stream", async () => {
  await using session = await open();
  using resumed = await session.listen(await eventIdIn(session));
  assertEquals(await statusOf(resumed), 200);
});

// ── How many ────────────────────────────────────────────────────────────────────────────────────

Deno.test("SESS-08: a session too many is 429 and says when to try again", async () => {
  await using crowd = await openStrict(await tokenOf(), SESSIONS_MAX);
  const reply = await initialize(strict.origin, crowd.options);
  assertEquals(reply.status, 429);
  assert.match(headerOf(reply, "retry-after") ?? "", /^\d+$/);
});

Deno.test("SESS-08: a session too many opens none", async () => {
  await using crowd = await openStrict(await tokenOf(), SESSIONS_MAX);
  const reply = await initialize(strict.origin, crowd.options);
  assertEquals(headerOf(reply, "mcp-session-id"), undefined);
});

Deno.test("SESS-08: the sessions of a principal that has too many go on", async () => {
  await using crowd = await openStrict(await tokenOf(), SESSIONS_MAX);
  await initialize(strict.origin, crowd.options);
  const replies = await Promise.all(crowd.sessions.map((one) => one.send({ method: "ping" })));
  assertEquals(replies.map(({ status }) => status), [200, 200, 200]);
});

Deno.test("a session that ends makes room for another", async () => {
  await using crowd = await openStrict(await tokenOf(), SESSIONS_MAX);
  await crowd.sessions[0]!.end();
  await using _one = await openSession(strict.origin, crowd.options);
});

Deno.test("SESS-08: sessions are counted over all endpoints and tokens of a subject", async () => {
  await using crowd = await openStrict(await tokenOf(), SESSIONS_MAX);
  const options = { path: OTHER_PATH, token: await mintToken({ sub: crowd.subject }) };
  assertEquals((await initialize(strict.origin, options)).status, 429);
});

Deno.test("SESS-08: sessions of one subject do not count for another", async () => {
  await using _crowd = await openStrict(await tokenOf(), SESSIONS_MAX);
  await using _one = await openSession(strict.origin, { path: PATH, token: await tokenOf() });
});

interface Crowd extends AsyncDisposable {
  readonly subject: string;
  readonly options: SessionOptions;
  readonly sessions: readonly Session[];
}

async function openStrict(token: string, count: number): Promise<Crowd> {
  const options = { path: PATH, token };
  const sessions = await Promise.all(
    Array.from({ length: count }, () => openSession(strict.origin, options)),
  );
  const { sub } = JSON.parse(atob(token.split(".")[1]!));
  return {
    subject: sub,
    options,
    sessions,
    async [Symbol.asyncDispose]() {
      await Promise.all(sessions.map((session) => session[Symbol.asyncDispose]()));
    },
  };
}

let subjects = 0;

/** A token of that name, or of somebody who has never been here. */
function tokenOf(name = `guest-${++subjects}`): Promise<string> {
  return mintToken({ sub: `${name}@example.com` });
}

async function open(options: SessionOptions = {}): Promise<Session> {
  return await openSession(gateway.origin, { path: PATH, token: await tokenOf(), ...options });
}

function send(call: SessionCall): Promise<SessionReply> {
  return callSession(gateway.origin, { path: PATH, ...call });
}

function withSession(token: string | undefined, id: string, call: SessionCall) {
  return send({ ...call, token, headers: { ...call.headers, "Mcp-Session-Id": id } });
}

function resume(session: Session, id: string | string[]): Promise<SessionReply> {
  const headers = { Accept: "text/event-stream", "Last-Event-ID": id };
  return session.send({ verb: "GET", headers, options: { deadlineMs: 5_000 } });
}

/** The id of an event on the session's own stream, which is closed again. */
async function eventIdIn(session: Session): Promise<string> {
  using stream = await session.listen();
  await statusOf(stream);
  await session.send(toolCall("test_aside", { data: "for its id" }));
  await messageOf(stream, "notifications/message");
  return lastEventId(stream.events());
}

function decoded(text: string): string {
  try {
    return atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return text;
  }
}
