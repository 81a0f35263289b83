/**
 * A credential that is present and bad is refused; only none at all may be anonymous, or a proxy's
 * to name.
 *
 * @module
 * @see security.md, AUTHN-02, AUTHN-12 to AUTHN-14, AUTHN-19, PROXY-02, PROXY-03, PROXY-05
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import {
  type AuthenticateOptions,
  type AuthRequest,
  createAuthenticate,
} from "../../src/auth/authenticate.ts";
import { createFailedAttempts } from "../../src/auth/failed_attempts.ts";
import { invalidToken } from "../../src/auth/invalid_token.ts";
import { createTokenCache } from "../../src/auth/token_cache.ts";
import { createTrustedProxies } from "../../src/auth/trusted_proxy.ts";
import { type Credential, NO_CREDENTIAL } from "../../src/domain/credential.ts";
import { GatewayError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { parseBlock } from "../../src/platform/addresses.ts";
import { fakeClock } from "../support/fake_clock.ts";
import { RESOURCE } from "./claims.ts";

const ALICE: Credential = { ...NO_CREDENTIAL, kind: "gateway_jwt", subject: "alice@example.com" };
const BOT: Credential = { ...NO_CREDENTIAL, kind: "api_token", subject: "bot@example.com" };
const CAROL: Credential = {
  ...NO_CREDENTIAL,
  kind: "proxy",
  subject: "carol@example.com",
  teams: "stored",
};
const LONGEST = 8 * 1024;
const PROXY = "10.0.0.1";
const STRANGER = "192.0.2.7";

const BEARERS = {
  "no bearer": undefined,
  "a good bearer": "Bearer good",
  "a bad bearer": "Bearer bad",
  "a good API token": "Bearer spt_good",
  "a bad API token": "Bearer spt_bad",
  "no bearer token": "Basic Z29vZA==",
} as const;

const PROXIED = {
  "no user header": { proxyUser: undefined, peer: PROXY },
  "a user header of a proxy": { proxyUser: CAROL.subject, peer: PROXY },
  "a bad user header of a proxy": { proxyUser: "carol@example.com, x@example.com", peer: PROXY },
  "a user header of a stranger": { proxyUser: CAROL.subject, peer: STRANGER },
  "a bad user header of a stranger": { proxyUser: "a,b", peer: STRANGER },
} as const;

type Verdict = Credential | "unauthenticated" | "invalid_request";

const both = [true, false];

for (const requireAuth of both) {
  for (const clientAuth of both) {
    for (const trustProxy of both) {
      for (const bearer of Object.keys(BEARERS) as (keyof typeof BEARERS)[]) {
        for (const proxied of Object.keys(PROXIED) as (keyof typeof PROXIED)[]) {
          const modes = Object.entries({ requireAuth, clientAuth, trustProxy })
            .map(([name, value]) => `${value ? "" : "no "}${name}`).join(", ");
          Deno.test(`AUTHN-02, PROXY-02, PROXY-03, PROXY-05: ${bearer}, ${proxied}: ${modes}`, async () => {
            const options = { requireAuth, clientAuth, trustProxy };
            const request = { authorization: BEARERS[bearer], ...PROXIED[proxied] };
            assertEquals(
              await verdictOf(world(options), request),
              expected(bearer, proxied, options),
            );
          });
        }
      }
    }
  }
}

/** The promise in words, written down apart from the table that is tested. */
function expected(
  bearer: keyof typeof BEARERS,
  proxied: keyof typeof PROXIED,
  { requireAuth, clientAuth, trustProxy }: AuthenticateOptions,
): Verdict {
  const isBelieved = trustProxy && proxied.endsWith("of a proxy");
  if (isBelieved && proxied.startsWith("a bad")) return "invalid_request";
  if (bearer !== "no bearer") {
    if (!clientAuth) return "unauthenticated";
    if (bearer === "a good bearer") return ALICE;
    return bearer === "a good API token" ? BOT : "unauthenticated";
  }
  if (isBelieved) return CAROL;
  return requireAuth ? "unauthenticated" : NO_CREDENTIAL;
}

