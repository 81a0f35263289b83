/**
 * What people are told of a server's health.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { GatewayError } from "../../src/domain/errors.ts";
import { DialError } from "../../src/platform/dial.ts";
import { HeldBack } from "../../src/upstream/verdict.ts";
import { anUpstream } from "../support/memory_catalog.ts";
import { healthWorld } from "./health_world.ts";

Deno.test("of a server that was never called nothing is known", () => {
  assertEquals(healthWorld().state(), {
    status: "unknown",
    sinceMs: undefined,
    lastError: undefined,
    lastSeenMs: undefined,
    circuit: "closed",
  });
});

Deno.test("one that answered is healthy since then", async () => {
  const world = healthWorld();
  const nowMs = world.clock.now();
  await world.outcome();
  world.clock.advance(5_000);
  await world.outcome();
  const { status, sinceMs, lastSeenMs } = world.state();
  assertEquals([status, sinceMs, lastSeenMs], ["healthy", nowMs, nowMs + 5_000]);
});

Deno.test("one that is away says so, since when, and why", async () => {
  const world = healthWorld();
  await world.outcome();
  world.clock.advance(5_000);
  const nowMs = world.clock.now();
  await world.open();
  assertEquals(world.state(), {
    status: "unhealthy",
    sinceMs: nowMs,
    lastError: "The upstream server could not be reached",
    lastSeenMs: nowMs - 5_000,
    circuit: "open",
  });
});

Deno.test("one that is back is healthy without an error", async () => {
  const world = healthWorld();
  await world.open();
  world.clock.advance(1_000);
  world.answers();
  await world.outcome();
  const { status, lastError, circuit } = world.state();
  assertEquals([status, lastError, circuit], ["healthy", undefined, "closed"]);
});

Deno.test("one that is switched off is disabled", () => {
  const { guarded } = healthWorld();
  assertEquals(guarded.stateOf(anUpstream({ enabled: false })).status, "disabled");
});

Deno.test("that a server becomes unhealthy, and healthy again, is told once each", async () => {
  const world = healthWorld();
  for (let i = 0; i < 3; i++) await world.outcome();
  await world.open();
  for (let i = 0; i < 3; i++) {
    world.clock.advance(100_000);
    await world.outcome();
  }
  world.answers();
  world.clock.advance(100_000);
  for (let i = 0; i < 3; i++) await world.outcome();
  assertEquals(world.changes, ["alpha is unhealthy", "alpha is healthy"]);
});

Deno.test("the cause of an error is not shown", async () => {
  const world = healthWorld();
  world.fails(new DialError("upstream_unavailable", "Plain", { cause: new Error("10.0.0.1") }));
  await world.outcome();
  assertEquals(world.state().lastError, "Plain");
});

Deno.test("an error that may hold anything is not shown", () => {
  const world = healthWorld();
  const { checked } = world.guarded.conditionOf(world.server);
  checked(new GatewayError("upstream_protocol", "Plain"));
  checked(new TypeError("10.0.0.1"));
  assertEquals(world.state().lastError, "Plain");
});

Deno.test("checks that fail for any reason of the server's make it unhealthy", () => {
  const world = healthWorld();
  for (let i = 0; i < 3; i++) {
    world.guarded.conditionOf(world.server).checked(
      new GatewayError("upstream_protocol", "Nonsense"),
    );
  }
  assertEquals([world.state().status, world.circuit()], ["unhealthy", "closed"]);
});

Deno.test("so do checks of a server whose address may not be used", () => {
  const world = healthWorld();
  const denied = new GatewayError("egress_denied", "Not allowed");
  for (let i = 0; i < 3; i++) world.guarded.conditionOf(world.server).checked(denied);
  assertEquals(world.state().status, "unhealthy");
});

Deno.test("checks that were held back say nothing", () => {
  const world = healthWorld();
  const { checked } = world.guarded.conditionOf(world.server);
  for (let i = 0; i < 3; i++) checked(new HeldBack("Not now"));
  assertEquals(world.state().status, "unknown");
});
