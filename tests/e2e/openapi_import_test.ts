/**
 * From a document to tools that clients call: at the command line, and through the API.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import { createPetstore } from "../../fixtures/petstore/petstore.ts";
import { openApiWorld } from "../support/api_world.ts";
import { denoRun, runProgram } from "../support/program.ts";
import { pathOf } from "../support/spawn.ts";
import { inBothEras, namesOf } from "../support/shelf_world.ts";

const DOCUMENT = "fixtures/petstore/openapi.yaml";

/** The petstore, and its document at `/openapi.yaml`. */
async function openStore() {
  const text = await Deno.readTextFile(pathOf(DOCUMENT));
  const store = createPetstore();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => request.url.endsWith("/openapi.yaml") ? new Response(text) : store(request),
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

inBothEras("one command makes tools of a document, for any address", async (client) => {
  await using store = await openStore();
  await using world = await openApiWorld({ env: { EGRESS_ALLOW_PRIVATE: "" } });
  await world.stop();
  const deno = denoRun(["--allow-env", "--allow-read", "--allow-run"], "src/cli/launch.ts");
  const args = ["import", "openapi", pathOf(DOCUMENT), "--base-url", store.url, "--prefix", "x_"];
  const options = { deno, cwd: world.dataDir };
  const ended = await runProgram([...args, "--data", world.dataDir], options);
  assertEquals([ended.code, ended.stderr, ended.stdout.split("\n")[0]], [0, "", "Created: 10"]);
  await world.start();
  await using era = await client(world);
  const { result } = await era.ask("tools/call", {
    name: "x_getPet",
    arguments: { petId: 2 },
  });
  assertEquals(Object(result).structuredContent, {
    name: "Tom",
    status: "promised",
    notes: [],
    id: 2,
  });
});

inBothEras("a document at a URL becomes tools while the gateway runs", async (client) => {
  await using store = await openStore();
  await using world = await openApiWorld();
  await using era = await client(world);
  const { json } = await world.api.must("POST", "/tools/import/openapi", {
    url: `${store.url}/openapi.yaml`,
    baseUrl: store.url,
    include: { tags: ["pets"] },
    exclude: { methods: ["DELETE"] },
  });
  const wanted = ["listPets", "addPet", "getPet", "replacePet", "addNote", "getTable"];
  assertEquals(json.created.map(({ name }: { name: string }) => name), wanted);
  assertEquals(await namesOf(era, "tools/list"), wanted);
});

Deno.test("SSRF-01: a document is not fetched from where the egress policy forbids", async () => {
  await using store = await openStore();
  await using world = await openApiWorld({ env: { EGRESS_ALLOW_PRIVATE: "" } });
  const { status, json } = await world.api.call("POST", "/tools/import/openapi", {
    body: { url: `${store.url}/openapi.yaml` },
  });
  assertEquals([status, json.code], [400, "egress_denied"]);
});
