/**
 * The gateway's own items through the API: taken, shown, changed, and what is refused at which place.
 *
 * @module
 * @see contract.md, section 6
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { ADMIN, type AdminWorld, adminWorld } from "../support/admin_world.ts";
import { LIMITS } from "../../src/domain/limits.ts";

const TEXT = { type: "text", text: "Hello {{who}}" };
const PROMPT = {
  name: "greet",
  title: "T",
  description: "D",
  arguments: [{ name: "who", required: true, values: ["Ada"] }],
  messages: [{ role: "user", content: TEXT }],
};
const NOTE = { uri: "note://a", name: "A", mimeType: "text/plain", text: "one" };
const TEMPLATE = { uriTemplate: "note://{x}", name: "T", text: "{{x}}" };

async function made(body: object, noun: string): Promise<AdminWorld & { path: string }> {
  const world = await adminWorld();
  const { status, json } = await world.call("POST", `/api/${noun}`, { body });
  assertEquals(status, 201);
  return { ...world, path: `/api/${noun}/${json.id}` };
}

for (
  const [noun, body] of [["prompts", PROMPT], ["resources", NOTE], ["resources", TEMPLATE]] as const
) {
  Deno.test(`what is taken at ${noun} is shown as it was given: ${body.name}`, async () => {
    const { call, path } = await made(body, noun);
    const { json } = await call("GET", path);
    for (const [name, value] of Object.entries(body)) assertEquals(json[name], value);
    assertEquals([json.owner, json.visibility, json.enabled, json.missing, json.upstreamId], [
      ADMIN.subject,
      "public",
      true,
      false,
      undefined,
    ]);
  });
}

Deno.test("the list shows it, and finds it by its title", async () => {
  const { call } = await made(PROMPT, "prompts");
  const names = async (q: string) =>
    (await call("GET", `/api/prompts?q=${q}`)).json.items.map(({ name }: typeof PROMPT) => name);
  assertEquals([await names("t"), await names("nowhere")], [["greet"], []]);
});

Deno.test("the answer says where it is, and which version", async () => {
  const { call } = await adminWorld();
  const { headers, json } = await call("POST", "/api/prompts", { body: PROMPT });
  assertEquals(headers.get("location"), `/api/prompts/${json.id}`);
  const { headers: shown } = await call("GET", `/api/prompts/${json.id}`);
  assertEquals(shown.get("etag"), headers.get("etag"));
});

Deno.test("null clears a member, and one that is not given stays", async () => {
  const { call, path } = await made(PROMPT, "prompts");
  const { json } = await call("PATCH", path, { body: { title: null } });
  assertEquals([json.title, json.description], [undefined, "D"]);
});

for (
  const [before, patch, after] of [
    [{ text: "one" }, { blob: "aGk=" }, { blob: "aGk=" }],
    [{ blob: "aGk=" }, { text: "" }, { text: "" }],
    [{ text: "one" }, { contents: [{ text: "1" }, { text: "2" }] }, {
      contents: [{ text: "1" }, { text: "2" }],
    }],
  ] as const
) {
  Deno.test(`${Object.keys(patch)} takes the place of ${Object.keys(before)}`, async () => {
    const { call, path } = await made({ uri: "note://a", name: "A", ...before }, "resources");
    const { status, json } = await call("PATCH", path, { body: patch });
    const { text, blob, contents } = json;
    assertEquals([status, { text, blob, contents }], [
      200,
      { text: undefined, blob: undefined, contents: undefined, ...after },
    ]);
  });
}

Deno.test("a resource can get another URI, and cannot become a template", async () => {
  const { call, path } = await made(NOTE, "resources");
  assertEquals((await call("PATCH", path, { body: { uri: "note://b" } })).json.uri, "note://b");
  const body = { uri: null, uriTemplate: "note://{x}" };
  assertEquals((await call("PATCH", path, { body })).status, 400);
});

Deno.test("a name or URI is one item's, whatever kind of URI it is", async () => {
  const { call } = await made(PROMPT, "prompts");
  assertEquals((await call("POST", "/api/prompts", { body: PROMPT })).status, 409);
  await call("POST", "/api/resources", { body: NOTE });
  const { status, json } = await call("POST", "/api/resources", { body: NOTE });
  assertEquals([status, json.code, json.errors[0].path], [409, "conflict", "uri"]);
});

function nested(depth: number): object {
  return depth === 0 ? {} : { a: nested(depth - 1) };
}

const REFUSED: readonly (readonly [what: string, noun: string, change: object, path: string])[] = [
  ["a name with a space", "prompts", { name: "a b" }, "name"],
  ["no messages", "prompts", { messages: [] }, "messages"],
  [
    "an unknown role",
    "prompts",
    { messages: [{ role: "system", content: TEXT }] },
    "messages.0.role",
  ],
  [
    "an unknown type",
    "prompts",
    { messages: [{ role: "user", content: { type: "x" } }] },
    "messages.0.content.type",
  ],
  ["an undeclared place", "prompts", { arguments: [] }, "messages.0.content.text"],
  [
    "an argument that is there twice",
    "prompts",
    { arguments: [{ name: "who" }, { name: "who" }] },
    "arguments.1.name",
  ],
  ["an argument that no text can name", "prompts", {
    arguments: [{ name: "a b" }, { name: "who" }],
  }, "arguments.0.name"],
  ["an unknown member", "prompts", { template: "x" }, "template"],
  ["an image that is no base64", "prompts", {
    messages: [{ role: "user", content: { type: "image", data: "!", mimeType: "image/png" } }],
  }, "messages.0.content.data"],
  ["a priority over 1", "prompts", {
    messages: [{ role: "user", content: { ...TEXT, annotations: { priority: 2 } } }],
  }, "messages.0.content.annotations.priority"],
  [
    "an icon that is a script",
    "prompts",
    { icons: [{ src: "javascript:alert(1)" }] },
    "icons.0.src",
  ],
  ["_meta that is too deep", "prompts", { _meta: nested(40) }, "_meta"],
  ["a relative URI", "resources", { uri: "a" }, "uri"],
  ["a URI with a space", "resources", { uri: "note://a b" }, "uri"],
  ["URI and template", "resources", { uriTemplate: "note://{x}" }, "uri"],
  ["neither", "resources", { uri: undefined }, "uri"],
  ["text and blob", "resources", { blob: "aGk=" }, "text"],
  ["no contents", "resources", { text: undefined }, "text"],
  [
    "a part of both",
    "resources",
    { text: undefined, contents: [{ text: "", blob: "" }] },
    "contents.0",
  ],
  ["a broken template", "resources", { uri: undefined, uriTemplate: "note://{x" }, "uriTemplate"],
  [
    "a template without variables",
    "resources",
    { uri: undefined, uriTemplate: "note://x" },
    "uriTemplate",
  ],
  [
    "an unknown variable",
    "resources",
    { uri: undefined, uriTemplate: "note://{x}", text: "{{y}}" },
    "text",
  ],
  ["completions of no variable", "resources", {
    uri: undefined,
    uriTemplate: "note://{x}",
    arguments: [{ name: "y", values: [] }],
  }, "arguments.0.name"],
  ["a team that there is not", "resources", { visibility: "team", teamId: "none" }, "teamId"],
];

for (const [what, noun, change, path] of REFUSED) {
  Deno.test(`${what} is refused at ${path}, and nothing is kept`, async () => {
    const { call } = await adminWorld();
    const body = { ...noun === "prompts" ? PROMPT : NOTE, ...change };
    const { status, json } = await call("POST", `/api/${noun}`, { body });
    assertEquals([status, json.errors?.map((one: { path: string }) => one.path)], [400, [path]]);
    assertEquals((await call("GET", `/api/${noun}`)).json.items, []);
  });
}

Deno.test("visibility cannot be taken back: there is no server that it would follow", async () => {
  const { call, path } = await made(PROMPT, "prompts");
  assertEquals((await call("PATCH", path, { body: { visibility: null } })).status, 400);
});

Deno.test("the owner stays when it is shown to a team, and only administrators change it", async () => {
  const { call, path } = await made(PROMPT, "prompts");
  const team = (await call("POST", "/api/teams", { body: { name: "red" } })).json.id;
  const shown = await call("PATCH", path, { body: { visibility: "team", teamId: "red" } });
  assertEquals([shown.json.teamId, shown.json.owner], [team, ADMIN.subject]);
  const given = await call("PATCH", path, { body: { owner: "ann@example.com" } });
  assertEquals(given.json.owner, "ann@example.com");
});

Deno.test("there is room for so many, and no more", async () => {
  const { call, tables, catalog } = await adminWorld();
  const spec = { kind: "resource", uri: "", name: "A", contents: [{ text: "" }] } as const;
  for (let i = 0; i < LIMITS.ownItems; i++) {
    const settings = { spec: { ...spec, uri: `note://${i}` }, enabled: true, audience: undefined };
    await tables.own.create(`r${i}`, settings);
  }
  await catalog.refresh();
  const { status, json } = await call("POST", "/api/resources", { body: NOTE });
  assertEquals([status, json.code], [409, "conflict"]);
});

Deno.test("docs/own-items.md: each record of the page is taken", async () => {
  const { call } = await adminWorld();
  const page = await Deno.readTextFile(new URL("../../docs/own-items.md", import.meta.url));
  const records = [...page.matchAll(/4444(\/api\/\w+) -d '([^']+)'/g)];
  const statuses = [];
  for (const [, path, body] of records) {
    statuses.push((await call("POST", path!, { body: JSON.parse(body!) })).status);
  }
  assertEquals(statuses, [201, 201, 201]);
});