for (const requireAuth of both) {
  const mode = requireAuth ? "where one is needed" : "where none is needed";
  for (
    const header of [
      "",
      " ",
      "Bearer",
      "Bearer ",
      "good",
      "Basic Z29vZA==",
      "Token good",
      "Bearergood",
      "Bearer  good",
      "Bearer good ",
      " Bearer good",
      "Bearer\tgood",
      "Bearer good good",
      "Bearer göod",
      "Bearer good\0",
      'Bearer "good"',
      "Bearer =good",
      "Bearer good;a=b",
    ]
  ) {
    Deno.test(`AUTHN-14: ${JSON.stringify(header)} is refused, ${mode}`, async () => {
      const verdict = await verdictOf(world({ requireAuth }), { authorization: header });
      assertEquals(verdict, "unauthenticated");
    });
  }

  Deno.test(`AUTHN-13: two credentials are a bad request, ${mode}`, async () => {
    const authorization = "Bearer good, Bearer good";
    assertEquals(await verdictOf(world({ requireAuth }), { authorization }), "invalid_request");
  });
}

for (const scheme of ["bearer", "BEARER", "bEaReR"]) {
  Deno.test(`AUTHN-14: the scheme may be written ${scheme}`, async () => {
    assertEquals(await verdictOf(world(), { authorization: `${scheme} good` }), ALICE);
  });
}

Deno.test("AUTHN-12: a token of 8 KiB is looked at", async () => {
  const all = world();
  await verdictOf(all, { authorization: `Bearer ${"a".repeat(LONGEST)}` });
  assertEquals(all.verified(), 1);
});

for (const start of ["", "spt_"]) {
  Deno.test(`AUTHN-12: a token over 8 KiB is refused before any work, ${start || "JWT"}`, async () => {
    const all = world();
    const token = start + "a".repeat(LONGEST + 1 - start.length);
    const verdict = await verdictOf(all, { authorization: `Bearer ${token}` });
    assertEquals([verdict, all.verified(), all.looked()], ["unauthenticated", 0, 0]);
  });
}

Deno.test("a token is verified once while it is remembered", async () => {
  const all = world();
  await verdictOf(all, { authorization: "Bearer good" });
  await verdictOf(all, { authorization: "Bearer good" });
  assertEquals(all.verified(), 1);
});

Deno.test("a token that is remembered is answered at once", async () => {
  const all = world();
  await verdictOf(all, { authorization: "Bearer good" });
  assertEquals(all.ask(request({ authorization: "Bearer good" })), ALICE);
});

Deno.test("a proxy's user is answered at once, and is the same each time", () => {
  const { ask } = world();
  const named = request({ proxyUser: CAROL.subject, peer: PROXY });
  assertEquals(ask(named) === ask(named), true);
});

Deno.test("a refusal is not remembered", async () => {
  const all = world();
  for (let i = 0; i < 2; i++) await verdictOf(all, { authorization: "Bearer bad" });
  assertEquals(all.verified(), 2);
});

Deno.test("what begins like an API token is never verified as anything else", async () => {
  const all = world();
  await verdictOf(all, { authorization: "Bearer spt_bad" });
  assertEquals([all.verified(), all.looked()], [0, 1]);
});

Deno.test("AUTHN-08: a token that is remembered for one URL is verified again at another", async () => {
  const all = world({}, { resources: [RESOURCE] });
  await verdictOf(all, { authorization: "Bearer good" });
  await verdictOf(all, { authorization: "Bearer good", resource: `${RESOURCE}/other` });
  assertEquals(all.verified(), 2);
});

Deno.test("AUTHN-18: what cannot be known is neither let in nor called bad", async () => {
  const { ask } = world();
  await assertRejects(async () => await ask(request({ authorization: "Bearer later" })), {
    code: "unavailable",
  });
});

Deno.test("AUTHN-19: a source that fails often is told so", async () => {
  const all = world();
  await fail(all, LIMITS.failuresAnswered);
  assertEquals(await verdictOf(all, { authorization: "Bearer bad" }), "rate_limited");
});

