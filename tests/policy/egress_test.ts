/**
 * Where the gateway connects to on behalf of servers made through the API: only where anybody
 * could, unless an administrator allows more; and never to itself or to a metadata service.
 *
 * @module
 */
import assert, {
  deepStrictEqual as assertEquals,
  rejects as assertRejects,
  throws as assertThrows,
} from "node:assert/strict";
import { ENTRIES } from "../../src/config/entries.ts";
import { GatewayError } from "../../src/domain/errors.ts";
import { HTTP_STATUS } from "../../src/http/problem.ts";
import { createEgressPolicy, type EgressOptions } from "../../src/policy/egress.ts";
import {
  ANSWER,
  anUpstream,
  json,
  openRecorder,
  openUpstreamWorld,
} from "../upstream/client_world.ts";
import { NAMES, SPELLINGS } from "./spellings.ts";

const allow = ENTRIES.egressAllowPrivate.parse;

const DENIED = {
  name: "GatewayError",
  code: "egress_denied",
  message: "The address is not allowed by the egress policy",
};

const resolve = (name: string): Promise<readonly string[]> => {
  const isAddress = /^[\d.]+$|:/.test(name);
  return Promise.resolve(isAddress ? [name] : NAMES[name.toLowerCase().replace(/\.$/, "")] ?? []);
};

function policy(options: Partial<EgressOptions> = {}) {
  return createEgressPolicy({ allowPrivate: [], own: [], ...options });
}

function passes(text: string, options: Partial<EgressOptions> = {}): boolean {
  try {
    policy(options).checkUrl(new URL(text));
    return true;
  } catch (error) {
    assert(error instanceof GatewayError && error.code === "egress_denied");
    return false;
  }
}

function connects(url: string, address: string, options: Partial<EgressOptions> = {}): boolean {
  const { hostname, port } = new URL(url);
  try {
    policy(options).checkAddress({ hostname, port: Number(port) || 80 }, address);
    return true;
  } catch (error) {
    assert(error instanceof GatewayError && error.code === "egress_denied");
    return false;
  }
}

Deno.test("the list holds at least 120 spellings, none twice", () => {
  assert(SPELLINGS.length >= 120 && new Set(SPELLINGS).size === SPELLINGS.length);
});

Deno.test("no spelling of the list connects, at creation or at a call", async () => {
  await using canary = openCanary();
  await using world = openUpstreamWorld({ resolve });
  const through: string[] = [];
  for (const spelling of SPELLINGS) {
    const text = spelling.replaceAll("PORT", String(canary.port));
    if (!URL.canParse(text)) continue;
    const url = new URL(text);
    if (!passes(url.href)) continue;
    const outcome = await world.call(anUpstream(url, { declared: false })).catch((error) => error);
    const isRefused = outcome instanceof GatewayError &&
      ["egress_denied", "upstream_unavailable"].includes(outcome.code);
    if (!isRefused) through.push(spelling);
  }
  // The last in the queue, and the only one: the canary does sing.
  const free = anUpstream(`http://127.0.0.1:${canary.port}/mcp`, { declared: true });
  await assertRejects(world.call(free));
  assertEquals({ through, connections: canary.connections() }, { through: [], connections: 1 });
});

Deno.test("no spelling of the list connects when the check at creation is left out", async () => {
  await using canary = openCanary();
  await using world = openUpstreamWorld({ resolve });
  for (const spelling of SPELLINGS) {
    const text = spelling.replaceAll("PORT", String(canary.port));
    const url = URL.canParse(text) ? new URL(text) : undefined;
    // Ports and hosts of the world outside are not for a test to try; nor is another scheme's.
    if (url === undefined || url.hostname === "one.test" || !/^https?:$/.test(url.protocol)) {
      continue;
    }
    await world.call(anUpstream(url, { declared: false })).catch(() => {});
  }
  const free = anUpstream(`http://127.0.0.1:${canary.port}/mcp`, { declared: true });
  await assertRejects(world.call(free));
  assertEquals(canary.connections(), 1);
});

