/**
 * The reference system's export document at the place where bundles are imported: all that it becomes
 * is made, and a second time nothing is.
 *
 * @module
 * @see contract.md, section 8, "Export and import"
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { ImportReport } from "../../src/admin/transfer/transfer.ts";
import { openTransferWorld } from "../support/transfer_world.ts";
import { DOCUMENTS, textOf } from "./reference_fixtures.ts";

function actions({ records }: ImportReport): ReadonlySet<string> {
  return new Set(records.map(({ action }) => action));
}

for (const name of DOCUMENTS) {
  Deno.test(`all that ${name}.json becomes is made, and is there the second time`, async () => {
    await using world = await openTransferWorld();
    const document = JSON.parse(await textOf(name));
    const dry = await world.import(document, { strategy: "fail", dryRun: true });
    const made = await world.import(document, { strategy: "fail" });
    assertEquals([actions(dry), actions(made)], [new Set(["created"]), new Set(["created"])]);
    assertEquals(made.notTaken, dry.notTaken);
    const again = await world.import(document, { strategy: "update" });
    assertEquals(actions(again), new Set(["unchanged"]));
  });
}

Deno.test("each secret is to be filled in once, and until then nothing is sent there", async () => {
  await using world = await openTransferWorld();
  const { toFillIn } = await world.import(JSON.parse(await textOf("complete")));
  const told = toFillIn.map((one) => JSON.stringify(one));
  assertEquals(told.length, new Set(told).size);
  const lacking = new Set(toFillIn.map(({ kind, name }) => `${kind} ${name}`));
  const { upstreams = [], tools = [] } = await world.exported();
  const on = [
    ...upstreams.filter(({ enabled }) => enabled).map(({ slug }) => `upstream ${slug}`),
    ...tools.filter(({ enabled }) => enabled).map(({ name }) => `tool ${name}`),
  ];
  assertEquals(on.filter((one) => lacking.has(one)), []);
});

Deno.test("a prompt of the reference system is asked for by its name, with its messages", async () => {
  await using world = await openTransferWorld();
  await world.import(JSON.parse(await textOf("complete")));
  const { prompts = [] } = await world.exported();
  const review = prompts.find(({ name }) => name === "review");
  assertEquals(review?.messages.map(({ role }) => role), ["user", "assistant", "user"]);
});
