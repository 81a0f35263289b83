/**
 * A single tool, prompt, resource or template that is another team's does not exist: on `/mcp`, on a
 * virtual server, on the server's own URL, in both eras, with and without sessions.
 *
 * @module
 * @see security.md, AUTHZ-02, AUTHZ-03, AUTHZ-10; contract.md, section 4
 */
import { deepStrictEqual as assertEquals, ok } from "node:assert/strict";
import {
  type ItemWorld,
  LISTED,
  openItemWorld,
  PATHS,
  prefixOf,
  REQUESTS,
} from "../support/item_world.ts";
import { ERAS, namesOf, type OpenEra, sessionless } from "../support/shelf_world.ts";

const worlds = new Map<string, ItemWorld>();

Deno.test.beforeAll(async () => {
  worlds.set("with sessions", await openItemWorld());
  worlds.set("without", await openItemWorld({ USE_STATEFUL_SESSIONS: "false" }));
});

Deno.test.afterAll(async () => {
  for (const world of worlds.values()) await world[Symbol.asyncDispose]();
});

const CLIENTS: Readonly<Record<string, readonly [string, OpenEra]>> = {
  session: ["with sessions", ERAS.session],
  sessionless: ["without", sessionless],
  modern: ["with sessions", ERAS.modern],
};

function onEach(
  promise: string,
  run: (given: { world: ItemWorld; open: OpenEra; path: string; prefix: string }) => Promise<void>,
): void {
  for (const [era, [which, open]] of Object.entries(CLIENTS)) {
    for (const path of PATHS) {
      Deno.test(`${promise} (${path}, ${era})`, async () => {
        const world = worlds.get(which)!;
        world.shop.reset();
        await run({ world, open, path, prefix: prefixOf(path) });
      });
    }
  }
}

onEach("each caller is shown its own lists", async ({ world, open, path, prefix }) => {
  for (const [who, column] of [["red", 1], ["blue", 2]] as const) {
    await using client = await open(world, { path, token: world[who] });
    for (const row of LISTED) {
      assertEquals([who, row[0], await namesOf(client, row[0])], [
        who,
        row[0],
        row[column](prefix),
      ]);
    }
  }
});

for (const [what, request] of Object.entries(REQUESTS)) {
  onEach(`${what} of red is answered to blue like one that is missing`, async (given) => {
    const { world, open, path, prefix } = given;
    await using client = await open(world, { path, token: world.blue });
    const answers = [];
    for (const word of ["red", "rad"]) {
      const { method, params } = request(word, prefix);
      answers.push((await client.text(method, params)).replaceAll(word, "…"));
    }
    const [hidden, missing] = answers.map((text) => text.replace(/"correlationId":"[^"]*"/, ""));
    ok(hidden!.includes('"error"'), hidden);
    assertEquals(hidden, missing);
    assertEquals(world.shop.requests.map(({ method }) => method).filter(isAsked), []);
  });
}

onEach("what is red's is red's to use", async ({ world, open, path, prefix }) => {
  await using client = await open(world, { path, token: world.red });
  for (const what of ["a tool", "a prompt", "a resource", "what fits a template"]) {
    const { method, params } = REQUESTS[what]!("red", prefix);
    world.shop.on(method, () => ({ from: "the server" }));
    const { result } = await client.ask(method, params);
    assertEquals([what, (result as { from?: string } | undefined)?.from], [what, "the server"]);
  }
});

for (const uri of ["wide://red", "wide://%72ed", "wide://%72%65%64"]) {
  onEach(`${uri} is not read through a template that everybody sees`, async (given) => {
    const { world, open, path } = given;
    world.shop.on("resources/read", () => ({ contents: [] }));
    await using client = await open(world, { path, token: world.blue });
    const hidden = await client.ask("resources/read", { uri });
    const other = await client.ask("resources/read", { uri: "wide://blue" });
    assertEquals(["error" in hidden, "error" in other], [true, false]);
    const read = world.shop.requestsOf("resources/read").map(({ params }) => params.uri);
    assertEquals(read, ["wide://blue"]);
  });
}

/** Everything but what opens and ends a session. */
function isAsked(method: string): boolean {
  return !["initialize", "notifications/initialized", "server/discover", "GET", "DELETE"]
    .includes(method);
}
