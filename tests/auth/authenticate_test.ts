/**
 * A credential that is present and bad is refused; only none at all may be anonymous.
 *
 * @module
 * @see security.md, AUTHN-02, AUTHN-12 to AUTHN-14
 */
import { deepStrictEqual as assertEquals, rejects as assertRejects } from "node:assert/strict";
import { createAuthenticate } from "../../src/auth/authenticate.ts";
import { invalidToken } from "../../src/auth/bearer_jwt.ts";
import { createTokenCache } from "../../src/auth/token_cache.ts";
import { ANONYMOUS, type Principal } from "../../src/domain/principal.ts";
import { fakeClock } from "../support/fake_clock.ts";

const ALICE: Principal = { ...ANONYMOUS, kind: "gateway_jwt", subject: "alice@example.com" };
const LONGEST = 8 * 1024;

for (const requireAuth of [true, false]) {
  const mode = requireAuth ? "where one is needed" : "where none is needed";

  Deno.test(`a good token is let in, ${mode}`, async () => {
    assertEquals(await world({ requireAuth }).ask("Bearer good"), ALICE);
  });

  Deno.test(`a bad token is refused, ${mode}`, async () => {
    await assertRefused(world({ requireAuth }), "Bearer bad");
  });

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
    Deno.test(`${JSON.stringify(header)} is refused, ${mode}`, async () => {
      await assertRefused(world({ requireAuth }), header);
    });
  }

  Deno.test(`two credentials are a bad request, ${mode}`, async () => {
    await assertRejects(async () => await world({ requireAuth }).ask("Bearer good, Bearer good"), {
      code: "invalid_request",
    });
  });
}

Deno.test("no credential is refused where one is needed", async () => {
  await assertRefused(world({ requireAuth: true }), undefined);
});

Deno.test("no credential is anonymous where none is needed", async () => {
  assertEquals(await world({ requireAuth: false }).ask(undefined), ANONYMOUS);
});

for (const scheme of ["bearer", "BEARER", "bEaReR"]) {
  Deno.test(`the scheme may be written ${scheme}`, async () => {
    assertEquals(await world().ask(`${scheme} good`), ALICE);
  });
}

Deno.test("a token of 8 KiB is looked at", async () => {
  const { ask, verified } = world();
  await Promise.resolve(ask(`Bearer ${"a".repeat(LONGEST)}`)).catch(() => {});
  assertEquals(verified(), 1);
});

Deno.test("a token over 8 KiB is refused", async () => {
  await assertRefused(world(), `Bearer ${"a".repeat(LONGEST + 1)}`);
});

Deno.test("a token over 8 KiB is refused before any work", async () => {
  const { ask, verified } = world();
  await (async () => await ask(`Bearer ${"a".repeat(LONGEST + 1)}`))().catch(() => {});
  assertEquals(verified(), 0);
});

Deno.test("a token is verified once while it is remembered", async () => {
  const { ask, verified } = world();
  await ask("Bearer good");
  await ask("Bearer good");
  assertEquals(verified(), 1);
});

Deno.test("a refusal is not remembered", async () => {
  const { ask, verified } = world();
  for (let i = 0; i < 2; i++) await Promise.resolve(ask("Bearer bad")).catch(() => {});
  assertEquals(verified(), 2);
});

function world({ requireAuth = true } = {}) {
  let verified = 0;
  const verifyToken = (token: string) => {
    verified++;
    return token === "good" ? Promise.resolve(ALICE) : Promise.reject(invalidToken("bad"));
  };
  const cache = createTokenCache(fakeClock());
  const ask = createAuthenticate({ verifyToken, cache }, { requireAuth });
  return { ask, verified: () => verified };
}

async function assertRefused(
  { ask }: ReturnType<typeof world>,
  header: string | undefined,
): Promise<void> {
  await assertRejects(async () => await ask(header), { code: "unauthenticated" });
}
