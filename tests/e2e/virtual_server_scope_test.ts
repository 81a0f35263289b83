/**
 * A virtual server shows what was chosen and nothing else, whatever a client asks for and however.
 *
 * @module
 * @see contract.md, sections 3 and 4
 */
import { deepStrictEqual as assertEquals, ok } from "node:assert/strict";
import { callModern, type Message } from "../support/modern.ts";
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
import { initialize } from "../support/session_client.ts";
import { haveTeams } from "../support/teams.ts";
import { mintToken } from "../support/tokens.ts";

const PATH = "/servers/chosen/mcp";

type World = Awaited<ReturnType<typeof serveShelf>>;
let world: World;

Deno.test.beforeAll(async () => {
  world = await serveShelf({
    a: {
      tools: [aTool("in"), aTool("out")],
      prompts: [{ name: "in" }, { name: "out" }],
      resources: [aResource("in://a"), aResource("out://a")],
      templates: [aTemplate("in://of/{x}"), aTemplate("out://of/{x}")],
      instructions: "Of a",
    },
    b: {
      tools: [aTool("get_one"), aTool("get_two"), aTool("set_one")],
      templates: [aTemplate("{+anything}")],
    },
    red: { tools: [aTool("get_red")], instructions: "Of red" },
    verbatim: { tools: [aTool("same"), aTool("own")] },
    twin: { tools: [aTool("same")] },
  }, {
    entries: { red: { visibility: "team", team: "red" }, b: { expose: false } },
    servers: {
      chosen: {
        tools: ["a-in", "b-get_*", "red-*"],
        prompts: ["a-in"],
        resources: ["in://*"],
      },
      empty: {},
      off: { tools: ["*"], disabled: true },
      secret: { tools: ["*"], visibility: "team", team: "red" },
      asis: { tools: ["verbatim-*"], naming: "verbatim" },
    },
    env: { SESSIONS_PER_PRINCIPAL: "1000" },
  });
  await haveTeams(world.origin, { red: ["alice@example.com"] });
});

Deno.test.afterAll(async () => await world?.[Symbol.asyncDispose]());

async function client(open: OpenEra, path = PATH, claims: Message = {}): Promise<EraClient> {
  const made = await open(world, { path, token: await mintToken(claims) });
  for (const stand of Object.values(world.stands)) stand.reset();
  return made;
}

inBothEras("tools are chosen by name and by glob, in the order of their servers", async (open) => {
  await using chosen = await client(open);
  assertEquals(await namesOf(chosen, "tools/list"), ["a-in", "b-get_one", "b-get_two"]);
});

inBothEras("who sees more servers is shown more of what is chosen", async (open) => {
  await using chosen = await client(open, PATH, { teams: ["red"] });
  const names = await namesOf(chosen, "tools/list");
  assertEquals(names, ["a-in", "b-get_one", "b-get_two", "red-get_red"]);
});

inBothEras("prompts, resources and templates are those that are chosen", async (open) => {
  await using chosen = await client(open);
  const lists = ["prompts/list", "resources/list", "resources/templates/list"];
  const names = await Promise.all(lists.map((method) => namesOf(chosen, method)));
  assertEquals(names, [["a-in"], ["in://a"], ["in://of/{x}"]]);
});

inBothEras("a server that `/mcp` does not show is shown where it is chosen", async (open) => {
  await using chosen = await client(open);
  const { result } = await chosen.ask("tools/call", { name: "b-get_one", arguments: {} });
  assertEquals((result as Message).content, [{ type: "text", text: "b: get_one" }]);
});

const OUTSIDE: Readonly<Record<string, (of: string) => [method: string, params: Message]>> = {
  "a tool": (of) => ["tools/call", { name: `a-${of}`, arguments: {} }],
  "a tool, by its own name": (of) => ["tools/call", { name: of, arguments: {} }],
  "a prompt": (of) => ["prompts/get", { name: `a-${of}` }],
  "a resource": (of) => ["resources/read", { uri: `${of}://a` }],
  "what fits a template": (of) => ["resources/read", { uri: `${of}://of/1` }],
  "a subscription": (of) => ["resources/subscribe", { uri: `${of}://a` }],
  "a subscription to what fits a template": (of) => ["resources/subscribe", {
    uri: `${of}://of/1`,
  }],
  "completion of a prompt": (of) => ["completion/complete", {
    ref: { type: "ref/prompt", name: `a-${of}` },
    argument: { name: "x", value: "" },
  }],
  "completion of a template": (of) => ["completion/complete", {
    ref: { type: "ref/resource", uri: `${of}://of/{x}` },
    argument: { name: "x", value: "" },
  }],
  "completion of a resource": (of) => ["completion/complete", {
    ref: { type: "ref/resource", uri: `${of}://a` },
    argument: { name: "x", value: "" },
  }],
};

for (const [what, request] of Object.entries(OUTSIDE)) {
  inBothEras(`${what} outside is answered like one that is missing`, async (open) => {
    await using chosen = await client(open);
    const [outside, missing] = [
      await said(chosen, request("out")),
      await said(chosen, request("nix")),
    ];
    ok(outside.includes('"error"'), outside);
    assertEquals(outside.replaceAll("out", "…"), missing.replaceAll("nix", "…"));
  });

  inBothEras(`${what} outside is asked for at no server`, async (open) => {
    await using chosen = await client(open);
    await chosen.ask(...request("out"));
    const seen = Object.values(world.stands).flatMap(({ requests }) => requests);
    assertEquals(seen.map(({ method }) => method), []);
  });
}

