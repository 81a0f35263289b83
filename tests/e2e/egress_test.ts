/**
 * What administrators name through the API leads only where anybody could go: every spelling of a
 * private address, as an upstream server and as a token endpoint, with listeners that count who
 * comes.
 *
 * @module
 * @see contract.md, section 8, "Egress"; security.md, SSRF-01 to SSRF-12
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { SPELLINGS } from "../policy/spellings.ts";
import { type ApiWorld, type ApiWorldOptions, openApiWorld } from "../support/api_world.ts";
import { freePort } from "../support/free_port.ts";
import { POSTGRES_URL, postgresTest } from "../support/postgres.ts";
import { aTool, ERAS } from "../support/shelf_world.ts";

const DENIED = "The address is not allowed by the egress policy";
/** How many spellings are tried at once. */
const ABREAST = 10;
/** Loopback as well, but not the one that all spellings mean. */
const NEIGHBOUR = "127.0.0.9";

const onLinux = { ignore: Deno.build.os !== "linux" };

for (const [what, path] of [["as a server", ""], ["as a trial", "/test"]] as const) {
  Deno.test(`no spelling of a private address connects ${what}`, async () => {
    await using canary = openCanary();
    await using world = await openStrictWorld();
    const through: string[] = [];
    await eachAbreast(SPELLINGS, async (spelling, i) => {
      const url = spelling.replaceAll("PORT", String(canary.port));
      const body = { name: `s${i}`, url };
      const { status, json } = await world.api.call("POST", `/upstreams${path}`, { body });
      const isRefused = status === 400 && ["egress_denied", "invalid_request"].includes(json.code);
      // A name says nothing of where it leads: it is looked up, and found to lead nowhere.
      if (!isRefused && json.status !== "unreachable") through.push(`${status} ${spelling}`);
    });
    assertEquals({ through, connections: canary.connections() }, { through: [], connections: 0 });
  });
}

Deno.test("no spelling of a private address is asked for a token", onLinux, async () => {
  await using canary = openCanary();
  await using neighbour = openCanary(NEIGHBOUR);
  await using world = await openStrictWorld({ EGRESS_ALLOW_PRIVATE: NEIGHBOUR });
  await eachAbreast(SPELLINGS, async (spelling, i) => {
    const tokenUrl = spelling.replaceAll("PORT", String(canary.port));
    const url = `http://${NEIGHBOUR}:${neighbour.port}/mcp`;
    const secret = { clientId: "id", clientSecret: "secret" };
    const auth = { type: "oauth_client_credentials", tokenUrl, ...secret };
    await world.api.call("POST", "/upstreams/test", { body: { name: `s${i}`, url, auth } });
  });
  assertEquals(canary.connections(), 0);
});

Deno.test("a server cannot be moved to a private address", async () => {
  await using canary = openCanary();
  await using world = await openStrictWorld();
  await world.api.must("POST", "/upstreams", { name: "away", url: "http://one.invalid/mcp" });
  const before = (await world.api.must("GET", "/upstreams/away")).json.url;
  for (const url of SPELLINGS.slice(0, 40)) {
    const body = { url: url.replaceAll("PORT", String(canary.port)) };
    const { status } = await world.api.call("PATCH", "/upstreams/away", { body });
    if (status !== 400) assertEquals([url, status], [url, 400]);
  }
  assertEquals((await world.api.must("GET", "/upstreams/away")).json.url, before);
  assertEquals(canary.connections(), 0);
});

Deno.test("open, closed and foreign ports are refused alike", async () => {
  await using canary = openCanary();
  await using world = await openStrictWorld();
  const ports = [canary.port, freePort(), 22];
  const told = await Promise.all(ports.map(async (port) => {
    const body = { name: "x", url: `http://127.0.0.1:${port}/mcp` };
    const { status, json: { title, code, errors } } = await world.api.call(
      "POST",
      "/upstreams/test",
      { body },
    );
    return { status, title, code, errors };
  }));
  const one = { status: 400, title: DENIED, code: "egress_denied", errors: undefined };
  assertEquals(told, [one, one, one]);
});

// ── What is allowed ─────────────────────────────────────────────────────────────────────────────

Deno.test("what the config file declares may be on this machine", async () => {
  await using world = await openStrictWorld({}, { declared: { shop: { tools: [aTool("buy")] } } });
  await using client = await ERAS.modern(world);
  const { result } = await client.ask("tools/call", { name: "shop-buy", arguments: {} });
  assert(JSON.stringify(result).includes("shop: buy"));
});

Deno.test("EGRESS_ALLOW_PRIVATE opens the address that it lists", onLinux, async () => {
  await using canary = openCanary(NEIGHBOUR);
  await using world = await openStrictWorld({ EGRESS_ALLOW_PRIVATE: NEIGHBOUR });
  const body = { name: "x", url: `http://${NEIGHBOUR}:${canary.port}/mcp` };
  assertEquals((await world.api.call("POST", "/upstreams/test", { body })).status, 200);
  assert(canary.connections() > 0);
});

