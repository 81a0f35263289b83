/**
 * Rights that change while somebody is there: sessions and streams are refused and ended, whatever
 * they are, and nobody else's.
 *
 * @module
 * @see security.md, AUTHN-11, AUTHN-17, AUTHZ-05, SESS-10
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type Api, openApi } from "../support/api_client.ts";
import { callModern, modernBytes } from "../support/modern.ts";
import { openRaw, type OpenReply } from "../support/open_reply.ts";
import { callSession, openSession } from "../support/session_client.ts";
import { aTool, serveShelf } from "../support/shelf_world.ts";
import { haveTeams } from "../support/teams.ts";
import { mintToken } from "../support/tokens.ts";
import { until } from "../support/until.ts";

/** Within which a change of rights acts. @see contract.md, section 7 */
const ACTS_MS = 5_000;
const ALICE = "alice@example.com";
const BOB = "bob@example.com";

const UNKNOWN = { "Mcp-Session-Id": "none" };

type World = Awaited<ReturnType<typeof serveShelf>>;
let world: World;
let api: Api;

Deno.test.beforeAll(async () => {
  world = await serveShelf({ red: { tools: [aTool("t")] } }, {
    entries: { red: { visibility: "team", team: "red" } },
  });
  api = await openApi(() => world.origin);
  await haveTeams(world.origin, { red: [ALICE, BOB] });
  for (const email of [ALICE, BOB]) await api.must("POST", "/users", { email });
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

interface Held extends AsyncDisposable {
  readonly stream: Pick<OpenReply, "ended">;
  /** Status of another request with the same credential, in the same session. */
  readonly again: () => Promise<number>;
}

/** What a client holds open, by what it is. */
const HOLDING: Readonly<Record<string, (token: string) => Promise<Held>>> = {
  async "a session that listens"(token) {
    const session = await openSession(world.origin, { token });
    const stream = await session.listen();
    await until("the stream", () => stream.text().includes("\n\n"));
    return {
      stream,
      again: async () => (await session.send({ method: "tools/list" })).status,
      async [Symbol.asyncDispose]() {
        stream.close();
        await session[Symbol.asyncDispose]();
      },
    };
  },
  async "a subscription of 2026-07-28"(token) {
    const params = { notifications: { toolsListChanged: true } };
    const call = { token, path: "/mcp", method: "subscriptions/listen", params };
    const stream = await openRaw(world.origin, modernBytes(world.origin, call));
    await until("the acknowledgement", () => stream.text().includes("acknowledged"));
    const list = { token, path: "/mcp", method: "tools/list", params: {} };
    return {
      stream,
      again: async () => (await callModern(world.origin, list)).status,
      [Symbol.asyncDispose]() {
        stream.close();
        return Promise.resolve();
      },
    };
  },
};

/** What takes rights away, how it is given back, and what the same credential gets then. */
const CHANGES: Readonly<
  Record<
    string,
    { take: (jti: string) => Promise<unknown>; give: () => Promise<unknown>; is: number }
  >
> = {
  "a membership that ends": {
    take: () => api.must("DELETE", `/teams/red/members/${ALICE}`),
    give: () => api.must("PUT", `/teams/red/members/${ALICE}`, { role: "member" }),
    is: 403,
  },
  "a user who is disabled": {
    take: () => api.must("PATCH", `/users/${ALICE}`, { enabled: false }),
    give: () => api.must("PATCH", `/users/${ALICE}`, { enabled: true }),
    is: 401,
  },
  "a token that is revoked": {
    take: (jti) => api.must("POST", "/revocations", { jti }),
    give: () => Promise.resolve(),
    is: 401,
  },
};

for (const [what, hold] of Object.entries(HOLDING)) {
  for (const [change, { take, give, is }] of Object.entries(CHANGES)) {
    Deno.test(`SESS-10: ${what} ends with ${change}, and is refused from then on`, async () => {
      const jti = crypto.randomUUID();
      const token = await mintToken({ sub: ALICE, jti, teams: ["red"] });
      await using held = await hold(token);
      assertEquals(await held.again(), 200);
      await take(jti);
      try {
        await until("the end of the stream", () => held.stream.ended() !== undefined, ACTS_MS);
        assertEquals(await held.again(), is);
      } finally {
        await give();
      }
    });
  }

  Deno.test(`${what} goes on while somebody else's rights end`, async () => {
    await using held = await hold(await mintToken({ sub: BOB, teams: ["red"] }));
    await api.must("PATCH", `/users/${ALICE}`, { enabled: false });
    await api.must("PATCH", `/users/${ALICE}`, { enabled: true });
    assertEquals([held.stream.ended(), await held.again()], [undefined, 200]);
  });
}

Deno.test("an API token is good at once, in both eras, and for nothing once it is revoked", async () => {
  const alice = await mintToken({ sub: ALICE });
  const body = { name: "ci", teams: ["red"] };
  const made = await api.call("POST", "/tokens", { token: alice, body });
  const { id, token } = made.json;
  const statuses = async () => {
    const list = { token, path: "/servers/red/mcp", method: "tools/list", params: {} };
    return [
      (await callModern(world.origin, list)).status,
      (await callSession(world.origin, { token, headers: UNKNOWN, method: "tools/list" })).status,
    ];
  };
  assertEquals(await statuses(), [200, 404]);
  assertEquals((await api.call("DELETE", `/tokens/${id}`, { token: alice })).status, 204);
  assertEquals(await statuses(), [401, 401]);
});

Deno.test("a deleted user's tokens of every kind are good for nothing, and stay so", async () => {
  const email = "carol@example.com";
  await api.must("POST", "/users", { email });
  const jwt = await mintToken({ sub: email });
  const { json } = await api.call("POST", "/tokens", { token: jwt, body: { name: "x" } });
  const list = { path: "/mcp", method: "tools/list", params: {} };
  const statuses = async () => [
    (await callModern(world.origin, { ...list, token: jwt })).status,
    (await callModern(world.origin, { ...list, token: json.token })).status,
  ];
  assertEquals(await statuses(), [200, 200]);
  await api.must("DELETE", `/users/${email}`);
  assertEquals(await statuses(), [401, 401]);
});
