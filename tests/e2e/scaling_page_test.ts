/**
 * The steps of docs/scaling.md, as a reader pastes them.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { stepsOf } from "../support/page.ts";
import { openTerminals } from "../support/page_shells.ts";
import { ownSchema } from "../support/postgres.ts";
import { startRedis } from "../support/redis_server.ts";
import { replicasTest } from "../support/replicas.ts";

const hasHaproxy = await new Deno.Command("haproxy", { args: ["-v"] }).output()
  .then(({ success }) => success, () => false);

const PROMISE = "docs/scaling.md leads from nothing to three replicas, of which one may die";

if (hasHaproxy) replicasTest(PROMISE, walk);
else Deno.test.ignore(`${PROMISE} (no haproxy)`, walk);

async function walk(): Promise<void> {
  await using schema = await ownSchema();
  await using redis = await startRedis();
  await using terminals = await openTerminals({
    "postgres://sallyport:change-me@127.0.0.1/sallyport": schema.text,
    "redis://127.0.0.1:6379": redis.url,
  });
  const [_installed, settings, ...steps] = await stepsOf(
    "docs/scaling.md",
    "Three replicas by hand",
  );
  await terminals.type([settings!.commands]);
  const [servers, balancer, typed] = [steps.slice(0, 4), steps[4]!, steps.slice(5)];
  for (const { commands } of servers) await terminals.serve(commands);
  terminals.start(balancer.commands);
  const isReady = "until curl -sf http://127.0.0.1:4500/ready > /dev/null; do sleep 0.1; done";
  await terminals.type([isReady]);

  const printed = await terminals.type(typed.map(({ commands }) => commands));

  assertEquals(printed, typed.map(({ shown }) => shown));
}
