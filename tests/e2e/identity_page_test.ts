/**
 * The steps of docs/identity.md, as a reader pastes them.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { stepsOf } from "../support/page.ts";
import { openTerminals } from "../support/page_shells.ts";

Deno.test("docs/identity.md leads from nothing to teams that see what is theirs", async () => {
  await using terminals = await openTerminals();
  const steps = await stepsOf(
    "docs/identity.md",
    "From nothing: two teams, three people, one issuer",
  );
  const [servers, typed] = [steps.slice(0, 3), steps.slice(3)];
  for (const { commands } of servers) await terminals.serve(commands);

  const printed = await terminals.type(typed.map(({ commands }) => commands));

  const told = typed.flatMap(({ shown }, i) => shown === undefined ? [] : [{ shown, at: i }]);
  assertEquals(told.map(({ at }) => printed[at]), told.map(({ shown }) => shown));
});
