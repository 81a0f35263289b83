/**
 * The steps of docs/moving.md, as a reader pastes them.
 *
 * @module
 */
import assert, { deepStrictEqual as assertEquals } from "node:assert/strict";
import { stepsOf } from "../support/page.ts";
import { openTerminals } from "../support/page_shells.ts";
import { ownSchema, postgresTest } from "../support/postgres.ts";

postgresTest("docs/moving.md leads from SQLite to PostgreSQL", async () => {
  await using schema = await ownSchema();
  await using terminals = await openTerminals({
    "postgres://sallyport:change-me@127.0.0.1/sallyport": schema.text,
    "$(cat data/jwt.key)": "only-for-tests-abcdefghij-0123456789-abc",
  });
  const steps = await stepsOf("docs/moving.md", "From SQLite to PostgreSQL");
  const tool = "npx -y deno@2.9.6 task start import openapi fixtures/petstore/openapi.yaml";
  const printed = await terminals.type([tool, ...steps.map(({ commands }) => commands)]);
  const last = printed.at(-1)!;
  assert.match(printed[0]!, /^Created: 10\n/);
  assert.match(last, /^Nothing has been changed\. It would be:\nCreated: 10\n/);
  assertEquals(last.match(/^Created: 10$/gm)?.length, 2);
  const rows = await schema.ask("select count(*)::int as count from own_items");
  assertEquals(rows[0]!.count, 10);
});
