/**
 * `/api/openapi.json`: complete, closed, and true.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import { PERMISSIONS } from "../../src/admin/api/permissions.ts";
import {
  ADMIN,
  type AdminWorld,
  adminWorld,
  anItem,
  anUpstream,
  type Json,
  urlOf,
} from "../support/admin_world.ts";

Deno.test("the document is OpenAPI 3.1 with a title and the version of the gateway", async () => {
  const { openapi, info } = await document();
  assertEquals([openapi, info.version, typeof info.title], ["3.1.0", "1.2.3", "string"]);
});

Deno.test("the document has every operation, with its permission and its credential", async () => {
  const found = operations(await document()).map(({ name, operation }) => {
    assertEquals(operation.security, [{ bearer: [] }]);
    return [name, operation["x-permission"]] as const;
  });
  assertEquals(new Map(found), new Map(PERMISSIONS));
});

Deno.test("every operation has an id of its own, a summary, an answer, and the problem document", async () => {
  const all = operations(await document());
  assertEquals(new Set(all.map(({ operation }) => operation.operationId)).size, all.length);
  for (const { operation: { summary, responses } } of all) {
    assertEquals([typeof summary, Object.keys(responses).length], ["string", 2]);
    const problem = responses.default.content["application/problem+json"].schema;
    assertEquals(problem, { $ref: "#/components/schemas/Problem" });
  }
});

Deno.test("every variable of a path is declared, and nothing else is", async () => {
  for (const { name, operation } of operations(await document())) {
    const inPath = (operation.parameters ?? []).filter((one: Json) => one.in === "path");
    const wanted = [...name.matchAll(/\{(\w+)\}/g)].map(([, variable]) => variable);
    assertEquals(
      inPath.map((one: Json) => [one.name, one.required]),
      wanted.map((one) => [one, true]),
    );
  }
});

Deno.test("everything that is referred to exists", async () => {
  const all = await document();
  const references = [...JSON.stringify(all).matchAll(/"\$ref":"#([^"]+)"/g)].map(([, path]) =>
    path!
  );
  const missing = references.filter((path) => {
    const parts = path.split("/").slice(1);
    return parts.reduce((at: Json, part) => at?.[part], all) === undefined;
  });
  assertEquals([references.length > 0, missing], [true, []]);
});

Deno.test("the schemas of bodies and answers are JSON Schema 2020-12", async () => {
  const all = await document();
  for (const { operation } of operations(all)) {
    for (const schema of schemasOf(operation)) validator(all, schema);
  }
});

Deno.test("bodies are closed: a member that the document does not name is not taken", async () => {
  const all = await document();
  const bodies = [
    "NewUpstream",
    "UpstreamChange",
    "NewServer",
    "ServerChange",
    "ToolChange",
    "PromptChange",
    "ResourceChange",
  ];
  const open = bodies.filter((name) => all.components.schemas[name].additionalProperties !== false);
  assertEquals(open, []);
});

Deno.test("the document says that null clears what null clears", async () => {
  const all = await document();
  const fits = validator(all, { $ref: "#/components/schemas/UpstreamChange" });
  const clear = { title: null, headers: null, auth: null, teamId: null, timeout: null, tags: null };
  assertEquals([fits(clear), fits({ name: null }), fits({ url: null })], [true, false, false]);
});

Deno.test("what is answered is what the document says", async () => {
  const world = await stocked();
  const all = await document(world);
  const wrong: unknown[] = [];
  const ids: Record<string, string> = {
    upstreams: "full",
    servers: "virtual",
    ...await someAccounts(world),
  };
  for (const { name, operation } of operations(all)) {
    const [method, path] = name.split(" ");
    const noun = path!.split("/")[2]!;
    const content = operation.responses["200"]?.content;
    if (content === undefined || method !== "GET") continue;
    const id = ids[noun] ?? `full-${noun.slice(0, -1)}-x`;
    const { status, json } = await world.call("GET", urlOf(path!, id));
    const fits = validator(all, content["application/json"].schema);
    if (status !== 200 || !fits(json)) wrong.push([name, status, fits.errors]);
  }
  assertEquals(wrong, []);
});

Deno.test("a refusal is what the document says", async () => {
  const world = await adminWorld();
  const all = await document(world);
  const fits = validator(all, { $ref: "#/components/schemas/Problem" });
  const { json } = await world.call("POST", "/api/servers", { body: { name: 1 } });
  assertEquals([fits(json), json.errors.length], [true, 1]);
});

Deno.test("the document is for administrators, whatever else they may do", async () => {
  const { call } = await adminWorld();
  const { status } = await call("GET", "/api/openapi.json", {
    principal: { ...ADMIN, permissions: [] },
  });
  assertEquals(status, 200);
});

/** One of each; gives their ids by noun. */
async function someAccounts({ call }: AdminWorld): Promise<Record<string, string>> {
  const post = async (path: string, body: unknown) => (await call("POST", path, { body })).json;
  const { email } = await post("/api/users", { email: "ann@example.com", fullName: "Ann" });
  const team = await post("/api/teams", { name: "Ops", description: "all of it" });
  const token = await post("/api/tokens", { name: "ci", teams: "*" });
  const revocation = await post("/api/revocations", { jti: "j1", reason: "lost" });
  return { users: email, teams: team.id, tokens: token.id, revocations: revocation.id };
}

async function document(world?: AdminWorld): Promise<Json> {
  const { call } = world ?? await adminWorld();
  return (await call("GET", "/api/openapi.json")).json;
}

function operations(all: Json): { name: string; operation: Json }[] {
  return Object.entries(all.paths).flatMap(([path, methods]) =>
    Object.entries(methods as Json).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      operation,
    }))
  );
}

function schemasOf({ requestBody, responses, parameters }: Json): Json[] {
  const answers = Object.values(responses).flatMap(({ content }: Json) =>
    Object.values(content ?? {})
  );
  return [...Object.values(requestBody?.content ?? {}), ...answers, ...parameters ?? []]
    .map(({ schema }: Json) => schema);
}

function validator(all: Json, schema: Json) {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const text = JSON.stringify({ ...schema, components: all.components });
  return ajv.compile(JSON.parse(text));
}

async function stocked(): Promise<AdminWorld> {
  const world = await adminWorld();
  await world.declare([anUpstream({ name: "bare", slug: "bare" })]);
  const body = {
    name: "full",
    url: "https://a.example/mcp",
    title: "T",
    headers: { a: "b" },
    auth: { type: "basic", username: "u", password: "p" },
    timeout: 3,
    teamId: "red",
  };
  const { json } = await world.call("POST", "/api/upstreams", { body });
  await world.stock(json.id, [
    anItem(json, "x"),
    anItem(json, "x", { kind: "prompt" }),
    anItem(json, "x", { kind: "resource" }),
  ]);
  const overrides = { tools: { a: { name: "b", annotations: { c: 1 } } } };
  await world.call("POST", "/api/servers", { body: { name: "virtual", overrides } });
  world.stats.record("tools/call", json.id, 12, false);
  world.sessions.push({
    key: "k",
    kind: "gateway_jwt",
    subject: "a@example.com",
    endpoint: "full",
    revision: "2025-11-25",
    createdMs: 1,
    usedMs: undefined,
  });
  return world;
}
