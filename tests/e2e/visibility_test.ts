/**
 * The matrix of who sees what: callers × visibilities × endpoints × kinds of items, listed and used,
 * in every era. What is hidden is answered as what is missing, byte for byte, and no server is asked.
 *
 * @module
 * @see security.md, section 4.6, AUTHZ-02, AUTHZ-03, AUTHZ-07, AUTHZ-08, AUTHZ-10
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { visibleIn } from "../support/session_client.ts";
import { MISSING, type Row, ROWS, SHOWN, type Shown } from "./visibility_rows.ts";
import {
  type Answer,
  type Asker,
  ERAS,
  type Kind,
  KINDS,
  type Level,
  LEVELS,
  openVisibility,
  type Scope,
  scopesOf,
  serverOf,
  USES,
  type World,
} from "./visibility_world.ts";

let withSessions: World;
let withoutSessions: World;

Deno.test.beforeAll(async () => {
  [withSessions, withoutSessions] = await Promise.all([
    openVisibility({ SESSIONS_PER_PRINCIPAL: "1000" }),
    openVisibility({ USE_STATEFUL_SESSIONS: "false" }),
  ]);
});

Deno.test.afterAll(async () => {
  for (const world of [withSessions, withoutSessions]) await world?.[Symbol.asyncDispose]();
});

for (const row of ROWS) {
  for (const era of ["session", "sessionless", "modern"] as const) {
    for (const level of LEVELS) {
      const sees = typeof row.sees === "number" ? `is ${row.sees}` : `sees ${row.sees}`;
      Deno.test(`AUTHZ-02: ${row.caller}: ${sees} of public, team, private by ${level}, ${era}`, async () => {
        const world = era === "sessionless" ? withoutSessions : withSessions;
        const token = await row.token(world.external);
        const before = reached(world, level);
        const wrong = await Promise.all(
          scopesOf(level).map(async ([scope, path]) => {
            await using asker = await ERAS[era](world.origin, path, token);
            return await wrongIn({ row, level, scope, asker });
          }),
        );
        assertEquals(wrong.flat(), []);
        const times = reached(world, level).map((now, i) => now - before[i]!);
        assertEquals(times, timesUsed(row, level), "a server was asked for what is hidden");
      });
    }
  }
}

interface Cells {
  readonly row: Row;
  readonly level: Level;
  readonly scope: Scope;
  readonly asker: Asker;
}

/** The cells of one endpoint that are not as they should be, in words. */
async function wrongIn(cells: Cells): Promise<string[]> {
  const { row, scope, asker } = cells;
  const refusal = typeof row.sees === "number"
    ? row.sees
    : scope === "a server that is not"
    ? 404
    : undefined;
  if (asker.refused !== refusal) return [`${scope}: ${asker.refused}, not ${refusal}`];
  if (refusal !== undefined) return [];
  return (await Promise.all(KINDS.map((kind) => wrongOf(cells, kind)))).flat();
}

async function wrongOf(cells: Cells, kind: Kind): Promise<string[]> {
  const { row, level, scope, asker } = cells;
  const { listed } = USES[kind];
  const list = await asker.ask(USES[kind].list, {});
  const missing = await used(asker, kind, level, MISSING);
  const wrong: string[] = [];
  for (const [at, what] of SHOWN.entries()) {
    const isSeen = isShown(row, scope, at);
    const cell = `${scope}, ${kind} of ${what}`;
    const isListed = list.text.includes(JSON.stringify(listed(level, what)));
    if (isListed !== isSeen) wrong.push(`${cell}: ${isListed ? "" : "not "}listed`);
    const answer = await used(asker, kind, level, what);
    const isUsed = "result" in answer.response && !answer.text.includes('"isError":true');
    if (isUsed !== isSeen) wrong.push(`${cell}: ${isUsed ? "" : "not "}used: ${answer.text}`);
    if (isSeen) continue;
    const [seen, expected] = [shownOf(answer, kind, level, what), shownOf(missing, kind, level)];
    if (seen !== expected) wrong.push(`${cell}: ${seen}, and of what is missing ${expected}`);
  }
  return wrong;
}

function used(asker: Asker, kind: Kind, level: Level, what: string): Promise<Answer> {
  return asker.ask(...USES[kind].use(level, what));
}

/** All that a client can see of an answer, but for the name that it asked for and its id. */
function shownOf(answer: Answer, kind: Kind, level: Level, what: Shown | typeof MISSING = MISSING) {
  const [, { name, uri }] = USES[kind].use(level, what);
  return visibleIn(answer).replaceAll(String(name ?? uri), "NAME").replaceAll(/"id\\":\d+/g, "");
}

function isShown({ sees }: Row, scope: Scope, at: number): boolean {
  const isThere = scope !== "S2 without it" && scope !== "a server that is not";
  return isThere && String(sees).split(" ")[at] === "yes";
}

/** How often each item was asked for at its server. */
function reached(world: World, level: Level): number[] {
  return KINDS.flatMap((kind) =>
    SHOWN.map((what) => {
      const [method, { uri = what }] = USES[kind].use(level, what);
      return world.stands[serverOf(level, what)]!.requestsOf(method)
        .filter(({ params }) => (params.uri ?? params.name) === uri).length;
    })
  );
}

/** How often each item may be asked for: once where it is shown. */
function timesUsed(row: Row, level: Level): number[] {
  return KINDS.flatMap(() =>
    SHOWN.map((_, at) => scopesOf(level).filter(([scope]) => isShown(row, scope, at)).length)
  );
}