Deno.test("no spelling of the list has a token fetched from there", async () => {
  await using canary = openCanary();
  await using server = openRecorder(() => json(200, ANSWER));
  await using world = openUpstreamWorld({
    resolve: (name) => name === "ok.test" ? Promise.resolve(["127.0.0.1"]) : resolve(name),
    egress: { allowPrivate: allow("ok.test") },
  });
  for (const spelling of SPELLINGS) {
    const tokenUrl = spelling.replaceAll("PORT", String(canary.port));
    if (/one\.test[:/]|@one/.test(tokenUrl)) continue;
    const auth = {
      type: "oauth_client_credentials",
      tokenUrl,
      clientId: "a",
      clientSecret: "b",
    } as const;
    const url = `http://ok.test:${server.port}/mcp`;
    await world.call(anUpstream(url, { declared: false, auth })).catch(() => {});
  }
  const free = anUpstream(`http://127.0.0.1:${canary.port}/mcp`, { declared: true });
  await assertRejects(world.call(free));
  assertEquals([canary.connections(), server.requests.length], [1, 0]);
});

for (
  const url of [
    "http://one.test/mcp",
    "https://one.test/mcp",
    "https://one.test:8443/mcp?a=b",
    "http://8.8.8.8/",
    "http://[2606:4700:4700::1111]:8080/mcp",
    "http://xn--bcher-kva.test/",
    "http://under_score.test/",
    "http://db.internal:4000/",
  ]
) {
  Deno.test(`${url} may be stored`, () => assertEquals(passes(url), true));
}

for (const address of ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]) {
  Deno.test(`a name may lead to ${address}`, () => {
    assertEquals(connects("http://one.test/", address), true);
  });
}

for (const address of ["", "one.test", "0177.0.0.1", "127.1", "8.8.8.8/8", "::1%", "8.8.8.8 "]) {
  Deno.test(`an address that reads "${address}" is refused`, () => {
    assertEquals(connects("http://one.test/", address), false);
  });
}

Deno.test("all refusals read alike, at creation and at a connection", () => {
  const { checkUrl, checkAddress } = policy({ own: [{ hostname: "gw.test", port: 80 }] });
  const target = { hostname: "one.test", port: 80 };
  const urls = ["ftp://a/", "http://a@b/", "http://b/#", "http://b:22/", "http://10.1.1.1/"];
  for (const url of [...urls, "http://gw.test/", "http://metadata/", "http://localhost/"]) {
    assertThrows(() => checkUrl(new URL(url)), DENIED);
  }
  for (const address of ["10.1.1.1", "169.254.169.254", "garbage"]) {
    assertThrows(() => checkAddress(target, address), DENIED);
  }
});

Deno.test("a refusal is HTTP 400", () => assertEquals(HTTP_STATUS.egress_denied, 400));

for (
  const [setting, url, address, expected] of [
    ["10.0.0.0/8", "http://a.test/", "10.1.2.3", true],
    ["10.0.0.0/8", "http://a.test/", "::ffff:10.1.2.3", true],
    ["10.0.0.0/8", "http://a.test/", "11.1.2.3", true],
    ["10.0.0.0/8", "http://a.test/", "192.168.1.1", false],
    ["10.0.0.0/8", "http://a.test/", "64:ff9b::10.1.2.3", false],
    ["10.0.0.0/8", "http://a.test/", "2002:a01:203::1", false],
    ["10.1.2.3", "http://a.test/", "10.1.2.3", true],
    ["10.1.2.3", "http://a.test/", "10.1.2.4", false],
    ["::1", "http://[::1]/", "::1", true],
    ["[::1]", "http://localhost/", "::1", true],
    ["::1", "http://localhost/", "127.0.0.1", false],
    ["127.0.0.0/8", "http://localhost/", "127.0.0.1", true],
    ["127.0.0.0/8,::1", "http://localhost/", "::1", true],
    ["localhost", "http://localhost/", "127.0.0.1", true],
    ["localhost", "http://LOCALHOST./", "::1", true],
    ["localhost", "http://127.0.0.1/", "127.0.0.1", false],
    ["localhost", "http://a.localhost/", "127.0.0.1", false],
    ["fd00::/8", "http://a.test/", "fd12::1", true],
    ["fd00::/8", "http://a.test/", "fe80::1", false],
    ["DB.Internal.", "http://db.internal/", "10.9.9.9", true],
    ["db.internal", "http://db.internal./", "192.168.3.3", true],
    ["db.internal", "http://a.db.internal/", "10.9.9.9", false],
    ["db.internal", "http://xdb.internal/", "10.9.9.9", false],
    ["bücher.test", "http://xn--bcher-kva.test/", "10.9.9.9", true],
    ["ｄｂ.internal", "http://db.internal/", "10.9.9.9", true],
    ["64:ff9b:1::/48", "http://a.test/", "64:ff9b:1::10.0.0.1", true],
  ] as const
) {
  const verb = expected ? "allows" : "does not allow";
  Deno.test(`EGRESS_ALLOW_PRIVATE=${setting} ${verb} ${url} at ${address}`, () => {
    assertEquals(connects(url, address, { allowPrivate: allow(setting) }), expected);
  });
}

