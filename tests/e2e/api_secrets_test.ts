/**
 * Secrets of upstream servers go in through the API and come out at the upstream server only.
 *
 * @module
 * @see security.md, SEC-04
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { type ApiWorld, type DatabaseKind, openApiWorld } from "../support/api_world.ts";
import { freePort } from "../support/free_port.ts";
import { postgresTest } from "../support/postgres.ts";
import { aTool, ERAS } from "../support/shelf_world.ts";

const DEBUG = { LOG_LEVEL: "debug" };
/** Each its own, to tell which one leaked. */
const SECRET = {
  header: "s3cr3t-of-the-header",
  bearer: "s3cr3t-of-the-bearer",
  password: "s3cr3t-of-basic",
  value: "s3cr3t-of-a-value",
  client: "s3cr3t-of-the-client",
};

/** Nothing listens there. */
const TOKEN_URL = `http://127.0.0.1:${freePort()}/token`;

const AUTHS = {
  bearer: { type: "bearer", token: SECRET.bearer },
  basic: { type: "basic", username: "u", password: SECRET.password },
  header: { type: "header", name: "X-Key", value: SECRET.value },
  oauth: {
    type: "oauth_client_credentials",
    tokenUrl: TOKEN_URL,
    clientId: "id",
    clientSecret: SECRET.client,
  },
};

for (const database of ["sqlite", "postgres"] as const) {
  const test = database === "postgres" ? postgresTest : Deno.test;
  test(`${database}: no secret is in any answer, in the log or in any file`, async () => {
    await using world = await openApiWorld({ database, env: DEBUG });
    const said: string[] = [];
    await makeAll(world, said);
    for (const slug of Object.keys(AUTHS)) {
      const path = `/upstreams/${slug}`;
      const record = await world.api.must("GET", path);
      said.push(record.text);
      const { headers, auth } = record.json;
      said.push((await world.api.must("PATCH", path, { headers, auth, title: "t" })).text);
      said.push((await world.api.must("POST", `${path}/refresh`)).text);
    }
    for (const path of ["/upstreams", "/tools", "/sessions", "/stats"]) {
      said.push((await world.api.must("GET", path)).text);
    }
    assertEquals(leaksIn(said.join("\n")), []);
    assertEquals(leaksIn(world.log()), []);
    assertEquals(leaksIn(await keptOf(world)), []);
  });
}

for (const database of ["sqlite", "postgres"] as const satisfies readonly DatabaseKind[]) {
  const test = database === "postgres" ? postgresTest : Deno.test;
  test(`${database}: the secrets reach the server, also after a restart`, async () => {
    await using world = await openApiWorld({ database });
    const stand = world.stand("shop", { tools: [aTool("buy")] });
    await world.api.must("POST", "/upstreams", {
      name: "shop",
      url: stand.url,
      headers: { "X-Other": SECRET.header },
      auth: AUTHS.bearer,
    });
    await world.restart();
    await using client = await ERAS.modern(world);
    await client.ask("tools/call", { name: "shop-buy", arguments: {} });
    const { headers } = await stand.arrival("tools/call");
    assertEquals(
      [headers.get("authorization"), headers.get("x-other")],
      [`Bearer ${SECRET.bearer}`, SECRET.header],
    );
  });
}

Deno.test("a secret that reads as stars and is sent back so is kept", async () => {
  await using world = await openApiWorld();
  const stand = world.stand("shop", { tools: [aTool("buy")] });
  const path = "/upstreams/shop";
  await world.api.must("POST", "/upstreams", { name: "shop", url: stand.url, auth: AUTHS.header });
  const { json: { auth } } = await world.api.must("GET", path);
  assertEquals(auth, { ...AUTHS.header, value: "*****" });
  await world.api.must("PATCH", path, { auth });
  await using client = await ERAS.modern(world);
  await client.ask("tools/call", { name: "shop-buy", arguments: {} });
  assertEquals((await stand.arrival("tools/call")).headers.get("x-key"), SECRET.value);
});

Deno.test("a refused request is not repeated with its secrets in the refusal", async () => {
  await using world = await openApiWorld({ env: DEBUG });
  const bodies = [
    { name: "x", url: `http://u:${SECRET.password}@203.0.113.9/` },
    { name: "x", url: "http://8.8.8.8/", headers: { "Host": SECRET.header } },
    { name: "x", url: "http://8.8.8.8/", auth: { ...AUTHS.bearer, [SECRET.bearer]: 1 } },
    {
      name: "x",
      url: "http://8.8.8.8/",
      auth: { ...AUTHS.header, value: `${SECRET.value}\n` },
    },
    { name: "x", url: "http://10.0.0.1/", auth: AUTHS.oauth },
  ];
  const said: string[] = [];
  for (const body of bodies) {
    const { status, text } = await world.api.call("POST", "/upstreams", { body });
    assertEquals(status, 400);
    said.push(text);
  }
  // The name of a member is the caller's own word, which is told back; the values never are.
  assertEquals(leaksIn(said.join("\n").replaceAll(`auth.${SECRET.bearer}`, "")), []);
  assertEquals(leaksIn(world.log()), []);
});

async function makeAll(world: ApiWorld, said: string[]): Promise<void> {
  for (const [name, auth] of Object.entries(AUTHS)) {
    const { url } = world.stand(name, { tools: [aTool("t")] });
    const body = { name, url, headers: { "X-Other": SECRET.header }, auth };
    said.push((await world.api.must("POST", "/upstreams", body)).text);
    said.push((await world.api.must("POST", "/upstreams/test", { ...body, name: "other" })).text);
  }
  const reached = await world.api.all("/tools");
  // What was not sent anywhere cannot leak.
  assert(reached.length >= 3);
}

const TABLES = "select table_name as name from information_schema.tables " +
  "where table_schema = current_schema()";

function leaksIn(text: string): string[] {
  return Object.values(SECRET).filter((secret) =>
    text.includes(secret) || text.includes(btoa(`u:${secret}`))
  );
}

/** All that is on the disk or in the database. */
async function keptOf({ dataDir, schema }: ApiWorld): Promise<string> {
  const texts: string[] = [];
  for (const { name } of await schema?.ask(TABLES) ?? []) {
    texts.push(JSON.stringify(await schema!.ask(`select * from ${name}`)));
  }
  for await (const { name, isFile } of Deno.readDir(dataDir)) {
    if (isFile) {
      texts.push(new TextDecoder("latin1").decode(await Deno.readFile(`${dataDir}/${name}`)));
    }
  }
  assert(texts.length > 0);
  return texts.join("\n");
}
