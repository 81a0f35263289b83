/**
 * What claims promise, run on each of their implementations.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { Claim, Claims } from "../../src/events/claims.ts";
import { until } from "../support/until.ts";

export interface OpenReplica {
  readonly claims: Claims;
  /** It ends without a word, or its others hold it for dead: it notices if it can. */
  readonly die: () => Promise<void>;
}

export interface OpenReplicas extends AsyncDisposable {
  readonly of: (replica: string) => Promise<OpenReplica>;
}

/** @param declare makes a test of a name and a body */
export function claimsContract(
  name: string,
  open: () => Promise<OpenReplicas>,
  declare: (name: string, body: () => Promise<void>) => void = Deno.test,
): void {
  const it = (promise: string, body: (a: OpenReplica, b: OpenReplica) => Promise<void>) =>
    declare(`${name} ${promise}`, async () => {
      await using replicas = await open();
      await body(await replicas.of("a"), await replicas.of("b"));
    });

  it("go to whoever comes first, and the other learns who that is", async (a, b) => {
    const claim = held(await take(a, "x"));
    assertEquals(await take(b, "x"), "a");
    assertEquals([await a.claims.holder("x"), await b.claims.holder("x")], ["a", "a"]);
    assertEquals(claim.isHeld(), true);
  });

  it("are separate", async (a, b) => {
    held(await take(a, "x"));
    held(await take(b, "y"));
  });

  it("are given to one of many at once", async (a, b) => {
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) => take(i % 2 === 0 ? a : b, "x")),
    );
    const claims = new Set(all.filter((one) => typeof one !== "string"));
    assertEquals(claims.size, 1);
  });

  it("are the same when they are taken again", async (a) => {
    assertEquals(held(await take(a, "x")), await take(a, "x"));
  });

  it("can be given back, and have a higher number then", async (a, b) => {
    const first = held(await take(a, "x"));
    await first.release();
    assertEquals(first.isHeld(), false);
    assertEquals(await b.claims.holder("x"), undefined);
    const second = held(await take(b, "x"));
    assert(second.fence > first.fence);
    await first.release();
    assertEquals(await take(a, "x"), "b");
  });

  it("go to another one when their holder is dead, who has lost them all", async (a, b) => {
    let lost = 0;
    const first = held(await a.claims.take("x", () => lost++) as Claim);
    await a.claims.take("y", () => lost++);
    await a.die();
    const second = held(
      await until("the claim", async () => {
        const taken = await take(b, "x");
        return typeof taken !== "string" && taken;
      }),
    );
    assert(second.fence > first.fence);
    await until("that it is noticed", () => lost === 2);
    assertEquals(first.isHeld(), false);
  });

  it("are free when their holder closes", async (a, b) => {
    held(await take(a, "x"));
    await a.claims.close();
    held(await take(b, "x"));
  });
}

function take({ claims }: OpenReplica, name: string): Promise<Claim | string> {
  return claims.take(name, () => {});
}

function held(claim: Claim | string): Claim {
  assert(typeof claim !== "string", `held by ${claim}`);
  return claim;
}
