/**
 * Secrets of upstream servers: written, never read.
 *
 * @module
 * @see security.md, SEC-04 and SEC-05
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type AdminWorld, adminWorld, anUpstream } from "../support/admin_world.ts";

const URL = "https://a.example/mcp";

const AUTHS = [
  { type: "bearer", token: "CANARY-1" },
  { type: "basic", username: "user", password: "CANARY-2" },
  { type: "header", name: "X-Key", value: "CANARY-3" },
  {
    type: "oauth_client_credentials",
    tokenUrl: "https://b.example/token",
    clientId: "client",
    clientSecret: "CANARY-4",
    scope: "read",
    resource: "https://a.example/",
  },
] as const;

function masked(auth: object): object {
  return JSON.parse(JSON.stringify(auth).replace(/CANARY-\d/, "*****"));
}

for (const auth of AUTHS) {
  Deno.test(`${auth.type}: the secret reads as a mask, everything else as it is`, async () => {
    const { call } = await adminWorld();
    const body = { name: "a", url: URL, auth, headers: { "X-Own": "CANARY-9" } };
    const made = await call("POST", "/api/upstreams", { body });
    assertEquals(made.json.auth, masked(auth));
    assertEquals(made.json.headers, { "X-Own": "*****" });
  });

  Deno.test(`${auth.type}: the mask sent back keeps the secret`, async () => {
    const world = await adminWorld();
    await world.call("POST", "/api/upstreams", { body: { name: "a", url: URL, auth } });
    const body = { auth: masked(auth) };
    const { status } = await world.call("PATCH", "/api/upstreams/a", { body });
    assertEquals([status, kept(world).auth], [200, auth]);
  });

  Deno.test(`${auth.type}: a mask where nothing is kept is refused`, async () => {
    const world = await adminWorld();
    const body = { name: "a", url: URL, auth: masked(auth) };
    const { status, json } = await world.call("POST", "/api/upstreams", { body });
    assertEquals([status, json.errors[0].path.startsWith("auth.")], [400, true]);
    assertEquals(world.catalog.upstreams(), []);
  });

  Deno.test(`${auth.type}: a mask does not take over the secret of another type`, async () => {
    const world = await adminWorld();
    const other = AUTHS.find(({ type }) => type !== auth.type);
    await world.call("POST", "/api/upstreams", { body: { name: "a", url: URL, auth: other } });
    const body = { auth: masked(auth) };
    const { status } = await world.call("PATCH", "/api/upstreams/a", { body });
    assertEquals([status, kept(world).auth], [400, other]);
  });

  Deno.test(`${auth.type}: a change of other members keeps the secret`, async () => {
    const world = await adminWorld();
    await world.call("POST", "/api/upstreams", { body: { name: "a", url: URL, auth } });
    await world.call("PATCH", "/api/upstreams/a", { body: { title: "x" } });
    assertEquals(kept(world).auth, auth);
  });
}

Deno.test("a masked header keeps its value, whatever its capitals; a new one is set, a missing one goes", async () => {
  const world = await adminWorld();
  const headers = { "X-Kept": "CANARY-1", "X-Gone": "CANARY-2" };
  await world.call("POST", "/api/upstreams", { body: { name: "a", url: URL, headers } });
  const body = { headers: { "x-kept": "*****", "X-New": "CANARY-3" } };
  await world.call("PATCH", "/api/upstreams/a", { body });
  assertEquals(kept(world).headers, { "x-kept": "CANARY-1", "X-New": "CANARY-3" });
});

Deno.test("a masked header that is not known is refused, and the known ones stay", async () => {
  const world = await adminWorld();
  const headers = { "X-Kept": "CANARY-1" };
  await world.call("POST", "/api/upstreams", { body: { name: "a", url: URL, headers } });
  const body = { headers: { "X-Other": "*****" } };
  const { status, json } = await world.call("PATCH", "/api/upstreams/a", { body });
  assertEquals([status, json.errors[0].path], [400, "headers.X-Other"]);
  assertEquals(kept(world).headers, headers);
});

Deno.test("a record that is read and sent back whole, where it can be set, changes nothing", async () => {
  const world = await adminWorld();
  const auth = AUTHS[3];
  const headers = { "X-Own": "CANARY-9" };
  await world.call("POST", "/api/upstreams", { body: { name: "a", url: URL, auth, headers } });
  const before = kept(world);
  const { json } = await world.call("GET", "/api/upstreams/a");
  const body = { url: json.url, auth: json.auth, headers: json.headers, tags: json.tags };
  await world.call("PATCH", "/api/upstreams/a", { body });
  assertEquals(kept(world), before);
});

Deno.test("no answer of the API holds a secret: not of reads, writes, tests, refreshes, refusals", async () => {
  const world = await adminWorld();
  await world.declare([
    anUpstream({
      name: "file",
      headers: { "X-A": "CANARY-f" },
      auth: { type: "bearer", token: "CANARY-g" },
    }),
  ]);
  const answers: string[] = [];
  const call = async (...args: Parameters<AdminWorld["call"]>) => {
    const { text, headers } = await world.call(...args);
    answers.push(text, JSON.stringify([...headers]));
  };
  for (const [i, auth] of AUTHS.entries()) {
    const headers = { "X-Own": "CANARY-9" };
    const body = { name: `a${i}`, url: URL, auth, headers };
    await call("POST", "/api/upstreams", { body });
    await call("POST", "/api/upstreams", { body });
    await call("POST", "/api/upstreams/test", { body });
    await call("PATCH", `/api/upstreams/a${i}`, { body: { auth, headers } });
    await call("POST", `/api/upstreams/a${i}/refresh`);
    // What is wrong is never shown: a secret may stand in the wrong place.
    await call("PATCH", `/api/upstreams/a${i}`, { body: { auth: { ...auth, more: "CANARY-x" } } });
    await call("PATCH", `/api/upstreams/a${i}`, { body: { auth: "CANARY-x", url: "CANARY-x" } });
    await call("PATCH", `/api/upstreams/a${i}`, { body: { headers: { "X-B": "CANARY-x\n" } } });
    await call("PATCH", `/api/upstreams/a${i}`, { raw: '{"auth": "CANARY-x' });
    await call("PATCH", `/api/upstreams/a${i}`, {
      body: { timeout: "CANARY-x", type: "CANARY-x" },
    });
    await call("GET", `/api/upstreams/a${i}`);
  }
  await call("GET", "/api/upstreams");
  await call("GET", "/api/openapi.json");
  assertEquals(answers.filter((text) => text.includes("CANARY")), []);
});

function kept({ catalog }: AdminWorld) {
  const { server } = catalog.upstream("a")!;
  if (!("auth" in server)) throw new Error("Not of the API");
  return { headers: server.headers, auth: server.auth };
}
