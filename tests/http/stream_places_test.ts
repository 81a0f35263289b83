/**
 * LIM-10: places for the streams of one principal.
 *
 * @module
 */
import { throws as assertThrows } from "node:assert/strict";
import { ANONYMOUS, type Principal } from "../../src/domain/principal.ts";
import { createStreamPlaces } from "../../src/http/stream_places.ts";

const OPEN = new Promise<void>(() => {});
const principal = (subject: string): Principal => ({ ...ANONYMOUS, kind: "gateway_jwt", subject });
const ADA = principal("ada");
const FULL = { code: "rate_limited" };

Deno.test("LIM-10: over the limit there is no place", () => {
  const { take } = createStreamPlaces({ perPrincipal: 2 });
  take(ADA, OPEN);
  take(ADA, OPEN);
  assertThrows(() => take(ADA, OPEN), FULL);
});

Deno.test("LIM-10: another principal has places of its own", () => {
  const { take } = createStreamPlaces({ perPrincipal: 1 });
  take(ADA, OPEN);
  take(principal("bob"), OPEN);
});

Deno.test("LIM-10: a place that was given back can be taken again", () => {
  const { take } = createStreamPlaces({ perPrincipal: 1 });
  take(ADA, OPEN)();
  take(ADA, OPEN);
  assertThrows(() => take(ADA, OPEN), FULL);
});

Deno.test("LIM-10: a place that is given back twice counts once", () => {
  const { take } = createStreamPlaces({ perPrincipal: 2 });
  const giveBack = take(ADA, OPEN);
  take(ADA, OPEN);
  giveBack();
  giveBack();
  take(ADA, OPEN);
  assertThrows(() => take(ADA, OPEN), FULL);
});

for (const how of ["was sent", "could not be sent"]) {
  Deno.test(`LIM-10: a place is free again when the response ${how}`, async () => {
    const { take } = createStreamPlaces({ perPrincipal: 1 });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    take(ADA, promise);
    if (how === "was sent") resolve();
    else reject(new Error("The client has left"));
    await promise.catch(() => {});
    await Promise.resolve();
    take(ADA, OPEN);
  });
}

Deno.test("LIM-10: a place that was given back before its response was sent counts once", async () => {
  const { take } = createStreamPlaces({ perPrincipal: 1 });
  const { promise, resolve } = Promise.withResolvers<void>();
  take(ADA, promise)();
  take(ADA, OPEN);
  resolve();
  await promise;
  await Promise.resolve();
  assertThrows(() => take(ADA, OPEN), FULL);
});

Deno.test("LIM-10: all places that were given back can be taken again, time after time", () => {
  const { take } = createStreamPlaces({ perPrincipal: 3 });
  for (let round = 0; round < 3; round++) {
    const all = Array.from({ length: 3 }, () => take(ADA, OPEN));
    assertThrows(() => take(ADA, OPEN), FULL);
    for (const giveBack of all) giveBack();
  }
});