const EVERYTHING = "0.0.0.0/0 ::/0 metadata.internal.test db.internal localhost";

for (
  const address of [
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "100.100.100.200",
    "168.63.129.16",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::a9fe:a9fe",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
  ]
) {
  Deno.test(`${address} is refused even when everything is allowed`, () => {
    const allowPrivate = allow(EVERYTHING);
    assertEquals(connects("http://db.internal/", address, { allowPrivate }), false);
  });
}

for (const name of ["metadata.google.internal", "METADATA.GOOGLE.INTERNAL.", "metadata"]) {
  Deno.test(`the name ${name} is refused even when everything is allowed`, () => {
    const options = { allowPrivate: allow(EVERYTHING) };
    assertEquals(
      [passes(`http://${name}/`, options), connects(`http://${name}/`, "10.0.0.1", options)],
      [false, false],
    );
  });
}

for (
  const [own, url, address, expected] of [
    [{ hostname: "127.0.0.1", port: 4444 }, "http://127.0.0.1:4444/", "127.0.0.1", false],
    [{ hostname: "127.0.0.1", port: 4444 }, "http://a.test:4444/", "::ffff:127.0.0.1", false],
    [{ hostname: "127.0.0.1", port: 4444 }, "http://127.0.0.1:4445/", "127.0.0.1", true],
    [{ hostname: "0.0.0.0", port: 4444 }, "http://127.0.0.9:4444/", "127.0.0.9", false],
    [{ hostname: "::", port: 4444 }, "http://[::1]:4444/", "::1", false],
    [{ hostname: "[::]", port: 4444 }, "http://127.0.0.1:4444/", "127.0.0.1", false],
    [{ hostname: "localhost", port: 4444 }, "http://[::1]:4444/", "::1", false],
    [{ hostname: "10.0.0.7", port: 4444 }, "http://a.test:4444/", "10.0.0.7", false],
    [{ hostname: "gw.test", port: 443 }, "http://GW.test.:443/", "8.8.8.8", false],
    [{ hostname: "gw.test", port: 443 }, "http://gw.test:8443/", "8.8.8.8", true],
    [{ hostname: "8.8.4.4", port: 443 }, "http://a.test:443/", "8.8.4.4", false],
  ] as const
) {
  const verb = expected ? "does not claim" : "is not reached by";
  Deno.test(`a gateway at ${own.hostname}:${own.port} ${verb} ${url} at ${address}`, () => {
    const options = { own: [own], allowPrivate: allow(EVERYTHING) };
    assertEquals(connects(url, address, options), expected);
  });
}

Deno.test("the gateway's own URL cannot be stored, though everything is allowed", () => {
  const options = { own: [{ hostname: "gw.test", port: 443 }], allowPrivate: allow(EVERYTHING) };
  assertEquals([passes("https://gw.test/mcp", options), passes("https://gw.test:1443/", options)], [
    false,
    true,
  ]);
});

Deno.test("a name that leads elsewhere the second time is checked again", async () => {
  await using canary = openCanary();
  await using server = openRecorder(() => json(200, ANSWER, "Connection: close\r\n"));
  let asked = 0;
  await using world = openUpstreamWorld({
    resolve: () => Promise.resolve(asked++ === 0 ? ["127.0.0.1"] : ["127.0.0.2"]),
    egress: { allowPrivate: allow("127.0.0.1") },
  });
  const upstream = anUpstream(`http://a.test:${server.port}/mcp`, { declared: false });
  assertEquals(await world.call(upstream), ANSWER);
  await assertRejects(world.call(upstream), DENIED);
  assertEquals([asked, server.connections(), canary.connections()], [2, 1, 0]);
});