Deno.test("AUTHN-19: guessing API tokens counts like any other failure", async () => {
  const all = world();
  await fail(all, LIMITS.failuresAnswered, { authorization: "Bearer spt_bad" });
  assertEquals(await verdictOf(all, { authorization: "Bearer spt_bad" }), "rate_limited");
});

Deno.test("AUTHN-19: a good credential passes beside the failures of its own source", async () => {
  const all = world();
  await fail(all, LIMITS.failuresAnswered + 10);
  assertEquals(await verdictOf(all, { authorization: "Bearer good" }), ALICE);
});

Deno.test("AUTHN-19: a source that fails without end costs no more verifying", async () => {
  const all = world();
  await fail(all, LIMITS.failuresVerified + 100);
  assertEquals(all.verified(), LIMITS.failuresVerified);
});

Deno.test("AUTHN-19: such a source's remembered credentials still pass", async () => {
  const all = world();
  await verdictOf(all, { authorization: "Bearer good" });
  await fail(all, LIMITS.failuresVerified);
  assertEquals(await verdictOf(all, { authorization: "Bearer good" }), ALICE);
});

Deno.test("AUTHN-19: another source is not affected", async () => {
  const all = world();
  await fail(all, LIMITS.failuresVerified);
  assertEquals(await verdictOf(all, { authorization: "Bearer good", peer: "192.0.2.8" }), ALICE);
});

Deno.test("AUTHN-19: behind a trusted proxy, sources are told apart", async () => {
  const all = world();
  await fail(all, LIMITS.failuresVerified, { peer: PROXY, forwardedFor: "192.0.2.1" });
  const behind = { authorization: "Bearer good", peer: PROXY, forwardedFor: "192.0.2.2" };
  assertEquals(await verdictOf(all, behind), ALICE);
});

Deno.test("AUTHN-19: a stranger cannot lay its failures at another's door", async () => {
  const all = world();
  await fail(all, LIMITS.failuresVerified, { peer: STRANGER, forwardedFor: "192.0.2.2" });
  assertEquals(await verdictOf(all, { authorization: "Bearer good", peer: "192.0.2.2" }), ALICE);
});

Deno.test("AUTHN-19: requests without any credential are no failed attempts", async () => {
  const all = world();
  await fail(all, LIMITS.failuresVerified, { authorization: undefined });
  assertEquals(await verdictOf(all, { authorization: "Bearer bad" }), "unauthenticated");
});

interface Given {
  readonly resources?: readonly string[];
}

function world(options: Partial<AuthenticateOptions> = {}, given: Given = {}) {
  let verified = 0;
  let looked = 0;
  const clock = fakeClock();
  const ask = createAuthenticate({
    verifyToken(token) {
      verified++;
      if (token === "later") return Promise.reject(new GatewayError("unavailable", "Later"));
      if (token !== "good") return Promise.reject(invalidToken("bad"));
      const { resources } = given;
      return Promise.resolve({ credential: ALICE, resources, freshMs: Infinity });
    },
    findApiToken(token) {
      looked++;
      return token === "spt_good" ? BOT : undefined;
    },
    cache: createTokenCache(clock),
    proxies: createTrustedProxies([parseBlock(`${PROXY}/32`)!]),
    isProven: () => true,
    failures: createFailedAttempts(clock),
  }, { requireAuth: true, clientAuth: true, trustProxy: true, ...options });
  return { ask, verified: () => verified, looked: () => looked };
}

type World = ReturnType<typeof world>;

function request(more: Partial<AuthRequest>): AuthRequest {
  return {
    authorization: undefined,
    proxyUser: undefined,
    proxySecret: undefined,
    forwardedFor: undefined,
    peer: STRANGER,
    resource: RESOURCE,
    ...more,
  };
}

async function verdictOf({ ask }: World, more: Partial<AuthRequest>): Promise<unknown> {
  try {
    return await ask(request(more));
  } catch (error) {
    if (error instanceof GatewayError) return error.code;
    throw error;
  }
}

async function fail(
  all: World,
  times: number,
  more: Partial<AuthRequest> = { authorization: "Bearer bad" },
): Promise<void> {
  const given = { authorization: "Bearer bad", ...more };
  for (let i = 0; i < times; i++) await verdictOf(all, given);
}
