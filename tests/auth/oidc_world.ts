/**
 * Verification of tokens of external issuers that run, on a clock that the test moves.
 *
 * @module
 */
import { createVerifyToken, type Verdict } from "../../src/auth/bearer_jwt.ts";
import type { OidcIssuer } from "../../src/auth/issuers.ts";
import { fetchKeys } from "../../src/auth/key_fetch.ts";
import { createKeySet } from "../../src/auth/key_set.ts";
import { createHttpClient } from "../../src/platform/http1/client.ts";
import { createTimers } from "../../src/platform/timers.ts";
import { createEgressPolicy } from "../../src/policy/egress.ts";
import { type FakeClock, fakeClock } from "../support/fake_clock.ts";
import { OIDC_AUDIENCE, openIssuer, type TestIssuer } from "../support/oidc_issuer.ts";
import { ISSUER, NOW_MS, RESOURCE } from "./claims.ts";

export interface OidcWorld extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly issuer: TestIssuer;
  /** A second one, trusted as well. */
  readonly other: TestIssuer;
  readonly verify: (token: string, resource?: string) => Promise<Verdict>;
  /** Failures to fetch keys. */
  readonly failures: readonly unknown[];
}

/** @param more settings of the first issuer */
export function openOidcWorld(more: Partial<OidcIssuer> = {}): OidcWorld {
  const stack = new AsyncDisposableStack();
  const clock = fakeClock(NOW_MS);
  const issuer = stack.use(openIssuer(clock.now));
  const other = stack.use(openIssuer(clock.now));
  const http = createHttpClient({ ...clock, monotonic: () => performance.now() });
  stack.defer(() => http.close());
  const failures: unknown[] = [];
  const timers = createTimers(() => performance.now());
  const egress = createEgressPolicy({ allowPrivate: [], own: [] });
  const trusted = [settings(issuer, more), settings(other)].map((entry) => ({
    issuer: entry,
    keySet: createKeySet({
      clock,
      fetchKeys: () =>
        fetchKeys({ http, timers, egress }, { connectMs: 2_000, userAgent: "tests" }, entry),
      failed: (error) => void failures.push(error),
    }),
  }));
  const verifyToken = createVerifyToken({ clock, gateway: ISSUER, trusted }, {
    requireExpiration: true,
    requireTokenId: true,
  });
  return {
    clock,
    issuer,
    other,
    verify: (token, resource = RESOURCE) => verifyToken(token, resource),
    failures,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function settings({ issuer }: TestIssuer, more: Partial<OidcIssuer> = {}): OidcIssuer {
  return {
    issuer,
    audience: OIDC_AUDIENCE,
    jwksUri: undefined,
    emailClaim: undefined,
    teamsClaim: undefined,
    ...more,
  };
}