Deno.test("EGRESS_ALLOW_PRIVATE opens no other spelling", onLinux, async () => {
  await using canary = openCanary();
  await using world = await openStrictWorld({ EGRESS_ALLOW_PRIVATE: NEIGHBOUR });
  await eachAbreast(SPELLINGS, async (spelling, i) => {
    const url = spelling.replaceAll("PORT", String(canary.port));
    await world.api.call("POST", "/upstreams/test", { body: { name: `s${i}`, url } });
  });
  assertEquals(canary.connections(), 0);
});

for (
  const listed of ["169.254.169.254", "0.0.0.0/0", "metadata.google.internal", "fd00:ec2::254"]
) {
  Deno.test(`EGRESS_ALLOW_PRIVATE=${listed} does not open the metadata services`, async () => {
    const started = await openStrictWorld({ EGRESS_ALLOW_PRIVATE: listed }).catch(String);
    if (typeof started === "string") return assert(started.includes("EGRESS_ALLOW_PRIVATE"));
    await using world = started;
    for (const host of ["169.254.169.254", "metadata.google.internal", "[fd00:ec2::254]"]) {
      const body = { name: "x", url: `http://${host}/latest` };
      const { status, json } = await world.api.call("POST", "/upstreams/test", { body });
      assertEquals([host, status, json.code], [host, 400, "egress_denied"]);
    }
  });
}

// ── The gateway's own addresses ─────────────────────────────────────────────────────────────────

Deno.test("the gateway is no server of its own, however it is spelled", async () => {
  const PUBLIC_URL = "https://gateway.example:8443";
  await using world = await openStrictWorld({
    EGRESS_ALLOW_PRIVATE: "127.0.0.0/8,::1",
    PUBLIC_URL,
  });
  const { port } = new URL(world.origin);
  const urls = [
    `http://127.0.0.1:${port}/mcp`,
    `http://localhost:${port}/mcp`,
    `http://2130706433:${port}/servers/x/mcp`,
    `http://[::ffff:127.0.0.1]:${port}/mcp`,
    `${PUBLIC_URL}/mcp`,
    "https://GATEWAY.example.:8443/mcp",
    "http://gateway.example:8443/mcp",
  ];
  const connected = await Promise.all(urls.map(async (url) => {
    const body = { name: "loop", url };
    const { status, json } = await world.api.call("POST", "/upstreams/test", { body });
    // Another name of this machine is refused when it has been looked up.
    return status === 400 || json.error === DENIED ? [] : [url];
  }));
  assertEquals(connected.flat(), []);
});

postgresTest("the database is no server", async () => {
  await using world = await openStrictWorld({ EGRESS_ALLOW_PRIVATE: "127.0.0.0/8" }, {
    database: "postgres",
  });
  const { hostname, port } = new URL(POSTGRES_URL);
  const body = { name: "x", url: `http://${hostname}:${port || 5432}/mcp` };
  const { status, json } = await world.api.call("POST", "/upstreams/test", { body });
  assertEquals([status, json.code], [400, "egress_denied"]);
});

// ── Redirects ───────────────────────────────────────────────────────────────────────────────────

for (const status of [301, 302, 303, 307, 308]) {
  Deno.test(`a redirect with ${status} to another server is not followed`, async () => {
    await using canary = openCanary();
    await using server = openRedirecting(status, () => `http://127.0.0.1:${canary.port}/mcp`);
    await using world = await openApiWorld();
    await world.api.must("POST", "/upstreams/test", { name: "x", url: server.url });
    assertEquals([server.requests() > 0, canary.connections()], [true, 0]);
  });
}

Deno.test("a server that sends in circles is asked twice at most for each request", async () => {
  await using server = openRedirecting(307, () => "/again");
  await using world = await openApiWorld();
  const { json } = await world.api.must("POST", "/upstreams/test", { name: "x", url: server.url });
  assertEquals(json.status, "unreachable");
  // One reading asks for what the server is in both eras.
  assert(server.requests() <= 12, String(server.requests()));
});

/** Without what the other tests of the API allow. */
function openStrictWorld(
  env: Readonly<Record<string, string>> = {},
  options: ApiWorldOptions = {},
): Promise<ApiWorld> {
  return openApiWorld({ ...options, env: { EGRESS_ALLOW_PRIVATE: "", ...env } });
}

async function eachAbreast<T>(all: readonly T[], run: (one: T, i: number) => Promise<void>) {
  for (let from = 0; from < all.length; from += ABREAST) {
    await Promise.all(all.slice(from, from + ABREAST).map((one, i) => run(one, from + i)));
  }
}

/** Counts connections, at all addresses of this machine, of both families, unless one is given. */
function openCanary(hostname = "::") {
  const listener = Deno.listen({ hostname, port: 0 });
  let connections = 0;
  const accepting = (async () => {
    for await (const connection of listener) {
      connections++;
      connection.close();
    }
  })();
  return {
    port: listener.addr.port,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
    },
  };
}

/** Sends everybody elsewhere. */
function openRedirecting(status: number, where: () => string) {
  let requests = 0;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
    requests++;
    return new Response(null, { status, headers: { Location: where() } });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/mcp`,
    requests: () => requests,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