Deno.test("a name is asked for once per connection: what was checked is what is dialled", async () => {
  await using server = openRecorder(() => json(200, ANSWER));
  let asked = 0;
  await using world = openUpstreamWorld({
    resolve: () => Promise.resolve(asked++ === 0 ? ["127.0.0.1"] : ["169.254.169.254"]),
    egress: { allowPrivate: allow("127.0.0.1") },
  });
  await world.call(anUpstream(`http://a.test:${server.port}/mcp`, { declared: false }));
  assertEquals([asked, server.connections()], [1, 1]);
});

Deno.test("a declared server's kept connection is not lent to one made through the API", async () => {
  await using server = openRecorder(() => json(200, ANSWER));
  await using world = openUpstreamWorld();
  await world.call(anUpstream(server.url, { declared: true }));
  await assertRejects(world.call(anUpstream(server.url, { declared: false })), DENIED);
  assertEquals([server.connections(), server.requests.length], [1, 1]);
});

Deno.test("servers made through the API share their kept connections", async () => {
  await using server = openRecorder(() => json(200, ANSWER));
  await using world = openUpstreamWorld({ egress: { allowPrivate: allow("127.0.0.1") } });
  await world.call(anUpstream(server.url, { declared: false }));
  await world.call(anUpstream(server.url, { declared: false, id: "id-2" }));
  assertEquals([server.connections(), server.requests.length], [1, 2]);
});

for (const status of [301, 302, 303, 307, 308]) {
  Deno.test(`a redirect (${status}) to another host is not followed`, async () => {
    await using canary = openCanary();
    const location = `Location: http://127.0.0.1:${canary.port}/mcp\r\n`;
    await using server = openRecorder(() => json(status, "", location));
    await using world = openUpstreamWorld({ egress: { allowPrivate: allow("127.0.0.1") } });
    await assertRejects(world.call(anUpstream(server.url, { declared: false })));
    assertEquals([server.requests.length, canary.connections()], [1, 0]);
  });
}

for (
  const [value, part] of [
    ["10.0.0.0/8, 10.0.0.0/33", "10.0.0.0/33"],
    ["http://a.test", "http://a.test"],
    ["a.test:80", "a.test:80"],
    ["*.test", "*.test"],
    ["a@b", "a@b"],
    ["fd00::/200", "fd00::/200"],
    ["1.2.3", "1.2.3"],
    ["256.0.0.1", "256.0.0.1"],
    ["127.1", "127.1"],
    ["a%2eb", "a%2eb"],
    ["169.254.169.254", "169.254.169.254"],
    ["0.0.0.0", "0.0.0.0"],
    ["metadata.google.internal", "metadata.google.internal"],
    [`${"a".repeat(300)}.test`, "aaa.test"],
    ['["10.0.0.0/8", "x y"]', "x y"],
  ] as const
) {
  Deno.test(`EGRESS_ALLOW_PRIVATE=${value.slice(0, 40)} is refused by its name`, () => {
    assertThrows(() => allow(value), (error: Error) => error.message.includes(`${part}"`));
  });
}

Deno.test("EGRESS_ALLOW_PRIVATE is empty unless it is set", () => {
  assertEquals(allow(ENTRIES.egressAllowPrivate.default!), []);
});

Deno.test("what is long and senseless is refused without delay", () => {
  for (const text of ["1".repeat(1e6), "a.".repeat(5e5), ":".repeat(1e6), ".".repeat(1e6)]) {
    assertThrows(() => allow(text));
    assertEquals(connects("http://a.test/", text), false);
  }
});

interface Canary extends AsyncDisposable {
  readonly port: number;
  readonly connections: () => number;
}

/** Listens at every address of this machine, and closes what comes. */
function openCanary(): Canary {
  const listener = listenEverywhere();
  let count = 0;
  const accepting = (async () => {
    for await (const socket of listener) {
      count++;
      socket.close();
    }
  })();
  return {
    port: listener.addr.port,
    connections: () => count,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
    },
  };
}

/** Of both families where the machine has both. */
function listenEverywhere(): Deno.TcpListener {
  try {
    return Deno.listen({ hostname: "::", port: 0 });
  } catch {
    return Deno.listen({ hostname: "0.0.0.0", port: 0 });
  }
}