inBothEras("all lists of a server with nothing chosen are empty", async (open) => {
  await using empty = await client(open, "/servers/empty/mcp");
  const lists = ["tools/list", "prompts/list", "resources/list", "resources/templates/list"];
  const names = await Promise.all(lists.map((method) => namesOf(empty, method)));
  assertEquals(names, [[], [], [], []]);
});

inBothEras("a server with nothing chosen calls nothing", async (open) => {
  await using empty = await client(open, "/servers/empty/mcp");
  const { error } = await empty.ask("tools/call", { name: "a-in", arguments: {} });
  assertEquals((error as Message).code, -32602);
});

inBothEras("the instructions of servers that show nothing here are not told", async (open, era) => {
  await using asis = await client(open, "/servers/asis/mcp", { teams: ["red"] });
  const told = era === "session"
    ? asis.session!.server
    : (await asis.ask("server/discover")).result as Message;
  assertEquals(told.instructions, undefined);
});

// ── Where there is none ─────────────────────────────────────────────────────────────────────────

const NOWHERE = [
  "/servers/nope/mcp",
  "/servers/off/mcp",
  "/servers/secret/mcp",
  "/servers/CHOSEN/mcp",
  "/servers/chosen%20/mcp",
  "/servers/*/mcp",
  "/servers/%2A/mcp",
  "/servers/__proto__/mcp",
  "/servers/constructor/mcp",
  "/servers/mcp",
  `/servers/${"x".repeat(2_000)}/mcp`,
];

for (const path of NOWHERE) {
  Deno.test(`${path.slice(0, 40)} is 404 in both eras, and never the whole`, async () => {
    const token = await mintToken();
    const modern = await callModern(world.origin, { method: "tools/list", path, token });
    const session = await initialize(world.origin, { path, token });
    assertEquals([modern.status, session.status], [404, 404]);
  });
}

Deno.test("a server that is not there and one of another team are refused alike", async () => {
  const token = await mintToken();
  const [hidden, missing] = await Promise.all(
    ["secret", "sekret"].map((slug) =>
      callModern(world.origin, { method: "tools/list", path: `/servers/${slug}/mcp`, token })
    ),
  );
  const seen = ({ status, text, headers }: NonNullable<typeof hidden>) => [
    status,
    text.replace(/"correlationId":"[^"]*"/, ""),
    headers.map(([name]) => name),
  ];
  assertEquals(seen(hidden!), seen(missing!));
});

Deno.test("a session of one endpoint is none of another", async () => {
  await using chosen = await client(ERAS.session);
  const { session } = chosen;
  const statuses = [];
  for (const path of ["/mcp", "/servers/asis/mcp", "/servers/a/mcp"]) {
    statuses.push((await session!.send({ method: "tools/list", path })).status);
  }
  assertEquals(statuses, [404, 404, 404]);
});

// ── A credential for one server ─────────────────────────────────────────────────────────────────

const PATHS = ["/mcp", PATH, "/servers/asis/mcp", "/servers/a/mcp"];

Deno.test("a token for one server opens that one, by slug, and nothing else", async () => {
  const token = await mintToken({ scopes: { server_id: "chosen" } });
  const statuses = [];
  for (const path of PATHS) {
    statuses.push((await callModern(world.origin, { method: "tools/list", path, token })).status);
  }
  assertEquals(statuses, [404, 200, 404, 404]);
});

Deno.test("a token for one server opens that one by the id that the API gives it", async () => {
  const admin = await mintToken({ is_admin: true, teams: null });
  const reply = await fetch(`${world.origin}/api/servers`, {
    headers: { Authorization: `Bearer ${admin}` },
  });
  const { items } = await reply.json() as { items: { id: string; slug: string }[] };
  const { id } = items.find(({ slug }) => slug === "chosen")!;
  const token = await mintToken({ scopes: { server_id: id } });
  const statuses = [];
  for (const path of [...PATHS, `/servers/${id}/mcp`]) {
    statuses.push((await callModern(world.origin, { method: "tools/list", path, token })).status);
  }
  assertEquals(statuses, [404, 200, 404, 404, 200]);
});

Deno.test("a token for one server opens sessions there only", async () => {
  const token = await mintToken({ scopes: { server_id: "chosen" } });
  const statuses = [];
  for (const path of PATHS) statuses.push((await initialize(world.origin, { path, token })).status);
  assertEquals(statuses, [404, 200, 404, 404]);
});

Deno.test("a token for the slug of `/mcp`, if it had one, opens nothing", async () => {
  const statuses = [];
  for (const server_id of ["*", "mcp", "", "__proto__"]) {
    const token = await mintToken({ scopes: { server_id } });
    statuses.push((await callModern(world.origin, { method: "tools/list", token })).status);
  }
  assertEquals(statuses.filter((status) => status === 200), []);
});

// ── Helpers ─────────────────────────────────────────────────────────────────────────────────────

async function said(
  client: EraClient,
  [method, params]: [method: string, params: Message],
): Promise<string> {
  return (await client.text(method, params)).replace(/"correlationId":"[^"]*"/, "");
}
