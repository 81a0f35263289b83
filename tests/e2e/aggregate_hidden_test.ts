/**
 * What a caller may not see does not exist for it: not in lists, not in answers, not in refusals,
 * and no server hears of it.
 *
 * @module
 * @see security.md, AUTHZ-19; contract.md, section 7, point 4
 */
import { deepStrictEqual as assertEquals, ok } from "node:assert/strict";
import type { Message } from "../support/modern.ts";
import {
  aResource,
  aTemplate,
  aTool,
  type EraClient,
  ERAS,
  inBothEras,
  namesOf,
  type OpenEra,
  serveShelf,
} from "../support/shelf_world.ts";
import { haveTeams } from "../support/teams.ts";
import { mintToken } from "../support/tokens.ts";

const LISTS = ["tools/list", "prompts/list", "resources/list", "resources/templates/list"];

function offer(name: string) {
  return {
    tools: [aTool("tool")],
    prompts: [{ name: "prompt" }],
    resources: [aResource(`${name}://resource`)],
    templates: [aTemplate(`${name}://of/{x}`)],
    instructions: `Of ${name}`,
  };
}

type World = Awaited<ReturnType<typeof serveShelf>>;
let world: World;

Deno.test.beforeAll(async () => {
  world = await serveShelf({
    open: offer("open"),
    red: offer("red"),
    blue: offer("blue"),
    mine: offer("mine"),
    unlisted: offer("unlisted"),
    off: offer("off"),
  }, {
    entries: {
      red: { visibility: "team", team: "red" },
      blue: { visibility: "team", team: "blue" },
      mine: { visibility: "private", owner: "owner@example.com" },
      unlisted: { expose: false },
      off: { disabled: true },
    },
    env: { SESSIONS_PER_PRINCIPAL: "1000" },
  });
  await haveTeams(world.origin, {
    red: ["r@example.com"],
    blue: ["b@example.com", "owner@example.com"],
  });
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

const CALLERS: Readonly<Record<string, { claims: Message; sees: string[] }>> = {
  nobody: { claims: { sub: "x@example.com" }, sees: ["open"] },
  red: { claims: { sub: "r@example.com", teams: ["red"] }, sees: ["open", "red"] },
  blue: { claims: { sub: "b@example.com", teams: ["blue"] }, sees: ["open", "blue"] },
  owner: {
    claims: { sub: "owner@example.com", teams: ["blue"] },
    sees: ["open", "blue", "mine"],
  },
  admin: {
    claims: { sub: "a@example.com", is_admin: true, teams: null },
    sees: ["open", "red", "blue", "mine"],
  },
};

async function as(name: string, open: OpenEra): Promise<EraClient> {
  for (const stand of Object.values(world.stands)) stand.reset();
  return await open(world, { token: await mintToken(CALLERS[name]!.claims) });
}

for (const [name, { sees }] of Object.entries(CALLERS)) {
  inBothEras(`${name} sees ${sees.join(", ")}`, async (open) => {
    await using client = await as(name, open);
    const seen = await Promise.all(LISTS.map((method) => namesOf(client, method)));
    assertEquals(seen.map((names) => names.sort()), [
      sees.map((one) => `${one}-tool`).sort(),
      sees.map((one) => `${one}-prompt`).sort(),
      sees.map((one) => `${one}://resource`).sort(),
      sees.map((one) => `${one}://of/{x}`).sort(),
    ]);
  });
}

inBothEras("callers that take turns are never shown each other's lists", async (open) => {
  await using red = await as("red", open);
  await using blue = await as("blue", open);
  const wrong: string[] = [];
  await Promise.all(Array.from({ length: 60 }, async (_, i) => {
    const [client, foreign] = i % 2 === 0 ? [red, "blue"] : [blue, "red"];
    const names = await namesOf(client!, LISTS[i % 4]!);
    wrong.push(...names.filter((name) => name.startsWith(foreign as string)));
  }));
  assertEquals(wrong, []);
});

/** Requests that name something of a server. */
const REQUESTS: Readonly<Record<string, (of: string) => { method: string; params: Message }>> = {
  "a tool": (of) => ({
    method: "tools/call",
    params: { name: `${of}-tool`, arguments: {} },
  }),
  "a prompt": (of) => ({ method: "prompts/get", params: { name: `${of}-prompt` } }),
  "a resource": (of) => ({ method: "resources/read", params: { uri: `${of}://resource` } }),
  "what fits a template": (of) => ({ method: "resources/read", params: { uri: `${of}://of/1` } }),
  "completion of a prompt": (of) => ({
    method: "completion/complete",
    params: {
      ref: { type: "ref/prompt", name: `${of}-prompt` },
      argument: { name: "x", value: "" },
    },
  }),
  "completion of a template": (of) => ({
    method: "completion/complete",
    params: {
      ref: { type: "ref/resource", uri: `${of}://of/{x}` },
      argument: { name: "x", value: "" },
    },
  }),
  "a subscription": (of) => ({
    method: "resources/subscribe",
    params: { uri: `${of}://resource` },
  }),
  "the end of a subscription": (of) => ({
    method: "resources/unsubscribe",
    params: { uri: `${of}://resource` },
  }),
};

/** Of the same length as the names of servers that are there. */
const HIDDEN = [["red", "rad"], ["mine", "mind"], ["unlisted", "unlisten"], [
  "off",
  "oft",
]] as const;

for (const [what, request] of Object.entries(REQUESTS)) {
  for (const [hidden, missing] of HIDDEN) {
    inBothEras(`${what} of ${hidden} is answered like one that is missing`, async (open) => {
      await using client = await as("blue", open);
      const answers = [];
      for (const name of [hidden, missing]) {
        const { method, params } = request(name);
        answers.push((await client.text(method, params)).replaceAll(name, "…"));
      }
      const [first, second] = answers.map((text) => text.replace(/"correlationId":"[^"]*"/, ""));
      ok(first!.includes('"error"'), first);
      assertEquals(first, second);
    });

    inBothEras(`${what} of ${hidden} is asked for at no server`, async (open) => {
      await using client = await as("blue", open);
      const { method, params } = request(hidden);
      await client.ask(method, params);
      const seen = Object.values(world.stands).flatMap(({ requests }) => requests);
      assertEquals(seen.map(({ method }) => method), []);
    });
  }
}

Deno.test("a session goes by the credential of each request, not by its first one", async () => {
  await using red = await as("red", ERAS.session);
  await red.ask("tools/call", { name: "red-tool", arguments: {} });
  const token = await mintToken({ ...CALLERS.red!.claims, teams: [] });
  const list = await red.session!.send({ method: "tools/list", token });
  const call = await red.session!.send({
    method: "tools/call",
    params: { name: "red-tool", arguments: {} },
    token,
  });
  const { tools } = list.response.result as { tools: Message[] };
  assertEquals([tools.map(({ name }) => name), "error" in call.response], [["open-tool"], true]);
  assertEquals(world.stands.red!.requestsOf("tools/call").length, 1);
});

inBothEras("the instructions are those of servers that the caller sees", async (open, era) => {
  await using client = await as("blue", open);
  const said = era === "session"
    ? client.session!.server
    : (await client.ask("server/discover")).result as Message;
  assertEquals(said.instructions, "# open\n\nOf open\n\n# blue\n\nOf blue");
});

inBothEras("a credential that may only read cannot call", async (open) => {
  const scopes = { permissions: ["tools.read"] };
  await using client = await open(world, { token: await mintToken({ scopes }) });
  for (const stand of Object.values(world.stands)) stand.reset();
  await client.text("tools/call", { name: "open-tool", arguments: {} }).catch(() => {});
  assertEquals(world.stands.open!.requestsOf("tools/call").length, 0);
});
