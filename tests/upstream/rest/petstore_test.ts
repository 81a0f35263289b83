/**
 * The petstore's document as tools, and its API called with them.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createPetstore, KEY } from "../../../fixtures/petstore/petstore.ts";
import type { RestTool } from "../../../src/domain/rest_tool.ts";
import type { UpstreamAuth } from "../../../src/domain/server.ts";
import { imported } from "../../catalog/openapi/fixtures.ts";
import { openRestWorld } from "./rest_world.ts";

const DOCUMENT = new URL("../../../fixtures/petstore/openapi.yaml", import.meta.url);
const PNG = "iVBORw0KGgo=";

async function openStore(auth?: UpstreamAuth) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, createPetstore());
  const baseUrl = `http://127.0.0.1:${server.addr.port}`;
  const found = await imported(await Deno.readTextFile(DOCUMENT), { baseUrl, auth });
  const world = openRestWorld();
  const byName = new Map<string, RestTool>(found.tools.map((tool) => [tool.name, tool]));
  return {
    found,
    call: (name: string, args = {}) => world.call(byName.get(name)!, args, { isModern: true }),
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      await server.shutdown();
    },
  };
}

Deno.test("all of the petstore becomes tools", async () => {
  await using store = await openStore();
  const { tools, skipped, notes, security } = store.found;
  assertEquals(tools.map(({ name }) => name), [
    "listPets",
    "addPet",
    "removeAllPets",
    "getPet",
    "replacePet",
    "removePet",
    "getPhoto",
    "setPhoto",
    "addNote",
    "getTable",
  ]);
  assertEquals([skipped, notes], [[], []]);
  assertEquals(security, [{
    scheme: "key",
    auth: { type: "header", name: "X-Petstore-Key" },
    missing: ["value"],
    tools: ["removeAllPets"],
  }]);
});

Deno.test("each of the petstore's tools works", async () => {
  await using store = await openStore({ type: "header", name: "X-Petstore-Key", value: KEY });
  const { call } = store;
  const pet = { name: "Ann", status: "gone", notes: [], parents: [{ name: "Rex" }], id: 3 };
  const added = await call("addPet", { name: "Ann", status: "gone", parents: [{ name: "Rex" }] });
  assertEquals(added.structuredContent, pet);
  assertEquals((await call("listPets", { status: ["gone", "promised"] })).structuredContent, [
    { name: "Tom", status: "promised", notes: [], id: 2 },
    pet,
  ]);
  assertEquals((await call("replacePet", { petId: 3, name: "Bob" })).structuredContent, {
    ...pet,
    name: "Bob",
  });
  const noted = await call("addNote", { petId: 1, text: "a & b", labels: ["x", "y z"] });
  assertEquals(noted.structuredContent, {
    name: "Rex",
    status: "here",
    notes: [{ text: "a & b", labels: ["x", "y z"] }],
    id: 1,
  });
  assertEquals((await call("setPhoto", { petId: 1, body: PNG })).isError, undefined);
  assertEquals((await call("getPhoto", { petId: 1 })).content, [
    { type: "image", data: PNG, mimeType: "image/png" },
  ]);
  assertEquals((await call("removePet", { petId: 2 })).isError, undefined);
  assertEquals(await call("getPet", { petId: 2 }), {
    content: [
      { type: "text", text: 'The API answered HTTP 404: {"error":"There is no such pet"}' },
    ],
    isError: true,
  });
  assertEquals((await call("getTable")).content, [
    { type: "text", text: "id,name,status\n1,Rex,here\n3,Bob,gone\n" },
  ]);
  assertEquals((await call("removeAllPets")).isError, undefined);
  assertEquals((await call("listPets")).structuredContent, []);
});

Deno.test("without its key, the petstore refuses", async () => {
  await using store = await openStore();
  assertEquals((await store.call("removeAllPets")).content, [
    { type: "text", text: 'The API answered HTTP 401: {"error":"Without the key"}' },
  ]);
});
