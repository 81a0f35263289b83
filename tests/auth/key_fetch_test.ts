/**
 * Where keys of an external issuer are fetched from, and how long that may take.
 *
 * @module
 * @see security.md, AUTHN-09; contract.md, section 8, "Egress"
 */
import {
  deepStrictEqual as assertEquals,
  rejects as assertRejects,
  throws as assertThrows,
} from "node:assert/strict";
import type { OidcIssuer } from "../../src/auth/issuers.ts";
import { fetchKeys, keysPlace } from "../../src/auth/key_fetch.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createHttpClient } from "../../src/platform/http1/client.ts";
import { createTimers, type Timers } from "../../src/platform/timers.ts";
import { createEgressPolicy } from "../../src/policy/egress.ts";
import { makeKey, openIssuer, type TestIssuer } from "../support/oidc_issuer.ts";

const KEY = await makeKey("one");
const NAME = "keys.example";

Deno.test("AUTHN-09: a name that the document leads to must not lead into the network", async () => {
  await using issuer = openIssuer();
  const { port } = new URL(issuer.issuer);
  issuer.answer(() =>
    Response.json({ issuer: issuer.issuer, jwks_uri: `http://${NAME}:${port}/keys` })
  );
  await assertRejects(() => fetched(issuer), { code: "egress_denied" });
  assertEquals(issuer.asked, ["/.well-known/openid-configuration"]);
});

Deno.test("AUTHN-09: the operator may name a place in the network", async () => {
  await using issuer = openIssuer();
  issuer.list(KEY);
  const { port } = new URL(issuer.issuer);
  const keys = await fetched(issuer, { jwksUri: `http://${NAME}:${port}/keys` });
  assertEquals(await keys.find("one", "ES256") !== undefined, true);
});

for (
  const [issuer, place, isUsable] of [
    ["https://a.example", "https://b.example/keys", true],
    ["http://a.example", "http://a.example/keys", true],
    ["http://a.example", "https://a.example/keys", true],
    ["https://a.example", "http://a.example/keys", false],
    ["https://a.example", "https://u:p@a.example/keys", false],
    ["https://a.example", "ftp://a.example/keys", false],
    ["https://a.example", "data:application/json,{}", false],
    ["https://a.example", "/keys", false],
    ["https://a.example", ["https://a.example/keys"], false],
    ["https://a.example", undefined, false],
  ] as const
) {
  const is = isUsable ? "is" : "is not";
  Deno.test(`AUTHN-09: ${JSON.stringify(place)} ${is} where keys of ${issuer} are`, () => {
    const read = () => keysPlace({ issuer, jwks_uri: place }, { issuer }).href;
    if (isUsable) assertEquals(read(), place);
    else assertThrows(read);
  });
}

Deno.test("AUTHN-09: the document of an issuer with a path is below that path", async () => {
  await using issuer = openIssuer();
  for (const end of ["/realms/a", "/realms/a/"]) {
    await fetched(issuer, { issuer: issuer.issuer + end }).catch(() => {});
  }
  const place = "/realms/a/.well-known/openid-configuration";
  assertEquals(issuer.asked, [place, place]);
});

for (
  const [what, answer] of [
    ["says nothing", (until: Promise<void>) => until.then(() => new Response())],
    ["does not end", () => new Response(new ReadableStream({ start: (c) => c.enqueue(SPACE) }))],
  ] as const
) {
  Deno.test(`AUTHN-09: an issuer that ${what} is waited for so long, and no longer`, async () => {
    await using issuer = openIssuer();
    const end = Promise.withResolvers<void>();
    const waits: number[] = [];
    let isAsked = () => {};
    const asked = new Promise<void>((resolve) => isAsked = resolve);
    issuer.answer(() => {
      isAsked();
      return answer(end.promise);
    });
    const timers: Timers = {
      after(delayMs, fire) {
        waits.push(delayMs);
        asked.then(() => setTimeout(fire, 20));
        return { cancel() {} };
      },
    };
    await assertRejects(() => fetched(issuer, {}, timers), /Too late/);
    end.resolve();
    assertEquals(waits, [LIMITS.keyReplyMs]);
  });
}

const SPACE = new Uint8Array([32]);

async function fetched(
  { issuer }: TestIssuer,
  more: Partial<OidcIssuer> = {},
  timers: Timers = createTimers(systemClock.monotonic),
) {
  const http = createHttpClient(
    systemClock,
    (name) => Promise.resolve([/^[\d.]+$/.test(name) ? name : "127.0.0.1"]),
  );
  const egress = createEgressPolicy({ allowPrivate: [], own: [] });
  try {
    return await fetchKeys({ http, timers, egress }, { connectMs: 2_000, userAgent: "tests" }, {
      issuer,
      audience: "a",
      jwksUri: undefined,
      emailClaim: undefined,
      teamsClaim: undefined,
      ...more,
    });
  } finally {
    http.close();
  }
}
